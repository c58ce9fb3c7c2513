import { type Collection, type Db, MongoServerError, ObjectId } from "mongodb";
import type { KeptFailure, KeptRequest, KeyLease } from "../model/idempotency.ts";
import { deliveriesOf } from "./deliveries.ts";
import { duplicateKey, orUnavailable } from "./failures.ts";
import { storedUserId, wireUserId } from "./ids.ts";
import { usersOf } from "./inbox.ts";

/**
 * A request that came with a key. It does not name the users: a repeated request with the same digest names them
 * again.
 */
interface KeyDocument {
  /** Digest of the owner and the key. */
  _id: string;
  /** Digest of the request. */
  request: string;
  /** The notification id of each recipient, in their order. Made before anything is stored; then those of the answer. */
  ids: ObjectId[];
  /** Which of them have replaced an earlier notification. */
  replaced?: number[];
  /** The lease of the process that works on it; absent once it is answered. */
  lease?: { token: ObjectId; until: Date };
  /** The answer: every recipient except these was stored. */
  failures?: KeptFailure[];
  /** When the key expires. MongoDB's TTL monitor removes it within about a minute. */
  expireAt: Date;
}

/**
 * Requests that came with an `Idempotency-Key`. Each key is inserted first and outside any transaction, where a
 * duplicate key would abort it. The unique `_id` lets exactly one of several equal requests win. Every call rejects
 * with `database_unavailable`.
 */
export function createIdempotencyStore(db: Db, transactions: boolean) {
  const keys: Collection<KeyDocument> = db.collection("idempotency");

  return {
    /** Undefined when the key is new or expired; it is then ours under `lease`. Else returns the stored request. */
    begin(
      key: string,
      fresh: { request: string; ids: string[]; lease: KeyLease; expireAt: number },
      now: number,
    ): Promise<KeptRequest | undefined> {
      const document = {
        request: fresh.request,
        ids: fresh.ids.map((id) => new ObjectId(id)),
        lease: stored(fresh.lease),
        expireAt: new Date(fresh.expireAt),
      };
      return orUnavailable(async () => {
        for (;;) {
          try {
            await keys.insertOne({ _id: key, ...document });
            return undefined;
          } catch (error) {
            if (!(error instanceof MongoServerError) || error.code !== duplicateKey) throw error;
          }
          const over = { _id: key, expireAt: { $lte: new Date(now) } };
          if ((await keys.replaceOne(over, document)).matchedCount === 1) return undefined;
          const found = await keys.findOne({ _id: key });
          // If it is missing, the TTL monitor has just removed it: try again.
          if (found) return keptOf(found);
        }
      });
    },

    /** False when another process was faster. */
    takeOver(key: string, before: KeyLease, lease: KeyLease): Promise<boolean> {
      return orUnavailable(async () => {
        const held = { _id: key, "lease.token": new ObjectId(before.token) };
        return (await keys.updateOne(held, { $set: { lease: stored(lease) } })).matchedCount === 1;
      });
    },

    /** Changes nothing when the lease was lost. */
    async extend(key: string, lease: KeyLease): Promise<void> {
      const held = { _id: key, "lease.token": new ObjectId(lease.token) };
      await orUnavailable(() => keys.updateOne(held, { $set: { lease: stored(lease) } }));
    },

    /** Changes nothing when the lease was lost: the new holder will find the same result. */
    async finish(
      key: string,
      { token }: KeyLease,
      failures: KeptFailure[],
      replaced: Array<{ at: number; id: string }> = [],
    ): Promise<void> {
      const held = { _id: key, "lease.token": new ObjectId(token) };
      const $set = {
        failures,
        ...(replaced.length > 0 && { replaced: replaced.map(({ at }) => at) }),
        ...Object.fromEntries(replaced.map(({ at, id }) => [`ids.${at}`, new ObjectId(id)])),
      };
      await orUnavailable(() => keys.updateOne(held, { $set, $unset: { lease: 1 } }));
    },

    /** Ends the lease without an answer, so an equal request continues at once. */
    async giveUp(key: string, { token }: KeyLease): Promise<void> {
      const held = { _id: key, "lease.token": new ObjectId(token) };
      // A token that nobody has, so an extension still on its way matches nothing.
      const lease = { token: new ObjectId(), until: new Date(0) };
      await orUnavailable(() => keys.updateOne(held, { $set: { lease } }));
    },

    /**
     * Which notifications are stored: a delivery exists, or the user has the item or has removed it. Without
     * transactions the deliveries are stored first, so notifications with deliveries but no item are `delivered`.
     * Uses the indexes `notification` of the deliveries and `_id` of the users.
     */
    stored(notifications: Array<{ user: string; id: string }>) {
      const ids = notifications.map((one) => one.id);
      const users = notifications.map((one) => storedUserId(one.user));
      return orUnavailable(async () => {
        const [deliveries, owners] = await Promise.all([
          deliveriesOf(db)
            .find(
              { notification: { $in: ids.map((id) => new ObjectId(id)) } },
              { projection: { notification: 1 } },
            )
            .toArray(),
          usersOf(db)
            .find(
              {
                _id: { $in: users },
                $or: [{ "notifications.id": { $in: ids } }, { "removedNotifications.id": { $in: ids } }],
              },
              { projection: { _id: 1 } },
            )
            .toArray(),
        ]);
        const having = new Set(owners.map((one) => wireUserId(one._id)));
        const kept = new Set(notifications.filter((one) => having.has(one.user)).map((one) => one.id));
        const delivered = new Set(deliveries.map((one) => one.notification.toHexString()));
        if (transactions) return { stored: new Set([...kept, ...delivered]), delivered: new Set<string>() };
        for (const id of kept) delivered.delete(id);
        return { stored: kept, delivered };
      });
    },
  };
}

export type IdempotencyStore = ReturnType<typeof createIdempotencyStore>;

const stored = ({ token, until }: KeyLease) => ({ token: new ObjectId(token), until: new Date(until) });

function keptOf({ request, ids, replaced, lease, failures }: KeyDocument): KeptRequest {
  return {
    request,
    ids: ids.map((id) => id.toHexString()),
    ...(lease && { lease: { token: lease.token.toHexString(), until: lease.until.getTime() } }),
    ...(failures && { failures }),
    ...(replaced && { replaced }),
  };
}
