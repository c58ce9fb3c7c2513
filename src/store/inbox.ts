import type { Collection, Db, Document, ObjectId } from "mongodb";
import type { Channel, InboxItem, InboxPage, InboxView } from "../model/notification.ts";
import type { Suppression } from "../model/provider.ts";
import { orUnavailable } from "./failures.ts";
import { storedUserId, wireUserId } from "./ids.ts";

export interface UserDocument {
  _id: ObjectId | string;
  email?: string;
  phone?: string;
  webhook?: { url: string; secrets: string[] };
  suppressed?: Partial<Record<Channel, Suppression>>;
  /** Grows by one with each change of `notifications`; each item carries the value of its last change. */
  rev?: number;
  /** Oldest first; up to `INBOX_LIMIT` + 25 %, of which readers see the newest `INBOX_LIMIT`. */
  notifications?: Array<InboxItem & { rev: number }>;
}

export const usersOf = (db: Db): Collection<UserDocument> => db.collection("users");

/** Reads and marks. `inboxLimit`: how many items of the array are there for a reader. */
export function createInboxStore(db: Db, inboxLimit: number) {
  const users = usersOf(db);
  /** A user whose `notifications` is something else has an empty inbox, and does not fail the others in the query. */
  const kept = { $cond: [{ $isArray: "$notifications" }, "$notifications", []] };
  const seen = { $slice: [kept, -inboxLimit] };

  return {
    /**
     * Many pages in one round trip. Pages of equal `skip` and `limit` share a query; counts are taken from the items
     * themselves, so they cannot drift.
     */
    async pages(requests: InboxPage[]): Promise<InboxView[]> {
      const shapes = new Map<string, InboxPage[]>();
      for (const request of requests) {
        const shape = `${request.skip}:${request.limit}`;
        shapes.set(shape, [...(shapes.get(shape) ?? []), request]);
      }
      const views = new Map<string, InboxView>();
      await Promise.all(
        [...shapes].map(async ([shape, group]) => {
          for (const [user, view] of await readGroup(group)) views.set(`${shape}:${user}`, view);
        }),
      );
      return requests.map(
        ({ user, skip, limit }) =>
          views.get(`${skip}:${limit}:${user}`) ?? { total: 0, unread: 0, items: [] },
      );
    },

    /** True when the user has such an item, read before or not; reading twice changes nothing. */
    async markRead(user: string, id: string): Promise<boolean> {
      const marking = () =>
        users.updateOne(
          { _id: storedUserId(user), $expr: { $in: [id, { $map: { input: seen, in: "$$this.id" } }] } },
          [
            { $set: { rev: { $add: [{ $ifNull: ["$rev", 0] }, { $cond: [unreadItem(id), 1, 0] }] } } },
            {
              $set: {
                notifications: {
                  $map: {
                    input: "$notifications",
                    in: {
                      $cond: [
                        { $and: [{ $eq: ["$$this.id", id] }, "$$this.is_new"] },
                        { $mergeObjects: ["$$this", { is_new: false, rev: "$rev" }] },
                        "$$this",
                      ],
                    },
                  },
                },
              },
            },
          ],
        );
      return (await orUnavailable(marking)).matchedCount === 1;
    },
  };

  async function readGroup(group: InboxPage[]): Promise<Map<string, InboxView>> {
    const [{ skip, limit }] = group as [InboxPage];
    const page = { $slice: [{ $reverseArray: seen }, skip, limit] };
    const projection: Document = {
      total: { $size: seen },
      unread: { $size: { $filter: { input: seen, cond: "$$this.is_new" } } },
      // `$slice` refuses a length of 0.
      items: limit === 0 ? { $literal: [] } : page,
    };
    const found = await orUnavailable(() =>
      users
        .find<{ _id: ObjectId | string } & InboxView>(
          { _id: { $in: group.map((one) => storedUserId(one.user)) } },
          { projection, batchSize: group.length + 1 },
        )
        .toArray(),
    );
    return new Map(
      found.map(({ _id, ...view }) => [wireUserId(_id), { ...view, items: view.items.filter(isItem) }]),
    );
  }
}

const unreadItem = (id: string) => ({
  $gt: [
    {
      $size: {
        $filter: { input: "$notifications", cond: { $and: [{ $eq: ["$$this.id", id] }, "$$this.is_new"] } },
      },
    },
    0,
  ],
});

/** The array is the product team's own, too: what is no item is passed over. */
const isItem = (item: Partial<InboxItem> | null): boolean =>
  typeof item?.id === "string" &&
  typeof item.timestamp === "number" &&
  typeof item.is_new === "boolean" &&
  typeof item.user_id === "string" &&
  typeof item.key === "string";
