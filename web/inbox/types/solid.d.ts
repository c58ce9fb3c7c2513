import type {
  BelfryInbox,
  BelfryInboxAttributes,
  BelfryInboxEvents,
  BelfryInboxProperties,
} from "belfry/inbox";

export * from "belfry/inbox";

type Prefixed<Prefix extends string, Values> = {
  [Name in keyof Values & string as `${Prefix}:${Name}`]?: Values[Name];
};
type Listeners = {
  [Name in keyof BelfryInboxEvents as `on:${Name}`]?: (event: BelfryInboxEvents[Name]) => void;
};

declare module "solid-js/jsx-runtime" {
  namespace JSX {
    interface IntrinsicElements {
      "belfry-inbox": BelfryInboxProperties &
        Prefixed<"prop", BelfryInboxProperties> &
        BelfryInboxAttributes &
        Listeners &
        JSX.HTMLAttributes<BelfryInbox>;
    }
  }
}
