import type { Collection, Db, UpdateFilter } from "mongodb";
import type { Channel } from "../model/notification.ts";

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;

/**
 * Accepted deliveries, counted by the transaction that stores them. Each process writes one document per minute and
 * concurrent commit, so commits never wait for each other here. The deliveries themselves are the other side of the
 * comparison.
 */
export interface BucketDocument {
  /** `<begin of the minute, ISO 8601>/<process>.<slot>`: ranges of it are ranges of time. */
  _id: string;
  accepted: Partial<Record<Channel, number>>;
  /** When the first of its deliveries may be deleted. */
  expireAt: Date;
}

/** The document with the time since which everything is counted. Deliveries of an older version were not. */
export const sinceId = "since";

/**
 * Counting starts this long before it is recorded. A process that has just started can be some 100 ms behind
 * MongoDB's clock. Deliveries that it stores at once are counted, and would otherwise be older than the recorded start.
 */
export const clockErrorMs = 1_000;

export const bucketsOf = (db: Db): Collection<BucketDocument> => db.collection("ledger");

/**
 * Records the start of counting, once for the database. Returns whether the server has the `bulkWrite` command (8.0,
 * once its featureCompatibilityVersion is raised). Trying the command is the only test that needs no further
 * privileges.
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

/**
 * Returns the upsert that counts deliveries stored at `at`. `slot`: distinct among this process's commits under way.
 */
export type Tally = (
  stored: Array<{ channel: Channel }>,
  at: Date,
  slot: number,
) => { filter: { _id: string }; update: UpdateFilter<BucketDocument> };

/** `processId`: distinct for each process. */
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
