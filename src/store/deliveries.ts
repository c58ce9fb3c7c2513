import { type AnyBulkWriteOperation, type Collection, type Db, ObjectId } from "mongodb";
import type {
  Attempt,
  DeliveryContent,
  DeliveryState,
  HeldDelivery,
  Reason,
  Settlement,
} from "../model/delivery.ts";
import type { Channel } from "../model/notification.ts";
import { storedUserId, wireUserId } from "./ids.ts";

export interface DeliveryDocument {
  _id: ObjectId;
  notification: ObjectId;
  user: ObjectId | string;
  type: string;
  channel: Channel;
  content: DeliveryContent;
  state: DeliveryState;
  /** When a pending one may be sent. */
  due: Date;
  tries: number;
  /** The newest 20. */
  attempts: Array<Omit<Attempt, "at"> & { at: Date }>;
  lease?: { token: ObjectId; until: Date };
  /** How often a lease ran out: its holder died or hung. */
  interruptions?: number;
  reason?: Reason;
  providerId?: string;
  createdAt: Date;
  updatedAt: Date;
}

export const deliveriesOf = (db: Db): Collection<DeliveryDocument> => db.collection("deliveries");

/** Every query of the delivery engine; each may be repeated, since each names the lease it depends on. */
export function createDeliveryBooks(db: Db) {
  const deliveries = deliveriesOf(db);

  /** Those of ours among `held`: the id and the token must both match. */
  const stillHeld = (held: HeldDelivery[]) => ({
    _id: { $in: held.map((one) => new ObjectId(one.id)) },
    "lease.token": { $in: [...new Set(held.map((one) => one.token))].map((token) => new ObjectId(token)) },
  });

  return {
    /**
     * Three round trips for a whole batch instead of one each: candidates (index `due`), a conditional update in
     * which the loser of a race matches nothing, and a read of what was won by its token. When the update's answer
     * is lost the read still finds it.
     */
    async claim(
      limit: number,
      lease: { token: string; until: number },
      now: number,
    ): Promise<HeldDelivery[]> {
      const due = { $lte: new Date(now) };
      const candidates = await deliveries
        .find({ state: "pending", due }, { projection: { _id: 1 } })
        .sort({ due: 1 })
        .limit(limit)
        .toArray();
      if (candidates.length === 0) return [];
      const token = new ObjectId(lease.token);
      const _id = { $in: candidates.map((one) => one._id) };
      // `due` once more: meanwhile another worker may have tried it and put it off.
      await deliveries.updateMany(
        { _id, state: "pending", due },
        {
          $set: {
            state: "sending",
            lease: { token, until: new Date(lease.until) },
            updatedAt: new Date(now),
          },
        },
        // Index `due` would read the whole backlog to find these few.
        { hint: { _id: 1 } },
      );
      const won = await deliveries
        .find({ _id, "lease.token": token }, { projection: { attempts: 0 } })
        .toArray();
      return won.map((one) => ({
        id: one._id.toHexString(),
        notification: one.notification.toHexString(),
        user: wireUserId(one.user),
        channel: one.channel,
        content: one.content,
        tries: one.tries,
        token: lease.token,
      }));
    },

    async renew(held: HeldDelivery[], until: number): Promise<Set<string>> {
      const ours = stillHeld(held);
      const { matchedCount } = await deliveries.updateMany(ours, {
        $set: { "lease.until": new Date(until) },
      });
      if (matchedCount === held.length) return new Set(held.map((one) => one.id));
      const kept = await deliveries.find(ours, { projection: { _id: 1 } }).toArray();
      return new Set(kept.map((one) => one._id.toHexString()));
    },

    async release(held: HeldDelivery[], due: number): Promise<void> {
      await deliveries.updateMany(
        { ...stillHeld(held), state: "sending" },
        { $set: { state: "pending", due: new Date(due), updatedAt: new Date() }, $unset: { lease: 1 } },
      );
    },

    async settle(settlements: Settlement[], now: number): Promise<{ lost: number }> {
      const operations = settlements.map((one): AnyBulkWriteOperation<DeliveryDocument> => {
        const { delivery, attempt, state, tries } = one;
        return {
          updateOne: {
            filter: { _id: new ObjectId(delivery.id), "lease.token": new ObjectId(delivery.token) },
            update: {
              $set: {
                state,
                tries,
                updatedAt: new Date(now),
                ...(one.due !== undefined && { due: new Date(one.due) }),
                ...(one.reason && { reason: one.reason }),
                ...(one.providerId && { providerId: one.providerId }),
              },
              $unset: { lease: 1 },
              $push: { attempts: { $each: [{ ...attempt, at: new Date(attempt.at) }], $slice: -20 } },
            },
          },
        };
      });
      const { matchedCount } = await deliveries.bulkWrite(operations, { ordered: false });
      return { lost: settlements.length - matchedCount };
    },

    /** Index `lease`. */
    async sweep(now: number): Promise<number> {
      const { modifiedCount } = await deliveries.updateMany(
        { state: "sending", "lease.until": { $lt: new Date(now) } },
        {
          $set: { state: "pending", due: new Date(now), updatedAt: new Date(now) },
          $unset: { lease: 1 },
          $inc: { interruptions: 1 },
        },
      );
      return modifiedCount;
    },

    async nextDue(): Promise<number | undefined> {
      const [first] = await deliveries
        .find({ state: "pending" }, { projection: { due: 1 } })
        .sort({ due: 1 })
        .limit(1)
        .toArray();
      return first?.due.getTime();
    },

    /** For the gauges: how many wait and since when (Unix ms) the longest overdue one has been due. */
    async depth(): Promise<{ pending: number; sending: number; oldestDue: number | undefined }> {
      const [pending, sending, oldestDue] = await Promise.all([
        deliveries.countDocuments({ state: "pending" }),
        deliveries.countDocuments({ state: "sending" }),
        this.nextDue(),
      ]);
      return { pending, sending, oldestDue };
    },
  };
}

/** A planned delivery as it is stored: held by this process under `lease`, or pending for anyone. */
export function newDelivery(
  planned: { id: string; channel: Channel; content: DeliveryContent },
  owner: { notification: string; user: string },
  now: Date,
  lease: { token: string; until: number } | undefined,
): DeliveryDocument {
  return {
    _id: new ObjectId(planned.id),
    notification: new ObjectId(owner.notification),
    user: storedUserId(owner.user),
    type: planned.content.key,
    channel: planned.channel,
    content: planned.content,
    state: lease ? "sending" : "pending",
    due: now,
    tries: 0,
    attempts: [],
    ...(lease && { lease: { token: new ObjectId(lease.token), until: new Date(lease.until) } }),
    createdAt: now,
    updatedAt: now,
  };
}
