import type { BelfryInbox, BelfryInboxProperties, BelfryInboxProps } from "belfry/inbox";

export * from "belfry/inbox";

type Prefixed<Prefix extends string, Values> = {
  [Name in keyof Values & string as `${Prefix}:${Name}`]?: Values[Name];
};

declare module "solid-js/jsx-runtime" {
  namespace JSX {
    interface IntrinsicElements {
      "belfry-inbox": BelfryInboxProps<"on:"> &
        Prefixed<"prop", BelfryInboxProperties> &
        JSX.HTMLAttributes<BelfryInbox>;
    }
  }
}
