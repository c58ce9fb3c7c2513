import type {
  BelfryInbox,
  BelfryInboxAttributes,
  BelfryInboxEvents,
  BelfryInboxProperties,
} from "belfry/inbox";
import type { HTMLAttributes } from "preact";

export * from "belfry/inbox";

type Listeners = {
  [Name in keyof BelfryInboxEvents as `on${Name}`]?: (event: BelfryInboxEvents[Name]) => void;
};

declare module "preact" {
  namespace JSX {
    interface IntrinsicElements {
      "belfry-inbox": BelfryInboxProperties & BelfryInboxAttributes & Listeners & HTMLAttributes<BelfryInbox>;
    }
  }
}
