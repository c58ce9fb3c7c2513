import type { Collection, Db, Document, ObjectId } from "mongodb";
import type { Suppression } from "../model/channel.ts";
import type { InboxItem, InboxListing, InboxQuery, InboxState } from "../model/live.ts";
import type { Channel, InboxPage, InboxView, StoredInboxItem } from "../model/notification.ts";
import type { Preferences } from "../model/preferences.ts";
import { orUnavailable } from "./failures.ts";
import { storedUserId, wireUserId } from "./ids.ts";
import {
  countsOf,
  given,
  isArchived,
  itemOf,
  itemsOf,
  keptItem,
  nothing,
  numberIn,
  standing,
  windowOf,
} from "./inbox-items.ts";

export interface UserDocument {
  _id: ObjectId | string;
  email?: string;
  phone?: string;
  locale?: string;
  timeZone?: string;
  webhook?: { url: string; secrets: string[]; headers?: Record<string, string>; failingSince?: Date };
  suppressed?: Partial<Record<Channel, Suppression>>;
  notificationPreferences?: Preferences;
  /** The `rev` of their last change. */
  preferences_rev?: number;
  /**
   * Starts at the database's clock in milliseconds and grows by one with each change of `notifications`. Each item
   * carries the value of its last change.
   */
  rev?: number;
  /** Oldest first; up to `INBOX_LIMIT` + 25 %, of which readers see the newest `INBOX_LIMIT`. */
  notifications?: StoredInboxItem[];
  /** Oldest first, the newest 100. `recalled`: taken back by the caller, in Unix ms. */
  removedNotifications?: Array<{
    id: string;
    rev: number;
    recalled?: number;
    key?: string;
    caller_key?: string;
  }>;
  /**
   * A device with a lower `rev` cannot be told every change. The `rev` at which the inbox started, or that of the
   * newest removal that is no longer in `removedNotifications`.
   */
  removedBefore?: number;
  /** How many notifications have replaced an earlier one: two at once conflict in it. */
  replacedNotifications?: number;
  /** The user has seen the items with a `created_rev` up to this one. */
  seen_rev?: number;
}

export const usersOf = (db: Db): Collection<UserDocument> => db.collection("users");

/** Reads inboxes. `inboxLimit`: how many items of the array a reader sees. */
export function createInboxReader(db: Db, inboxLimit: number) {
  const users = usersOf(db);
  const window = windowOf(inboxLimit);
  const items = itemsOf(inboxLimit);

  return {
    /** Many pages in one round trip, for the dialects. Pages of equal `skip` and `limit` share a query. */
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

    /** One page and the counts, in one consistent view. `limit` 0 returns the counts only. */
    async read(query: InboxQuery): Promise<InboxListing> {
      const limit = Math.min(query.limit, inboxLimit);
      const matching = { $filter: { input: olderThan(query.after), cond: { $and: conditionsOf(query) } } };
      const page = {
        $slice: [{ $reverseArray: matching }, Math.min(query.skip, inboxLimit), limit + 1],
      };
      const { page: found, ...view } = (await look<{ page: StoredInboxItem[] }>(query.user, { page })) ?? {
        ...nothing,
        page: [],
      };
      const kept = found.slice(0, limit).map(keptItem);
      const last = kept.at(-1);
      return {
        ...view,
        items: kept,
        ...(last && found.length > limit && { next: { created_rev: last.created_rev, id: last.id } }),
      };
    },

    /** Undefined when the user has no such item. */
    async get(user: string, id: string): Promise<(InboxState & { item: InboxItem }) | undefined> {
      const view = await look<{ item?: StoredInboxItem }>(user, { item: itemOf("$$items", id) });
      return view?.item && { ...view, item: keptItem(view.item) };
    },
  };

  /**
   * Undefined for an unknown user. Reads with majority, so that nothing reported is rolled back: a device would take
   * a rolled-back `rev` for that of the change which replaced it.
   */
  async function look<More>(user: string, more: Document): Promise<(InboxState & More) | undefined> {
    const projection = { _id: 0, view: standing(items, more) };
    const found = await orUnavailable(() =>
      users.findOne<{ view: InboxState & More }>(
        { _id: storedUserId(user) },
        { projection, readConcern: "majority" },
      ),
    );
    return found?.view;
  }

  async function readGroup(group: InboxPage[]): Promise<Map<string, InboxView>> {
    const [{ skip, limit }] = group as [InboxPage];
    const page = { $slice: [{ $reverseArray: window }, skip, limit] };
    const projection: Document = {
      ...countsOf(window),
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
      found.map(({ _id, ...view }) => [wireUserId(_id), { ...view, items: view.items.filter(isWhole) }]),
    );
  }
}

/** The dialects' answers always have all fields. */
const isWhole = (item: Partial<StoredInboxItem> | null): boolean =>
  typeof item?.id === "string" &&
  typeof item.timestamp === "number" &&
  typeof item.is_new === "boolean" &&
  typeof item.user_id === "string" &&
  typeof item.key === "string";

/**
 * The `$$items` before the cursor. While the cursor's item exists, those before that item; this also works in an
 * older system's array, where `created_rev` means nothing. Otherwise those that are older by `created_rev` and id.
 */
function olderThan(after: InboxQuery["after"]): unknown {
  if (!after) return "$$items";
  const createdRev = numberIn({ $ifNull: ["$$this.created_rev", "$$this.rev"] });
  const older = {
    $or: [
      { $lt: [createdRev, after.created_rev] },
      { $and: [{ $eq: [createdRev, after.created_rev] }, { $lt: ["$$this.id", { $literal: after.id }] }] },
    ],
  };
  return given(
    { at: { $indexOfArray: ["$$items.id", { $literal: after.id }] } },
    {
      $cond: [
        { $lt: ["$$at", 0] },
        { $filter: { input: "$$items", cond: older } },
        { $slice: ["$$items", "$$at"] },
      ],
    },
  );
}

function conditionsOf({ unread, archived, type, targetId }: InboxQuery): Document[] {
  return [
    ...(unread === undefined ? [] : [{ $eq: ["$$this.is_new", unread] }]),
    ...(archived === undefined ? [] : [{ $eq: [isArchived, archived] }]),
    ...(type === undefined ? [] : [{ $eq: ["$$this.key", { $literal: type }] }]),
    ...(targetId === undefined
      ? []
      : [{ $eq: [lowerCase("$$this.target_id"), { $literal: targetId.toLowerCase() }] }]),
  ];
}

/** The stored spelling is kept, so compare in lower case. Other types stay as they are. */
const lowerCase = (text: string) => ({
  $cond: [{ $eq: [{ $type: text }, "string"] }, { $toLower: text }, text],
});
