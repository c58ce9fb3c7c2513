import { type Db, type Document, type Filter, MongoError } from "mongodb";
import { BelfryError } from "../model/errors.ts";
import { fromNow, type InboxState, type ItemChange } from "../model/live.ts";
import type { StoredInboxItem } from "../model/notification.ts";
import { storeError } from "./failures.ts";
import { storedUserId } from "./ids.ts";
import { type UserDocument, usersOf } from "./inbox.ts";
import {
  arrayIn,
  countsOf,
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
  some,
  standing,
  windowOf,
} from "./inbox-items.ts";
import type { UserWrites } from "./user-writes.ts";

/** What a change makes of an item; what already is so is not changed. Archiving reads, too. */
const effects: Record<ItemChange, { is_new?: boolean; archived?: boolean }> = {
  read: { is_new: false },
  unread: { is_new: true, archived: false },
  archive: { is_new: false, archived: true },
  unarchive: { archived: false },
};

/**
 * What a user does with the items of the inbox, each in one atomic round trip. `inboxLimit`: only those that a reader sees
 * can be meant; `now`: Unix milliseconds.
 */
export function createInboxWriter(db: Db, inboxLimit: number, now: () => number, writes: UserWrites) {
  const users = usersOf(db);
  const window = windowOf(inboxLimit);
  const items = itemsOf(inboxLimit);

  return {
    /** Nothing when the user has no such item; `changed`: 0 when it was so already. */
    async change(user: string, id: string, change: ItemChange) {
      const view = await mark(user, hasId(id), effects[change], { item: itemOf("$$marked", id) });
      return view?.item && { ...view, item: keptItem(view.item) };
    },

    /** Reads what is unread and was last changed at `upTo` or before. */
    async readAll(user: string, upTo = fromNow): Promise<InboxState & { changed: number }> {
      const view = await mark(user, { $lte: [numberIn("$$this.rev"), upTo] }, effects.read);
      return view ?? { ...nothing, changed: 0 };
    },

    /**
     * Nothing when the user has no such item. What only lay in the slack is trimmed along, or it would move up and be seen
     * again. The oplog gets what lies behind the item: of a full inbox of 100 (33 KB) 0.5 KB for the newest, 11 for the
     * middle one, 22 for the oldest; a `$pull` would log all of it.
     */
    async remove(user: string, id: string): Promise<InboxState | undefined> {
      const removals = {
        $concatArrays: [arrayIn("$removedNotifications"), [{ id: { $literal: id }, rev: nextRev }]],
      };
      const forgotten = { $arrayElemAt: [removals, -removalsKept - 1] };
      const it = { $and: [hasId(id), isItem] };
      return update<InboxState>(
        user,
        { $expr: some(window, it) },
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
        given({ items }, standing),
      );
    },
  };

  /**
   * Changes `which` of the items that differ from `effect`, all with one `rev`. Answers what comes out, computed from the
   * document before, which alone knows whether anything differed.
   *
   * MongoDB logs the difference alone: one item of a full inbox of 100 (33 KB) costs 430 B of oplog, against 400 for a
   * positional `$set`, which could not be exact; all 100 cost 7 KB.
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
      { rev: "$$rev", ...countsOf("$$marked"), changed: "$$changed", ...more },
    );
    return update(
      user,
      {},
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
   * What `view` computes of the document before or after; nothing when there is none. A refused change is the caller's to
   * know, as a refused notification is: a schema rule of the product team's.
   */
  async function update<View>(
    user: string,
    filter: Filter<UserDocument>,
    set: Document,
    returnDocument: "before" | "after",
    view: unknown,
  ): Promise<View | undefined> {
    const projection = { _id: 0, view };
    try {
      const { value: found }: { value: Document | null } = await writes(user, (options) =>
        users.findOneAndUpdate({ _id: storedUserId(user), ...filter }, [{ $set: set }], {
          projection,
          returnDocument,
          includeResultMetadata: true,
          ...options,
        }),
      );
      if (!found || !("_id" in found)) return found?.view;
      // The first answer was lost, and MongoDB tells the driver's second try from its own copy: whole, unprojected. When
      // the inbox has begun with this change, nobody knows at which moment.
      if (returnDocument === "before" && !(found.rev > 0)) throw new BelfryError("database_unavailable");
      const whole = [{ $documents: { $literal: [found] } }, { $project: projection }];
      return (await db.aggregate(whole).next())?.view;
    } catch (error) {
      throw error instanceof MongoError ? storeError(error) : error;
    }
  }
}
