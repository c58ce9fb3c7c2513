import type { Db, Document, Filter } from "mongodb";
import { BelfryError } from "../model/errors.ts";
import { fromNow, type InboxState, type ItemChange } from "../model/live.ts";
import type { StoredInboxItem } from "../model/notification.ts";
import { isFromMongo, storeError } from "./failures.ts";
import { storedUserId } from "./ids.ts";
import { type UserDocument, usersOf } from "./inbox.ts";
import {
  arrayIn,
  given,
  hasId,
  isArchived,
  isItem,
  itemOf,
  itemsOf,
  keptItem,
  nextRev,
  nothing,
  numberIn,
  removalsKept,
  removedBefore,
  seenRev,
  some,
  standing,
  unreadIn,
  unseenIn,
  windowOf,
} from "./inbox-items.ts";
import type { UserWrites } from "./user-writes.ts";

/** The fields that a change sets. An item that already has them is not changed. Archiving also marks as read. */
const effects: Record<ItemChange, { is_new?: boolean; archived?: boolean }> = {
  read: { is_new: false },
  unread: { is_new: true, archived: false },
  archive: { is_new: false, archived: true },
  unarchive: { archived: false },
};

/**
 * A user's changes to inbox items, each in one atomic round trip. `inboxLimit`: only the items that a reader sees can
 * be changed. `now`: Unix milliseconds.
 */
export function createInboxWriter(db: Db, inboxLimit: number, now: () => number, writes: UserWrites) {
  const users = usersOf(db);
  const window = windowOf(inboxLimit);
  const items = itemsOf(inboxLimit);

  return {
    /** Undefined when the user has no such item. `changed` is 0 when the item already had that state. */
    async change(user: string, id: string, change: ItemChange) {
      const view = await mark(user, hasId(id), effects[change], { item: itemOf("$$marked", id) });
      return view?.item && { ...view, item: keptItem(view.item) };
    },

    /** Marks as read the unread items that last changed at `upTo` or before. */
    async readAll(user: string, upTo = fromNow): Promise<InboxState & { changed: number }> {
      const view = await mark(user, { $lte: [numberIn("$$this.rev"), upTo] }, effects.read);
      return view ?? { ...nothing, changed: 0 };
    },

    /**
     * Marks as seen the items that were added at `upTo` or before, but not those that are added later. `rev` grows only
     * when `unseen` changes, so that every device learns of it. A foreign `seen_rev` is not overwritten, as in `nextRev`.
     */
    async seen(user: string, upTo = fromNow): Promise<InboxState> {
      const to = { $min: [upTo, numberIn("$rev")] };
      const newlySeen = unseenIn(unreadIn(items), seenRev, to);
      const view = await update<InboxState>(
        user,
        () => ({}),
        {
          rev: { $cond: [{ $ne: [newlySeen, []] }, nextRev, "$rev"] },
          seen_rev: {
            $cond: [{ $gt: [to, seenRev] }, { $max: [to, { $multiply: ["$seen_rev", 0] }] }, "$seen_rev"],
          },
        },
        "after",
        standing(items),
      );
      return view ?? nothing;
    },

    /**
     * Undefined when the user has no such item. Also trims the items beyond `inboxLimit`; otherwise one of them would
     * move up and be seen again. The oplog gets the items after the removed one: in a full inbox of 100 (33 KB), 0.5
     * KB for the newest item, 11 KB for the middle one, 22 KB for the oldest. A `$pull` would log the whole array.
     *
     * `recalled`: when its caller took it back (Unix ms). The removal then also keeps the caller's key, so that a
     * repeated recall finds it, and the type, for its story.
     */
    async remove(user: string, id: string, recalled?: number): Promise<InboxState | undefined> {
      const it = { $and: [hasId(id), isItem] };
      const removed = { $first: { $filter: { input: window, cond: it } } };
      const removal = {
        id: { $literal: id },
        rev: nextRev,
        ...(recalled !== undefined && {
          recalled,
          key: given({ removed }, "$$removed.key"),
          caller_key: given({ removed }, "$$removed.caller_key"),
        }),
      };
      const removals = { $concatArrays: [arrayIn("$removedNotifications"), [removal]] };
      const forgotten = { $arrayElemAt: [removals, -removalsKept - 1] };
      return update<InboxState>(
        user,
        // A first try that ran out of time may have been applied: the item is among the removed ones then.
        (isRepeated) => ({
          $or: [{ $expr: some(window, it) }, ...(isRepeated ? [{ "removedNotifications.id": id }] : [])],
        }),
        {
          rev: nextRev,
          notifications: { $filter: { input: window, cond: { $not: it } } },
          removedNotifications: { $slice: [removals, -removalsKept] },
          removedBefore: given(
            { forgotten },
            { $ifNull: [{ $max: [removedBefore, "$$forgotten.rev"] }, "$$REMOVE"] },
          ),
        },
        "after",
        standing(items),
      );
    },
  };

  /**
   * Applies `effect` to the items that match `which` and differ from it, all with one `rev`. Computes its result from
   * the document before the change, because only that shows whether anything differed.
   *
   * MongoDB logs only the difference. One item of a full inbox of 100 (33 KB) costs 430 B of oplog, against 400 B for
   * a positional `$set`, which could not be exact. All 100 items cost 7 KB.
   */
  async function mark(
    user: string,
    which: Document,
    effect: { is_new?: boolean; archived?: boolean },
    more: Document = {},
  ): Promise<(InboxState & { changed: number; item?: StoredInboxItem }) | undefined> {
    const { is_new, archived } = effect;
    const differs = {
      $or: [
        ...(is_new === undefined ? [] : [{ $ne: ["$$this.is_new", is_new] }]),
        ...(archived === undefined ? [] : [{ $ne: [isArchived, archived] }]),
      ],
    };
    const changing = { $and: [which, isItem, differs] };
    const marked = (input: string, rev: unknown) => {
      const fields = {
        ...(is_new !== undefined && { is_new }),
        rev,
        created_rev: numberIn({ $ifNull: ["$$this.created_rev", "$$this.rev"] }),
        changed: Math.floor(now() / 1000),
      };
      const item = { $mergeObjects: ["$$this", fields] };
      const value = archived === undefined ? "$$this.archived" : archived || "$$REMOVE";
      const changed = { $setField: { field: "archived", input: item, value } };
      return { $map: { input, in: { $cond: [changing, changed, "$$this"] } } };
    };
    const any = some(window, changing);
    const view = given(
      {
        items,
        changed: { $size: { $filter: { input: "$$items", cond: changing } } },
        rev: { $cond: [{ $gt: ["$$changed", 0] }, nextRev, numberIn("$rev")] },
        marked: marked("$$items", "$$rev"),
      },
      standing("$$marked", { rev: "$$rev", changed: "$$changed", ...more }),
    );
    return update(
      user,
      () => ({}),
      {
        rev: { $cond: [any, nextRev, "$rev"] },
        removedBefore: { $cond: [any, removedBefore, "$removedBefore"] },
        notifications: { $cond: [any, marked("$notifications", nextRev), "$notifications"] },
      },
      "before",
      view,
    );
  }

  /**
   * Returns what `view` computes from the document before or after the change; undefined without a document. A change
   * that the product team's schema rule refuses is reported to the caller, like a refused notification.
   */
  async function update<View>(
    user: string,
    filterOf: (isRepeated: boolean) => Filter<UserDocument>,
    set: Document,
    returnDocument: "before" | "after",
    view: unknown,
  ): Promise<View | undefined> {
    const projection = { _id: 0, view };
    let tries = 0;
    try {
      const { value: found }: { value: Document | null } = await writes(user, (options) =>
        users.findOneAndUpdate({ _id: storedUserId(user), ...filterOf(tries++ > 0) }, [{ $set: set }], {
          projection,
          returnDocument,
          includeResultMetadata: true,
          ...options,
        }),
      );
      if (!found || !("_id" in found)) return found?.view;
      // The first answer was lost, and MongoDB answered the driver's retry from its own copy: the whole document,
      // without the projection. When this change started the inbox, the moment in its `rev` is unknown.
      if (returnDocument === "before" && !(found.rev > 0)) throw new BelfryError("database_unavailable");
      const whole = [{ $documents: { $literal: [found] } }, { $project: projection }];
      return (await db.aggregate(whole).next())?.view;
    } catch (error) {
      throw isFromMongo(error) ? storeError(error) : error;
    }
  }
}
