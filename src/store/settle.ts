import { type Db, type Filter, MongoServerError, ObjectId, type UpdateFilter } from "mongodb";
import type { Settlement } from "../model/delivery.ts";
import { clientOptions } from "./connect.ts";
import { byId, type DeliveryDocument, deliveriesOf, storedDecision } from "./deliveries.ts";
import { storedUserId } from "./ids.ts";

interface Update {
  q: Filter<DeliveryDocument>;
  u: UpdateFilter<DeliveryDocument>;
  hint: typeof byId.hint;
}

/** An upper bound, well above `MAX_RETRIES` plus the provider pauses of a bad week. */
const keptAttempts = 200;
const keptDecisions = 20;

/**
 * Stores outcomes and ends the leases, in one round trip. May be repeated, because each update names its lease.
 * `expireAt`: when a delivery that ends at `now` (Unix ms) is deleted.
 *
 * A provider's callback may have moved the state on already (`store/receipts.ts`). Then a second, rare round trip
 * adds the attempt and leaves the state. It also ends a delivery that would wait again, but was recalled while it
 * was being sent. A delivery whose lease was lost matches no update and counts as `lost`.
 */
export function createSettler(db: Db, expireAt: (now: number) => Date) {
  const deliveries = deliveriesOf(db);

  return async function settle(settlements: Settlement[], now: number): Promise<{ lost: number }> {
    const ends = settlements.map((one): Update => {
      const { state, due, reason, detail } = one;
      const { set, ...update } = history(one);
      const $set = {
        ...set,
        state,
        updatedAt: new Date(now),
        ...(state === "pending" ? due !== undefined && { due: new Date(due) } : { expireAt: expireAt(now) }),
        ...(reason && { reason }),
        ...(detail && { detail }),
      };
      const filter = {
        ...held(one),
        state: "sending" as const,
        ...(state === "pending" && { recalledAt: { $exists: false } }),
      };
      return { q: filter, u: { $set, ...update }, ...byId };
    });
    const ended = await updateAll(ends, false);
    if (ended === settlements.length) return { lost: 0 };

    const recalled = settlements.flatMap((one): Update[] => {
      if (one.state !== "pending") return [];
      const { set, ...update } = history(one);
      const filter = { ...held(one), state: "sending" as const, recalledAt: { $exists: true } };
      const end = { state: "recalled" as const, updatedAt: new Date(now), expireAt: expireAt(now) };
      return [{ q: filter, u: { $set: { ...set, ...end }, ...update }, ...byId }];
    });
    const overtaken = settlements.map((one): Update => {
      const { set, ...update } = history(one);
      return { q: held(one), u: { $set: set, ...update }, ...byId };
    });
    return { lost: settlements.length - ended - (await updateAll([...recalled, ...overtaken], true)) };
  };

  /**
   * Returns how many matched. As a plain command: the driver's retryable writes cost a session record per statement. A repeated
   * update matches nothing, because the first one took the lease away.
   */
  async function updateAll(updates: Update[], ordered: boolean): Promise<number> {
    const { n, writeErrors, writeConcernError } = await db.command({
      update: deliveries.collectionName,
      updates,
      ordered,
      writeConcern: { w: "majority", wtimeout: clientOptions.wtimeoutMS },
    });
    const failed = writeErrors?.[0] ?? writeConcernError;
    if (failed) throw new MongoServerError({ message: failed.errmsg, code: failed.code });
    return n;
  }
}

/** Matches the delivery while its lease is still ours. */
const held = ({ delivery }: Settlement) => ({
  _id: new ObjectId(delivery.id),
  user: storedUserId(delivery.user),
  "lease.token": new ObjectId(delivery.token),
});

const history = ({ tries, attempts, providerId, decision }: Settlement) => ({
  set: { tries, ...(providerId && { providerId }) },
  $unset: { lease: 1 } as const,
  $push: {
    attempts: {
      $each: attempts.map((each) => ({ ...each, at: new Date(each.at) })),
      $slice: -keptAttempts,
    },
    ...(decision && { decisions: { $each: [storedDecision(decision)], $slice: -keptDecisions } }),
  },
});
