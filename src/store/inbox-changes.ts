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
  /** Null: they are too many for an answer that is shared. */
  items: StoredInboxItem[] | null;
  removals: Array<{ id: string; rev: number }>;
  removedBefore: number;
}

/** What one user's changed items may take of an answer that is shared: it has 13 MB for 200 users. */
const sharedBytes = 64 * 1024;

/**
 * What differs from what devices knew: many users in one round trip, each at most once, answered in order. MongoDB sends
 * the items that have changed, no others: 200 users with full inboxes of 100 take 11 ms when nothing has, 29 ms when 25
 * items each have.
 *
 * Undefined: for this one there is too much to tell among others, ask for it alone. 200 full inboxes of items of 8 KiB would
 * be 160 MB and hold everyone up for 0.7 s; to weigh what has changed costs nothing when that is little.
 *
 * Read with majority, on the primary: a `rev` that is told must last, and a device that was given a hint must find what
 * the hint was about.
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
        // Who must read the list anew needs nothing else.
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
      {
        ...standing,
        removedBefore: "$$removedBefore",
        items: requests.length === 1 ? "$$changed" : { $cond: [isTooMuch, null, "$$changed"] },
        removals: { $filter: { input: arrayIn("$removedNotifications"), cond: isSince } },
      },
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

/** A `rev` that is no number may pass: it is dropped on arrival, which is cheaper. */
const isSince = { $gt: ["$$this.rev", "$$since"] };

const isTooMuch = { $gt: [{ $bsonSize: { changed: "$$changed" } }, sharedBytes] };

/**
 * What came and went in between is told as `deleted` alone: a device that never had it ignores that. Without an entry in
 * the document nothing has happened: a `since` above `rev` is that of an inbox that was erased, or of a restored database.
 * Who has seen no change has nothing of an inbox before this one; when not all removals are told, it may have what an older
 * system left.
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
    // The sort is stable: what has one `rev` stays as the inbox is.
    changes: changes.filter((one) => revOf(one) > since).sort((a, b) => revOf(a) - revOf(b)),
    resync: false,
    ...view,
  };
}

const revOf = (one: InboxChange): number => (one.change === "deleted" ? one.rev : one.item.rev);
