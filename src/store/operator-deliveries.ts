import { type Db, ObjectId } from "mongodb";
import { nobody } from "../model/delivery.ts";
import {
  type DeliveryFilter,
  type DeliveryRecord,
  type DeliverySource,
  type DeliverySummary,
  type RedriveCandidate,
  redrivableStates,
  retryableStates,
} from "../model/delivery-record.ts";
import { byId, type DeliveryDocument, deliveriesOf } from "./deliveries.ts";
import { queryOf } from "./delivery-query.ts";
import { orUnavailable } from "./failures.ts";
import { storedUserId, wireUserId } from "./ids.ts";

/** A larger count is not worth its time. */
const mostCounted = 100_000;
const patienceMs = 20_000;

/** Queries for operators, and the two ways to resend a delivery. Each rejects with `database_unavailable`. */
export function createOperatorDeliveries(db: Db) {
  const deliveries = deliveriesOf(db);

  return {
    /** Newest first, only ids below `before`. New deliveries do not shift the pages, because their ids are higher. */
    page(filter: DeliveryFilter, before: string | undefined, limit: number): Promise<DeliverySummary[]> {
      return orUnavailable(async () => {
        const found = await deliveries
          .find(queryOf(filter, before), {
            projection: { content: 0, lease: 0 },
            batchSize: limit + 1,
            maxTimeMS: patienceMs,
          })
          .sort({ _id: -1 })
          .limit(limit)
          .toArray();
        return found.map(summaryOf);
      });
    },

    one(id: string): Promise<DeliveryRecord | undefined> {
      return orUnavailable(async () => {
        const found = await deliveries.findOne({ _id: new ObjectId(id) }, { projection: { content: 0 } });
        return found ? recordOf(found) : undefined;
      });
    },

    /** Every delivery of one notification to one user, in the order of their channels' names. Index `once`. */
    ofNotification(user: string, notification: string): Promise<DeliveryRecord[]> {
      return orUnavailable(async () => {
        const found = await deliveries
          .find(
            { user: storedUserId(user), notification: new ObjectId(notification) },
            { projection: { content: 0 } },
          )
          .sort({ channel: 1, target: 1 })
          .toArray();
        return found.map(recordOf);
      });
    },

    /** The data that a delivery's message is rendered from. */
    source(id: string): Promise<DeliverySource | undefined> {
      return orUnavailable(async () => {
        const projection = { notification: 1, user: 1, channel: 1, content: 1, digest: 1 } as const;
        const found = await deliveries.findOne({ _id: new ObjectId(id) }, { projection });
        return (
          found && {
            notification: found.notification.toHexString(),
            user: wireUserId(found.user),
            channel: found.channel,
            content: found.content,
            ...(found.digest && { digest: { scope: found.digest.scope, by: found.digest.by } }),
          }
        );
      }).then((found) => found ?? undefined);
    },

    /** Deliveries that a redrive may resend, newest first. */
    candidates(
      filter: DeliveryFilter,
      before: string | undefined,
      limit: number,
    ): Promise<RedriveCandidate[]> {
      return orUnavailable(async () => {
        const found = await deliveries
          .find(
            { $and: [queryOf(filter, before), resendable] },
            {
              projection: { user: 1, channel: 1, reason: 1 },
              batchSize: limit + 1,
              maxTimeMS: patienceMs,
            },
          )
          .sort({ _id: -1 })
          .limit(limit)
          .toArray();
        return found.map(({ _id, user, channel, reason }) => ({
          id: _id.toHexString(),
          user: wireUserId(user),
          channel,
          ...(reason && { reason }),
        }));
      });
    },

    /** Digests that more notifications can join: a user's, or everybody's in the order of their users. Index `open`. */
    openDigests(user: string | undefined, limit: number): Promise<DeliverySummary[]> {
      return orUnavailable(async () => {
        const found = await deliveries
          .find(
            {
              open: { $exists: true },
              ...(user !== undefined && { user: { $eq: storedUserId(user) } }),
            },
            { projection: { content: 0, lease: 0 }, batchSize: limit + 1, maxTimeMS: patienceMs },
          )
          .hint("open")
          .sort({ user: 1, open: 1 })
          .limit(limit)
          .toArray();
        return found.map(summaryOf);
      });
    },

    /** Makes an open digest due at `now`. False when it is no open digest. */
    release(id: string, now: number): Promise<boolean> {
      return orUnavailable(async () => {
        const $set = { due: new Date(now), updatedAt: new Date(now) };
        const open = { _id: new ObjectId(id), state: "pending" as const, digest: { $exists: true } };
        return (await deliveries.updateOne(open, { $set })).matchedCount === 1;
      });
    },

    /** At most 100,000. */
    count(filter: DeliveryFilter): Promise<number> {
      return orUnavailable(() =>
        deliveries.countDocuments(queryOf(filter, undefined), { limit: mostCounted, maxTimeMS: patienceMs }),
      );
    },

    /**
     * Makes the delivery pending and due at `now`, with all tries. Keeps the history and the id, and with it the
     * Message-ID. False when its state does not allow a resend. The condition on the state makes the call repeatable,
     * and only one of two simultaneous calls wins.
     */
    retry(id: string, now: number): Promise<boolean> {
      return orUnavailable(async () => {
        const again = { _id: new ObjectId(id), state: { $in: [...retryableStates] }, ...resendable };
        return (await deliveries.updateOne(again, pendingAgain(now))).modifiedCount === 1;
      });
    },

    /** The same for many deliveries. Returns how many were made pending. */
    redrive(ids: string[], now: number): Promise<number> {
      return orUnavailable(async () => {
        const _id = { $in: ids.map((id) => new ObjectId(id)) };
        const again = { _id, state: { $in: [...redrivableStates] }, ...resendable };
        return (await deliveries.updateMany(again, pendingAgain(now), byId)).modifiedCount;
      });
    },
  };
}

/** An erased user's deliveries have no content left to send. A recall holds for every later time. */
const resendable = { user: { $ne: nobody }, recalledAt: { $exists: false } };

const pendingAgain = (now: number) => ({
  $set: {
    state: "pending" as const,
    due: new Date(now),
    tries: 0,
    againAt: new Date(now),
    updatedAt: new Date(now),
  },
  $unset: { reason: 1, detail: 1, providerId: 1, interruptions: 1, expireAt: 1 } as const,
});

type Stored = Omit<DeliveryDocument, "content">;

function summaryOf(stored: Stored): DeliverySummary {
  const { digest, into } = stored;
  const provider = stored.attempts.at(-1)?.provider;
  return {
    id: stored._id.toHexString(),
    notification: stored.notification.toHexString(),
    user: wireUserId(stored.user),
    type: stored.type,
    channel: stored.channel,
    state: stored.state,
    ...(stored.reason && { reason: stored.reason }),
    ...(stored.detail && { detail: stored.detail }),
    ...(provider !== undefined && { provider }),
    tries: stored.tries,
    ...(digest && { digest: { ...digest, isOpen: stored.open !== undefined } }),
    ...(into && { into: into.toHexString() }),
    ...(stored.key !== undefined && { key: stored.key }),
    ...(stored.recalledAt && { recalledAt: stored.recalledAt.getTime() }),
    ...(stored.state === "pending" && { due: stored.due.getTime() }),
    createdAt: stored.createdAt.getTime(),
    updatedAt: stored.updatedAt.getTime(),
  };
}

function recordOf(stored: Stored): DeliveryRecord {
  const { attempts, decisions = [], providerId, interruptions = 0, lease, expireAt } = stored;
  return {
    ...summaryOf(stored),
    attempts: attempts.map((attempt) => ({ ...attempt, at: attempt.at.getTime() })),
    decisions: decisions.map(({ at, until, ...rest }) => ({
      at: at.getTime(),
      ...rest,
      ...(until && { until: until.getTime() }),
    })),
    ...(providerId !== undefined && { providerId }),
    interruptions,
    ...(lease && { heldUntil: lease.until.getTime() }),
    ...(expireAt && { expireAt: expireAt.getTime() }),
  };
}
