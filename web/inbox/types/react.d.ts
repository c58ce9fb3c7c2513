import type { BelfryInbox, BelfryInboxProps } from "belfry/inbox";
import type { BelfryPreferences, BelfryPreferencesProps } from "belfry/preferences";
import type { HTMLAttributes, RefAttributes } from "react";

export * from "belfry/inbox";

declare module "react" {
  namespace JSX {
    interface IntrinsicElements {
      "belfry-inbox": BelfryInboxProps & HTMLAttributes<BelfryInbox> & RefAttributes<BelfryInbox>;
      "belfry-preferences": BelfryPreferencesProps &
        HTMLAttributes<BelfryPreferences> &
        RefAttributes<BelfryPreferences>;
    }
  }
}
