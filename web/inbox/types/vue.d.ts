import type { BelfryInboxAttributes, BelfryInboxEvents, BelfryInboxProperties } from "belfry/inbox";
import type { BelfryPreferencesAttributes, BelfryPreferencesProperties } from "belfry/preferences";
import type { HTMLAttributes, ReservedProps } from "vue";

export * from "belfry/inbox";

/** `belfry-new`: `onBelfryNew`, as Vue names the listener of `@belfry-new`. */
type Camel<Name extends string> = Name extends `${infer Head}-${infer Tail}`
  ? `${Capitalize<Head>}${Camel<Tail>}`
  : Capitalize<Name>;
type Listeners = {
  [Name in keyof BelfryInboxEvents as `on${Camel<Name>}`]?: (event: BelfryInboxEvents[Name]) => void;
};

declare module "vue" {
  interface GlobalComponents {
    "belfry-inbox": new () => {
      $props: BelfryInboxProperties & BelfryInboxAttributes & Listeners & HTMLAttributes & ReservedProps;
    };
    "belfry-preferences": new () => {
      $props: BelfryPreferencesProperties &
        BelfryPreferencesAttributes & {
          onBelfryPreferences?: (event: CustomEvent<null>) => void;
        } & HTMLAttributes &
        ReservedProps;
    };
  }
}
