import type { Db } from "mongodb";
import { nobody } from "../model/delivery.ts";
import { BelfryError } from "../model/errors.ts";
import { capturedOf } from "./captured.ts";
import { deliveriesOf } from "./deliveries.ts";
import { orUnavailable } from "./failures.ts";
import { storedUserId } from "./ids.ts";
import { type UserDocument, usersOf } from "./inbox.ts";
import type { UserWrites } from "./user-writes.ts";

const batch = 500;
const patienceMs = 20_000;
const dayMs = 24 * 60 * 60_000;

const numbers = ["int", "long", "double"];
/** All that is ours in a user's document, with its types: under the same name the product team may keep something else. */
const ours: Record<Exclude<keyof UserDocument, "_id">, string[]> = {
  email: ["string"],
  phone: ["string"],
  locale: ["string"],
  timeZone: ["string"],
  webhook: ["object"],
  suppressed: ["object"],
  rev: numbers,
  notifications: ["array"],
  removedNotifications: ["array"],
  removedBefore: numbers,
};
const withoutOurs = Object.fromEntries(
  Object.entries(ours).map(([field, types]) => [
    field,
    { $cond: [{ $in: [{ $type: `$${field}` }, types] }, "$$REMOVE", `$${field}`] },
  ]),
);

/**
 * Removes what is kept of a user; what the product team keeps in the same document stays. Each step may be repeated:
 * after a failure, or `database_unavailable` because it is more than fits into 20 s, the call is made again.
 *
 * Deliveries stay, as nobody's, so that the ledger balances. A delivery that waits is `canceled`. One that a worker
 * holds is `uncertain`, since it may be sent this very moment, and loses its lease: what its worker has to tell of it
 * later is refused like any late outcome, and written nowhere.
 *
 * The document goes first, so that nothing more is addressed; the deliveries before the captured messages, which
 * `store/captured.ts` counts on. What is notified meanwhile is a new user's.
 */
export function createEraser(options: {
  db: Db;
  writes: UserWrites;
  retentionDays: number;
  now: () => number;
}) {
  const { db, writes, retentionDays, now } = options;
  const users = usersOf(db);
  const deliveries = deliveriesOf(db);

  return (user: string): Promise<void> =>
    orUnavailable(async () => {
      const deadline = now() + patienceMs;
      const _id = storedUserId(user);
      await writes(user, (how) => users.updateOne({ _id }, [{ $set: withoutOurs }], how));
      const bare = { _id, $expr: { $eq: ["$$ROOT", { _id: "$_id" }] } };
      await writes(user, (how) => users.deleteOne(bare, how));
      for (;;) {
        const found = await deliveries
          .find({ user: _id }, { projection: { _id: 1 }, batchSize: batch + 1 })
          .limit(batch)
          .toArray();
        if (found.length === 0) break;
        await deliveries.updateMany(
          { _id: { $in: found.map((one) => one._id) }, user: _id },
          anonymous(new Date(now()), new Date(now() + retentionDays * dayMs)),
        );
        if (now() > deadline)
          throw new BelfryError(
            "database_unavailable",
            "Not everything could be erased in time. Repeat the request.",
          );
      }
      await capturedOf(db).deleteMany({ user_id: user }, { maxTimeMS: patienceMs });
    });
}

/** Keeps what counts and charts need: time, type, channel and outcome. */
function anonymous(updatedAt: Date, expireAt: Date) {
  const pending = { $eq: ["$state", "pending"] };
  const sending = { $eq: ["$state", "sending"] };
  return [
    {
      $set: {
        user: nobody,
        // It names an address, but index `once` needs a distinct value.
        target: { $cond: [{ $eq: [{ $type: "$target" }, "missing"] }, "$$REMOVE", { $toString: "$_id" }] },
        // As an expression; a plain object would be merged into the old content.
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
    { $unset: ["detail", "providerId", "lease"] },
  ];
}
