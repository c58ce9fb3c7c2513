import type { BelfryInbox, BelfryInboxProperties, BelfryInboxProps } from "belfry/inbox";
import type {
  BelfryPreferences,
  BelfryPreferencesProperties,
  BelfryPreferencesProps,
} from "belfry/preferences";

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
      "belfry-preferences": BelfryPreferencesProps<"on:"> &
        Prefixed<"prop", BelfryPreferencesProperties> &
        JSX.HTMLAttributes<BelfryPreferences>;
    }
  }
}
