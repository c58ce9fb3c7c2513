import type { Db } from "mongodb";
import type { Channel } from "../model/notification.ts";
import { deliveriesOf, waitingAgain } from "./deliveries.ts";

/** A delivery that was interrupted this often is assumed to crash its workers. */
const maxInterruptions = 3;

/**
 * Handles the channel's expired leases and returns how many (index `lease`). A send that had begun and must not be repeated
 * becomes `uncertain`. A delivery that ended its worker at each send fails. The others become pending again, or end if
 * they were recalled. Only an interrupted send counts against a delivery, not its wait in a worker that died.
 */
export async function sweep(db: Db, channel: Channel, now: number, expireAt: Date): Promise<number> {
  const deliveries = deliveriesOf(db);
  const expired = { channel, state: "sending" as const, "lease.until": { $lt: new Date(now) } };
  const at = new Date(now);
  const uncertain = await deliveries.updateMany(
    { ...expired, "lease.begun": "once" },
    {
      $set: {
        state: "uncertain",
        reason: "unanswered",
        detail: "the worker process ended during the send",
        updatedAt: at,
        expireAt,
      },
      $unset: { lease: 1 },
    },
  );
  const poison = await deliveries.updateMany(
    { ...expired, "lease.begun": "again", interruptions: { $gte: maxInterruptions - 1 } },
    {
      $set: {
        state: "failed",
        reason: "poison",
        detail: "each worker process that sent it ended",
        updatedAt: at,
        expireAt,
      },
      $unset: { lease: 1 },
      $inc: { interruptions: 1 },
    },
  );
  const again = await deliveries.updateMany({ ...expired, "lease.begun": { $ne: "once" } }, [
    {
      $set: {
        ...waitingAgain(at, at, expireAt),
        // The first time, `begun` is not recorded, so the interruption counts in any case. From then on only a
        // send counts.
        interruptions: {
          $cond: [
            { $eq: ["$lease.begun", "again"] },
            { $add: ["$interruptions", 1] },
            { $max: ["$interruptions", 1] },
          ],
        },
      },
    },
    { $unset: "lease" },
  ]);
  return uncertain.modifiedCount + poison.modifiedCount + again.modifiedCount;
}
