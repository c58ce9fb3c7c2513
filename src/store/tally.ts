import type { Collection, Db, UpdateFilter } from "mongodb";
import type { Channel } from "../model/notification.ts";

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;

/**
 * What was accepted, counted by the transaction that stores it: one document a minute and a commit of a process, so that
 * no two commits ever wait for each other here. The deliveries themselves are the other side of the comparison.
 */
export interface BucketDocument {
  /** `<begin of the minute, ISO 8601>/<process>.<slot>`: ranges of it are ranges of time. */
  _id: string;
  accepted: Partial<Record<Channel, number>>;
  /** The earliest moment at which one of its deliveries may be forgotten. */
  expireAt: Date;
}

/** Since when everything is counted: deliveries of an older version were not. */
export const sinceId = "since";

/**
 * How far ahead of its writing counting has begun. A process that has just started can believe MongoDB's clock to be some
 * 100 ms behind, and what it stores at once would have been counted, yet be older than the count.
 */
export const clockErrorMs = 1_000;

export const bucketsOf = (db: Db): Collection<BucketDocument> => db.collection("ledger");

/**
 * Writes that counting has begun, once for all time. Answers whether the server has the `bulkWrite` command (8.0, once its
 * featureCompatibilityVersion is raised): to ask is the one way to know that needs no further rights.
 */
export async function beginLedger(db: Db): Promise<boolean> {
  const filter = { _id: sinceId };
  const begun = [{ $set: { at: { $ifNull: ["$at", { $subtract: ["$$NOW", clockErrorMs] }] } } }];
  const together = await db
    .admin()
    .command({
      bulkWrite: 1,
      ops: [{ update: 0, filter, updateMods: begun, upsert: true }],
      nsInfo: [{ ns: bucketsOf(db).namespace }],
    })
    .then(
      (reply) => reply.nErrors === 0,
      () => false,
    );
  if (!together) await db.collection<{ _id: string }>("ledger").updateOne(filter, begun, { upsert: true });
  return together;
}

/** Counts deliveries stored at `at`: an upsert. `slot`: unlike that of any other commit under way in this process. */
export type Tally = (
  stored: Array<{ channel: Channel }>,
  at: Date,
  slot: number,
) => { filter: { _id: string }; update: UpdateFilter<BucketDocument> };

/** `processId`: unlike that of any other process. */
export function createTally(processId: string, retentionDays: number): Tally {
  return (stored, at, slot) => {
    const added: Record<string, number> = {};
    for (const { channel } of stored) added[`accepted.${channel}`] = (added[`accepted.${channel}`] ?? 0) + 1;
    const minute = Math.floor(at.getTime() / minuteMs) * minuteMs;
    return {
      filter: { _id: `${new Date(minute).toISOString()}/${processId}.${slot}` },
      update: { $inc: added, $setOnInsert: { expireAt: new Date(minute + retentionDays * dayMs) } },
    };
  };
}
