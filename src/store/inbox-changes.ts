import type { Db, ObjectId } from "mongodb";
import { changeSince, fromNow, type InboxChange, type InboxChanges, type InboxState } from "../model/live.ts";
import type { StoredInboxItem } from "../model/notification.ts";
import { orUnavailable } from "./failures.ts";
import { storedUserId, wireUserId } from "./ids.ts";
import { usersOf } from "./inbox.ts";
import {
  arrayIn,
  given,
  itemsOf,
  keptItem,
  nothing,
  numberIn,
  numberOf,
  removalsKept,
  standing,
} from "./inbox-items.ts";

interface Found extends InboxState {
  /** Null when there are too many for a shared answer. */
  items: StoredInboxItem[] | null;
  removals: Array<{ id: string; rev: number }>;
  removedBefore: number;
}

/** The most that one user's changed items may take of a shared answer: MongoDB's 13 MB for 200 users. */
const sharedBytes = 64 * 1024;

/**
 * Reads what changed since each device last read: many users in one round trip, each at most once, answered in order.
 * MongoDB sends only the changed items. 200 users with full inboxes of 100 take 11 ms without changes, and 29 ms with
 * 25 changed items each.
 *
 * An entry is undefined when this user has too many changes for a shared answer: ask for that user alone. 200 full
 * inboxes of 8 KiB items would be 160 MB and block everyone for 0.7 s. Measuring the size costs nothing when little
 * has changed.
 *
 * Reads with majority, on the primary: a reported `rev` must last, and a device that got a hint must find the change
 * behind it.
 */
export function createChangesReader(db: Db, inboxLimit: number) {
  const users = usersOf(db);

  return async function changesSince(
    requests: Array<{ user: string; since: number }>,
  ): Promise<Array<InboxChanges | undefined>> {
    const ids = requests.map((one) => storedUserId(one.user));
    const asked = requests.map((one) => one.since);
    const view = given(
      {
        items: itemsOf(inboxLimit),
        removedBefore: numberIn("$removedBefore"),
        asked: { $arrayElemAt: [{ $literal: asked }, { $indexOfArray: [{ $literal: ids }, "$_id"] }] },
        // A device that must reread the list needs nothing else.
        since: {
          $cond: [
            { $and: [{ $gt: ["$$asked", 0] }, { $lt: ["$$asked", "$$removedBefore"] }] },
            fromNow,
            "$$asked",
          ],
        },
        changed: {
          $cond: [{ $lt: ["$$since", 0] }, "$$items", { $filter: { input: "$$items", cond: isSince } }],
        },
      },
      standing("$$items", {
        removedBefore: "$$removedBefore",
        items: requests.length === 1 ? "$$changed" : { $cond: [isTooMuch, null, "$$changed"] },
        removals: { $filter: { input: arrayIn("$removedNotifications"), cond: isSince } },
      }),
    );
    const found = await orUnavailable(() =>
      users
        .find<{ _id: ObjectId | string; view: Found }>(
          { _id: { $in: ids } },
          {
            projection: { view },
            batchSize: ids.length + 1,
            readConcern: "majority",
            readPreference: "primary",
          },
        )
        .toArray(),
    );
    const views = new Map(found.map((one) => [wireUserId(one._id), one.view]));
    return ids.map((id, index) => changesOf(views.get(wireUserId(id)), asked[index] as number));
  };
}

/** The `rev` of each of these users, in order; 0 without an inbox. A thousand of them take a few milliseconds. */
export function createRevReader(db: Db) {
  return async function revsOf(names: string[]): Promise<number[]> {
    const ids = names.map(storedUserId);
    const found = await orUnavailable(() =>
      usersOf(db)
        .find(
          { _id: { $in: ids } },
          {
            projection: { rev: 1 },
            batchSize: ids.length + 1,
            readConcern: "majority",
            readPreference: "primary",
          },
        )
        .toArray(),
    );
    const revs = new Map(found.map(({ _id, rev }) => [wireUserId(_id), numberOf(rev)]));
    return ids.map((id) => revs.get(wireUserId(id)) ?? 0);
  };
}

/** A `rev` that is not a number may pass. It is dropped on arrival, which is cheaper. */
const isSince = { $gt: ["$$this.rev", "$$since"] };

const isTooMuch = { $gt: [{ $bsonSize: { changed: "$$changed" } }, sharedBytes] };

/**
 * An item that was created and deleted in between is reported as `deleted` only; a device that never had it ignores
 * that. Without an entry in the document nothing has happened. A `since` above `rev` comes from an erased inbox or
 * from a database that was restored. A device with `since` 0 has nothing of an earlier inbox. When not all removals
 * are remembered, it may still show items of an older system.
 */
function changesOf(found: Found | undefined, since: number): InboxChanges | undefined {
  const { items, removals, removedBefore, ...view } = found ?? {
    ...nothing,
    items: [],
    removals: [],
    removedBefore: 0,
  };
  const isLost = since > 0 ? since > view.rev || since < removedBefore : removals.length >= removalsKept;
  if (since !== fromNow && isLost) return { since, changes: [], resync: true, ...view };
  if (!items) return undefined;
  const changes = [
    ...removals
      .filter(({ id }) => typeof id === "string")
      .map(({ id, rev }): InboxChange => ({ change: "deleted", id, rev: numberOf(rev) })),
    ...items.map(keptItem).map((item) => changeSince(since, item)),
  ];
  // The spread comes last, as in `keptItem`.
  return {
    since,
    // The sort is stable: changes of one `rev` keep the inbox's order.
    changes: changes.filter((one) => revOf(one) > since).sort((a, b) => revOf(a) - revOf(b)),
    resync: false,
    ...view,
  };
}

const revOf = (one: InboxChange): number => (one.change === "deleted" ? one.rev : one.item.rev);
