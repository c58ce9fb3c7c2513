import { type Db, type Filter, MongoServerError, ObjectId, type UpdateFilter } from "mongodb";
import type { HeldDelivery, Settlement, StoredDecision } from "../model/delivery.ts";
import type { Channel } from "../model/notification.ts";
import { clientOptions } from "./connect.ts";
import { type DeliveryDocument, deliveriesOf, nextDue, waitingAgain } from "./deliveries.ts";
import { isRefusal, orUnavailable } from "./failures.ts";
import { storedUserId, wireUserId } from "./ids.ts";
import { sweep } from "./sweep.ts";

interface Update {
  q: Filter<DeliveryDocument>;
  u: UpdateFilter<DeliveryDocument>;
  hint: typeof byId.hint;
}

/** An upper bound, well above `MAX_RETRIES` plus the provider pauses of a bad week. */
const keptAttempts = 200;
const keptDecisions = 20;
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

/**
 * The filters name the users, so that a sharded cluster asks only the shards that have them. The id alone finds the
 * delivery: by index `user`, a list of ids and one of users would cost a seek for each pair.
 */
const byId = { hint: { _id: 1 } } as const;

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
export function createClaims(db: Db, channel: Channel, retentionDays: number) {
  const deliveries = deliveriesOf(db);
  const expireAt = (now: number) => new Date(now + retentionDays * dayMs);

  /** Matches the deliveries of `held` whose lease is still ours: id and token must both match. */
  const stillHeld = (held: HeldDelivery[]) => ({
    _id: { $in: held.map((one) => new ObjectId(one.id)) },
    user: { $in: usersOf(held) },
    "lease.token": { $in: [...new Set(held.map((one) => one.token))].map((token) => new ObjectId(token)) },
  });

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

    /**
     * A provider's callback may have moved the state on already (`store/receipts.ts`). Then a second, rare round trip
     * adds the attempt and leaves the state. It also ends a delivery that would wait again, but was recalled while it
     * was being sent. A delivery whose lease was lost matches no update and counts as `lost`.
     */
    async settle(settlements: Settlement[], now: number): Promise<{ lost: number }> {
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
      const ends = settlements.map((one): Update => {
        const { state, due, reason, detail } = one;
        const { set, ...update } = history(one);
        const $set = {
          ...set,
          state,
          updatedAt: new Date(now),
          ...(state === "pending"
            ? due !== undefined && { due: new Date(due) }
            : { expireAt: expireAt(now) }),
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

    sweep: (now: number) => sweep(db, channel, now, expireAt(now)),

    nextDue: () => orUnavailable(() => nextDue(db, channel)),
  };
}

export const storedDecision = ({ at, until, ...rest }: StoredDecision) => ({
  at: new Date(at),
  ...rest,
  ...(until !== undefined && { until: new Date(until) }),
});

export type Claims = ReturnType<typeof createClaims>;
