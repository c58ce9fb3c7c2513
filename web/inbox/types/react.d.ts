import type {
  BelfryInbox,
  BelfryInboxAttributes,
  BelfryInboxEvents,
  BelfryInboxProperties,
} from "belfry/inbox";
import type { HTMLAttributes, RefAttributes } from "react";

export * from "belfry/inbox";

type Listeners = {
  [Name in keyof BelfryInboxEvents as `on${Name}`]?: (event: BelfryInboxEvents[Name]) => void;
};

declare module "react" {
  namespace JSX {
    interface IntrinsicElements {
      "belfry-inbox": BelfryInboxProperties &
        BelfryInboxAttributes &
        Listeners &
        HTMLAttributes<BelfryInbox> &
        RefAttributes<BelfryInbox>;
    }
  }
}
