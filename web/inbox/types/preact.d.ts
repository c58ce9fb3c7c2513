import type { BelfryInbox, BelfryInboxProps } from "belfry/inbox";
import type { BelfryPreferences, BelfryPreferencesProps } from "belfry/preferences";
import type { HTMLAttributes } from "preact";

export * from "belfry/inbox";

declare module "preact" {
  namespace JSX {
    interface IntrinsicElements {
      "belfry-inbox": BelfryInboxProps & HTMLAttributes<BelfryInbox>;
      "belfry-preferences": BelfryPreferencesProps & HTMLAttributes<BelfryPreferences>;
    }
  }
}
