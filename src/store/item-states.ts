import type { Db } from "mongodb";
import { orUnavailable } from "./failures.ts";
import { storedUserId, wireUserId } from "./ids.ts";
import { usersOf } from "./inbox.ts";
import { arrayIn, numberIn, numberOf } from "./inbox-items.ts";

/** The state of an inbox item: what its user has done with it. */
export interface ItemState {
  read: boolean;
  seen: boolean;
  archived: boolean;
}

/** A removed item was seen, and needs no message. */
const removed: ItemState = { read: true, seen: true, archived: true };

/**
 * The states of inbox items, one entry per request, in order. Undefined: the inbox does not have the item, and the user
 * did not remove it: it was trimmed, or never kept.
 */
export function createItemStates(db: Db) {
  const users = usersOf(db);
  return async (
    requests: Array<{ user: string; notification: string }>,
  ): Promise<Array<ItemState | undefined>> => {
    const ids = { $literal: requests.map((one) => one.notification) };
    const named = (array: string) => ({
      $filter: { input: arrayIn(array), cond: { $in: ["$$this.id", ids] } },
    });
    const found = await orUnavailable(() =>
      users
        .find<{
          _id: string;
          items: Array<Record<string, unknown>>;
          gone: Array<{ id: unknown }>;
          seen: number;
        }>(
          { _id: { $in: [...new Set(requests.map((one) => one.user))].map(storedUserId) } },
          {
            projection: {
              items: named("$notifications"),
              gone: named("$removedNotifications"),
              seen: numberIn("$seen_rev"),
            },
            batchSize: requests.length + 1,
          },
        )
        .toArray(),
    );
    const byUser = new Map(found.map((one) => [wireUserId(one._id), one]));
    return requests.map(({ user, notification }) => {
      const { items = [], gone = [], seen = 0 } = byUser.get(user) ?? {};
      const item = items.find((one) => one.id === notification);
      if (!item) return gone.some((one) => one.id === notification) ? removed : undefined;
      const read = item.is_new === false;
      const came = numberOf(item.created_rev ?? item.rev);
      return { read, seen: read || (came > 0 && came <= seen), archived: item.archived === true };
    });
  };
}
