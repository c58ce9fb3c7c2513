import type {
  BelfryInbox,
  BelfryInboxAttributes,
  BelfryInboxEvents,
  BelfryInboxProperties,
} from "belfry/inbox";
import type { HTMLAttributes } from "svelte/elements";

export * from "belfry/inbox";

type Listeners = {
  [Name in keyof BelfryInboxEvents as `on${Name}` | `on:${Name}`]?: (event: BelfryInboxEvents[Name]) => void;
};

declare module "svelte/elements" {
  interface SvelteHTMLElements {
    "belfry-inbox": BelfryInboxProperties & BelfryInboxAttributes & Listeners & HTMLAttributes<BelfryInbox>;
  }
}
