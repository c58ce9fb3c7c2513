import type { BelfryInbox, BelfryInboxProps } from "belfry/inbox";
import type { BelfryPreferences, BelfryPreferencesProps } from "belfry/preferences";
import type { HTMLAttributes } from "svelte/elements";

export * from "belfry/inbox";

declare module "svelte/elements" {
  interface SvelteHTMLElements {
    "belfry-inbox": BelfryInboxProps<"on" | "on:"> & HTMLAttributes<BelfryInbox>;
    "belfry-preferences": BelfryPreferencesProps<"on" | "on:"> & HTMLAttributes<BelfryPreferences>;
  }
}
