import { decide } from "../model/decide.ts";
import type { PlannedNotification } from "../model/notification.ts";
import type { Store } from "../store/index.ts";
import type { TypeRegistry } from "./notification-types.ts";

/**
 * Leaves out the inbox items that their users have turned off. One read for all users of a batch, and none for types
 * that the user cannot turn off. Changes the plans. Rejects with `database_unavailable`.
 */
export function createInboxChoice(
  { preferences: store, now }: Pick<Store, "preferences" | "now">,
  { get }: Pick<TypeRegistry, "get">,
) {
  return async (batch: PlannedNotification[]): Promise<void> => {
    const asked = batch.filter(({ item }) => item && !get(item.key)?.mandatory);
    if (asked.length === 0) return;
    const preferences = await store.many(asked.map((one) => one.user));
    for (const planned of asked) {
      const type = get(planned.item?.key as string);
      const own = preferences.get(planned.user);
      if (!type || (!own && type.defaults === undefined)) continue;
      const at = now();
      const facts = { type, channel: "inbox", rules: {}, at, now: at, preferences: own ?? {}, zone: "UTC" };
      if (decide(facts).verdict === "skip") delete planned.item;
    }
  };
}
