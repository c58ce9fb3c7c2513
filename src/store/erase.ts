import type { ClientSession, Db, Document, Filter } from "mongodb";
import { nobody } from "../model/delivery.ts";
import { BelfryError } from "../model/errors.ts";
import { capturedOf } from "./captured.ts";
import { type DeliveryDocument, deliveriesOf } from "./deliveries.ts";
import { orUnavailable } from "./failures.ts";
import { storedUserId } from "./ids.ts";
import { type UserDocument, usersOf } from "./inbox.ts";
import { eraseFromJobs } from "./jobs.ts";
import { limitsOf, limitsOfUser } from "./limits.ts";
import { eraseFromSchedules } from "./schedules.ts";
import { subscriptionsOf } from "./topics.ts";
import type { createTransactions } from "./transactions.ts";
import type { UserWrites } from "./user-writes.ts";

const batch = 500;
const patienceMs = 20_000;
const dayMs = 24 * 60 * 60_000;

const numbers = ["int", "long", "double"];
/** Our fields in a user's document, with their types. The product team may use the same name for something else. */
const ours: Record<Exclude<keyof UserDocument, "_id">, string[]> = {
  email: ["string"],
  phone: ["string"],
  locale: ["string"],
  timeZone: ["string"],
  webhook: ["object"],
  suppressed: ["object"],
  notificationPreferences: ["object"],
  preferences_rev: numbers,
  rev: numbers,
  notifications: ["array"],
  removedNotifications: ["array"],
  removedBefore: numbers,
  replacedNotifications: numbers,
  seen_rev: numbers,
};
const withoutOurs = Object.fromEntries(
  Object.entries(ours).map(([field, types]) => [
    field,
    { $cond: [{ $in: [{ $type: `$${field}` }, types] }, "$$REMOVE", `$${field}`] },
  ]),
);

/**
 * Removes what Belfry stores about a user. The product team's own fields in the same document stay. Each step may be
 * repeated: after a failure, or after `database_unavailable` because 20 s were not enough, the caller calls again.
 *
 * Deliveries stay, without their user, so that the ledger balances. A pending or held delivery becomes `canceled`. One that a
 * worker has claimed becomes `uncertain`, since the worker may be sending it right now, and loses its lease. Its late
 * outcome is refused like any other and not stored.
 *
 * The user's document goes first, so that nothing more is addressed, and then the subscriptions, schedules and jobs. Deliveries go before captured messages, as
 * `store/captured.ts` requires. A notification sent in the meantime belongs to a new user.
 */
export function createEraser(options: {
  db: Db;
  writes: UserWrites;
  retentionDays: number;
  now: () => number;
  /** Absent on a standalone server. */
  inTransaction?: ReturnType<typeof createTransactions> | undefined;
}) {
  const { db, writes, retentionDays, now, inTransaction } = options;
  const users = usersOf(db);
  const deliveries = deliveriesOf(db);

  return (user: string): Promise<void> =>
    orUnavailable(async () => {
      const deadline = now() + patienceMs;
      const _id = storedUserId(user);
      await writes(user, (how) => users.updateOne({ _id }, [{ $set: withoutOurs }], how));
      const bare = { _id, $expr: { $eq: ["$$ROOT", { _id: "$_id" }] } };
      await writes(user, (how) => users.deleteOne(bare, how));
      await subscriptionsOf(db).deleteMany({ "_id.user": _id }, { maxTimeMS: patienceMs });
      await eraseFromSchedules(db, user);
      await eraseFromJobs(db, user, new Date(now() + retentionDays * dayMs));
      for (;;) {
        const found = await deliveries
          .find({ user: _id }, { projection: { _id: 1 }, batchSize: batch + 1 })
          .limit(batch)
          .toArray();
        if (found.length === 0) break;
        const these = { _id: { $in: found.map((one) => one._id) }, user: _id };
        const changes = anonymous(new Date(now()), new Date(now() + retentionDays * dayMs));
        if (inTransaction)
          await inTransaction((session) => moveToNobody(these, changes, session), {
            conflicts: deadline,
            deadline,
          });
        else await deliveries.updateMany(these, changes);
        if (now() > deadline)
          throw new BelfryError(
            "database_unavailable",
            "Not everything could be erased in time. Repeat the request.",
          );
      }
      const limits = limitsOfUser(user);
      await limitsOf(db).deleteMany({ _id: { $gte: limits, $lt: `${limits}~` } }, { maxTimeMS: patienceMs });
      await capturedOf(db).deleteMany({ user_id: user }, { maxTimeMS: patienceMs });
    });

  /**
   * As a deletion and an insertion: on a sharded cluster the user is the shard key, which `updateMany` must not change,
   * and nobody's deliveries may lie on another shard.
   */
  async function moveToNobody(
    these: Filter<DeliveryDocument>,
    changes: Document[],
    session: ClientSession,
  ): Promise<void> {
    const kept = await deliveries
      .aggregate<DeliveryDocument>([{ $match: these }, ...changes], { session })
      .toArray();
    await deliveries.deleteMany(these, { session });
    if (kept.length > 0) await deliveries.insertMany(kept, { session });
  }
}

/** Keeps only what counts and charts need: time, type, channel and outcome. */
function anonymous(updatedAt: Date, expireAt: Date) {
  const pending = { $in: ["$state", ["pending", "held"]] };
  const sending = { $eq: ["$state", "sending"] };
  return [
    {
      $set: {
        user: nobody,
        // `target` names an address, but index `once` needs a distinct value.
        target: { $cond: [{ $eq: [{ $type: "$target" }, "missing"] }, "$$REMOVE", { $toString: "$_id" }] },
        // An expression: a plain object would be merged into the old content.
        content: { $mergeObjects: { key: "$content.key", at: "$content.at" } },
        attempts: {
          $map: {
            input: "$attempts",
            in: {
              at: "$$this.at",
              provider: "$$this.provider",
              outcome: "$$this.outcome",
              code: "$$this.code",
              ms: "$$this.ms",
            },
          },
        },
        state: { $cond: [pending, "canceled", { $cond: [sending, "uncertain", "$state"] }] },
        reason: { $cond: [{ $or: [pending, sending] }, "erased", "$reason"] },
        expireAt: { $ifNull: ["$expireAt", expireAt] },
        updatedAt,
      },
    },
    { $unset: ["detail", "providerId", "lease", "digest", "open", "first", "into", "key"] },
  ];
}
