import type { Channel, PlannedNotification } from "../model/notification.ts";
import type { Store } from "../store/index.ts";
import type { Replacing } from "../store/replace.ts";

/**
 * Stores a notification that replaces the user's newest one with its key. Without an earlier one it is an ordinary
 * notification. Rejects as `notify` does.
 */
export function createReplace(
  store: Pick<Store, "replace">,
  tell: {
    announce?: ((deliveries: Array<{ id: string; channel: Channel }>) => void) | undefined;
    touch?: ((users: string[]) => void) | undefined;
  },
) {
  return async (planned: PlannedNotification): Promise<{ id: string; replaced: boolean }> => {
    const { id, replaced, deliveries } = await store.replace(planned as Replacing);
    tell.touch?.([planned.user]);
    const due = deliveries.filter((one) => one.due === undefined);
    if (due.length > 0) tell.announce?.(due);
    return { id, replaced };
  };
}
