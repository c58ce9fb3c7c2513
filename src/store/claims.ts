import { type Db, ObjectId } from "mongodb";
import type { HeldDelivery } from "../model/delivery.ts";
import type { Channel } from "../model/notification.ts";
import type { Connection } from "./connect.ts";
import { byId, type DeliveryDocument, deliveriesOf, nextDue, waitingAgain } from "./deliveries.ts";
import { isRefusal, orUnavailable } from "./failures.ts";
import { storedUserId, wireUserId } from "./ids.ts";
import { createSettler } from "./settle.ts";
import { sweep } from "./sweep.ts";

const dayMs = 24 * 60 * 60_000;

const heldFields = {
  notification: 1,
  user: 1,
  channel: 1,
  content: 1,
  rules: 1,
  bulk: 1,
  digest: 1,
  tries: 1,
  interruptions: 1,
  againAt: 1,
  "attempts.at": 1,
  "attempts.target": 1,
  "attempts.outcome": 1,
} as const;

const usersOf = (held: HeldDelivery[]) => [...new Set(held.map((one) => one.user))].map(storedUserId);

/** The newest outcome per address, since an operator last resent the delivery. */
function outcomesOf({ attempts, againAt }: DeliveryDocument): Pick<HeldDelivery, "outcomes"> {
  const outcomes = attempts.flatMap(({ at, target, outcome }) =>
    target === undefined || (againAt && at < againAt) ? [] : [[target, outcome] as const],
  );
  return outcomes.length > 0 ? { outcomes: Object.fromEntries(outcomes) } : {};
}

/**
 * One channel's queries for the delivery engine. Each names the lease that it depends on, so it may be repeated.
 * `retentionDays`: how long a finished delivery is kept.
 */
export function createClaims(
  db: Db,
  channel: Channel,
  { retentionDays, routed }: { retentionDays: number } & Pick<Connection, "routed">,
) {
  const deliveries = deliveriesOf(db);
  const expireAt = (now: number) => new Date(now + retentionDays * dayMs);

  /** Matches the deliveries of `held` whose lease is still ours: id and token must both match. */
  const stillHeld = (held: HeldDelivery[]) => ({
    _id: { $in: held.map((one) => new ObjectId(one.id)) },
    user: { $in: usersOf(held) },
    "lease.token": { $in: [...new Set(held.map((one) => one.token))].map((token) => new ObjectId(token)) },
  });

  /** A conditional update, in which the loser of a race matches nothing, and a read by token of what was won. */
  async function take(
    candidates: Array<Pick<DeliveryDocument, "_id"> & Partial<DeliveryDocument>>,
    lease: { token: string; until: number },
    now: number,
  ): Promise<HeldDelivery[]> {
    const token = new ObjectId(lease.token);
    const users = candidates.flatMap(({ user }) => (user === undefined ? [] : [user]));
    const these = {
      _id: { $in: candidates.map((one) => one._id) },
      ...(users.length > 0 && { user: { $in: users } }),
    };
    await deliveries
      .updateMany(
        { ...these, channel, state: "pending", due: { $lte: new Date(now) } },
        {
          $set: {
            state: "sending",
            lease: { token, until: new Date(lease.until) },
            updatedAt: new Date(now),
          },
          // The next notification opens another digest.
          $unset: { open: 1 },
        },
        // Index `claim` would read the whole backlog to find these few.
        byId,
      )
      .catch((error: unknown) => {
        // The update may have been applied although its answer was lost. The read below finds out.
        if (isRefusal(error)) throw error;
      });
    const found = await deliveries
      .find({ ...these, "lease.token": token }, { projection: heldFields, ...byId })
      .toArray();
    // The shards of a cluster answer in any order.
    const places = new Map(candidates.map(({ _id }, place) => [_id.toHexString(), place]));
    const placeOf = ({ _id }: Pick<DeliveryDocument, "_id">) => places.get(_id.toHexString()) ?? 0;
    const won = found.sort((a, b) => placeOf(a) - placeOf(b));
    return won.map((one) => ({
      id: one._id.toHexString(),
      notification: one.notification.toHexString(),
      user: wireUserId(one.user),
      channel: one.channel,
      content: one.content,
      ...(one.rules && { rules: one.rules }),
      ...(one.bulk && { bulk: one.bulk }),
      ...(one.digest && { digest: { scope: one.digest.scope, by: one.digest.by } }),
      tries: one.tries,
      ...outcomesOf(one),
      ...(one.interruptions !== undefined && { interruptions: one.interruptions }),
      token: lease.token,
    }));
  }

  return {
    /**
     * Three round trips per batch: read the candidates (index `claim`), update those that are still pending, and read
     * by token what was won. A missing `bulk` sorts first, so a broadcast gets the places that others leave.
     */
    async claim(
      limit: number,
      lease: { token: string; until: number },
      now: number,
    ): Promise<HeldDelivery[]> {
      const due = { $lte: new Date(now) };
      const candidates = await deliveries
        .find({ channel, state: "pending", due }, { projection: { _id: 1, user: 1 } })
        .sort({ bulk: 1, due: 1 })
        .limit(limit)
        .toArray();
      return candidates.length === 0 ? [] : take(candidates, lease, now);
    },

    /** Claims the deliveries among `ids` that are due. A queue message names the ids. */
    async claimById(
      ids: string[],
      lease: { token: string; until: number },
      now: number,
    ): Promise<HeldDelivery[]> {
      return take(
        ids.map((id) => ({ _id: new ObjectId(id) })),
        lease,
        now,
      );
    },

    async renew(held: HeldDelivery[], until: number): Promise<Set<string>> {
      const ours = stillHeld(held);
      const $set = { "lease.until": new Date(until) };
      const { matchedCount } = await deliveries.updateMany(ours, { $set }, byId);
      if (matchedCount === held.length) return new Set(held.map((one) => one.id));
      const kept = await deliveries.find(ours, { projection: { _id: 1 }, ...byId }).toArray();
      return new Set(kept.map((one) => one._id.toHexString()));
    },

    async release(held: HeldDelivery[], due: number, now: number): Promise<void> {
      await deliveries.updateMany(
        { ...stillHeld(held), state: "sending" },
        [{ $set: waitingAgain(new Date(due), new Date(now), expireAt(now)) }, { $unset: "lease" }],
        byId,
      );
    },

    /** Marks that a send begins. False when the lease was lost. */
    async begin(delivery: HeldDelivery, begun: "once" | "again"): Promise<boolean> {
      const { matchedCount } = await deliveries.updateOne(
        {
          _id: new ObjectId(delivery.id),
          user: storedUserId(delivery.user),
          state: "sending",
          "lease.token": new ObjectId(delivery.token),
        },
        { $set: { "lease.begun": begun } },
        byId,
      );
      return matchedCount === 1;
    },

    settle: createSettler(db, { routed, expireAt }),

    sweep: (now: number) => sweep(db, channel, now, expireAt(now)),

    nextDue: () => orUnavailable(() => nextDue(db, channel)),
  };
}

export type Claims = ReturnType<typeof createClaims>;
