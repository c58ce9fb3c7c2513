import { type Collection, type Db, type Filter, MongoServerError, ObjectId } from "mongodb";
import { type DeliveryState, nobody } from "../model/delivery.ts";
import type { KnownDelivery, Receipt } from "../model/receipt.ts";
import { byId, type DeliveryDocument, deliveriesOf } from "./deliveries.ts";
import { duplicateKey, orUnavailable } from "./failures.ts";
import { storedUserId, wireUserId } from "./ids.ts";

const dayMs = 24 * 60 * 60_000;

/** Applies the providers' callbacks. Each call rejects with `database_unavailable`. */
export function createReceiptStore(db: Db, retentionDays: number) {
  const deliveries = deliveriesOf(db);
  const tokens: Collection<{ _id: string; at: Date }> = db.collection("callback_tokens");

  return {
    find({ delivery, channel }: Receipt): Promise<KnownDelivery | undefined> {
      return orUnavailable(async () => {
        const found = await deliveries.findOne(
          { _id: new ObjectId(delivery), channel },
          { projection: { user: 1, state: 1, providerId: 1, againAt: 1, "attempts.providerId": 1 } },
        );
        if (!found) return undefined;
        const { user, state, providerId, againAt, attempts } = found;
        const former = attempts
          .map((one) => one.providerId)
          .filter((id) => id !== undefined && id !== providerId);
        return { user: wireUserId(user), state, former: former as string[], againAt: againAt?.getTime() };
      });
    },

    /**
     * Moves a delivery forward along unanswered < sent < delivered < failed, never back, so any order of reports ends
     * in the same state. The report may come before `sent` is stored, while the delivery is `sending`: its lease
     * stays, and `settle` adds the attempt without taking the state back. Or the delivery is `pending`, `uncertain` or
     * `recalled` after an attempt whose answer was lost: then the report also prevents a second copy. If several copies were
     * sent, the arrival of any of them counts, even after we gave up without an answer. A failure counts only for the
     * copy whose id is stored.
     */
    async move(
      user: string,
      { delivery, channel, providerId, outcome }: Receipt,
      now: number,
    ): Promise<void> {
      // A provider's text about an erased user would name the address.
      if (!outcome || user === nobody) return;
      const before: DeliveryState[] = ["pending", "sending", "uncertain", "recalled"];
      // The stored id is missing when the provider's answer had none.
      const copy =
        providerId === undefined ? {} : { providerId: { $in: [providerId, null as unknown as string] } };
      const movable: Array<Filter<DeliveryDocument>> =
        outcome.state === "delivered"
          ? [{ state: { $in: [...before, "sent"] } }, { state: "failed", reason: "exhausted" }]
          : [{ state: { $in: before } }, { state: { $in: ["sent", "delivered"] }, ...copy }];
      const set = { ...outcome, updatedAt: new Date(now), expireAt: new Date(now + retentionDays * dayMs) };
      await orUnavailable(() =>
        deliveries.updateOne(
          { _id: new ObjectId(delivery), user: storedUserId(user), channel, $or: movable },
          outcome.state === "delivered" ? { $set: set, $unset: { reason: 1, detail: 1 } } : { $set: set },
          byId,
        ),
      );
    },

    /** False when the token was used before. Index `age` forgets it after a day. */
    useToken(token: string, now: number): Promise<boolean> {
      return orUnavailable(async () => {
        try {
          await tokens.insertOne({ _id: token, at: new Date(now) });
          return true;
        } catch (error) {
          if (error instanceof MongoServerError && error.code === duplicateKey) return false;
          throw error;
        }
      });
    },

    /** For a callback that could not be applied: its retry must not count as a replay. */
    async returnToken(token: string): Promise<void> {
      await tokens.deleteOne({ _id: token });
    },
  };
}
