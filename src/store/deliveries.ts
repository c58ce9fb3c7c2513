import { type Collection, type Db, ObjectId } from "mongodb";
import type { Attempt, DeliveryContent, DeliveryState, Reason, StoredDecision } from "../model/delivery.ts";
import type { Channel, PlannedDelivery } from "../model/notification.ts";
import type { CallRules } from "../model/rules.ts";
import { orUnavailable } from "./failures.ts";
import { storedUserId } from "./ids.ts";

export interface DeliveryDocument {
  _id: ObjectId;
  notification: ObjectId;
  user: ObjectId | string;
  type: string;
  channel: Channel;
  content: DeliveryContent;
  /** The rules of the call; they go before the type's. */
  rules?: CallRules;
  /** A part of a broadcast: claims take others first. */
  bulk?: true;
  /** It is a digest: of which notifications, and how many joined it. */
  digest?: { scope: string; by?: string; count: number };
  /** Of a digest that more notifications can join: index `open`. */
  open?: string;
  /** The delivery that opened the digest and was sent at once. */
  first?: ObjectId;
  /** The digest that has it. */
  into?: ObjectId;
  state: DeliveryState;
  /** When a pending delivery may be sent. */
  due: Date;
  tries: number;
  /** The newest `keptAttempts`. */
  attempts: Array<Omit<Attempt, "at"> & { at: Date }>;
  /** `begun`: a send is under way. `once`: it must not be repeated. `again`: an earlier send was interrupted. */
  lease?: { token: ObjectId; until: Date; begun?: "once" | "again" };
  /** How often a lease expired because its worker died or hung. */
  interruptions?: number;
  reason?: Reason;
  /** An explanation, where no attempt gives one. */
  detail?: string;
  /** The provider's own id of the message. */
  providerId?: string;
  /** The newest `keptDecisions`: which rules made it wait or end. */
  decisions?: Array<Omit<StoredDecision, "at" | "until"> & { at: Date; until?: Date }>;
  /** When an operator last resent it. */
  againAt?: Date;
  /** The caller's own name for the notification: index `key`. */
  key?: string;
  /** Tells several of one notification on one channel from each other: index `once`. */
  target?: string;
  /** When its caller took it back. If it was being sent then, that send goes on, but no other follows. */
  recalledAt?: Date;
  /** When MongoDB deletes it; only on finished deliveries. */
  expireAt?: Date;
  createdAt: Date;
  updatedAt: Date;
}

export const deliveriesOf = (db: Db): Collection<DeliveryDocument> => db.collection("deliveries");

/** For a pipeline: a delivery that was being sent waits again, unless its caller has taken it back meanwhile. */
export function waitingAgain(due: Date, now: Date, expireAt: Date) {
  const isRecalled = { $gt: ["$recalledAt", null] };
  return {
    state: { $cond: [isRecalled, "recalled", "pending"] },
    expireAt: { $cond: [isRecalled, expireAt, "$expireAt"] },
    due,
    updatedAt: now,
  };
}

/** Named, so that MongoDB merges the two ranges of index `claim` instead of sorting the backlog. */
const bulkOrNot = { $in: [null, true] } as never;

/** When the earliest pending delivery is due (Unix ms); undefined when none is pending. Index `claim`. */
export async function nextDue(db: Db, channel: Channel): Promise<number | undefined> {
  const [first] = await deliveriesOf(db)
    .find({ channel, state: "pending", bulk: bulkOrNot }, { projection: { due: 1 } })
    .sort({ due: 1 })
    .limit(1)
    .toArray();
  return first?.due.getTime();
}

/** A user's newest deliveries, newest first. Index `user`. */
export async function deliveriesOfUser(db: Db, user: string, limit: number) {
  const projection = { notification: 1, channel: 1, content: 1, state: 1, updatedAt: 1 } as const;
  const found = await orUnavailable(() =>
    deliveriesOf(db)
      .find({ user: storedUserId(user) }, { projection, batchSize: limit + 1 })
      .sort({ _id: -1 })
      .limit(limit)
      .toArray(),
  );
  return found.map(({ notification, channel, content, state, updatedAt }) => ({
    notification: notification.toHexString(),
    channel,
    content,
    state,
    changedAt: updatedAt.getTime(),
  }));
}

/**
 * The ids of those notifications that have deliveries: the part of a repeated batch that is stored. Without this read, a
 * request that repeated 150 notifications took 184 transactions. Finds none when it
 * fails: those tell the same.
 */
export async function storedAmong(
  db: Db,
  notifications: Array<{ id: string; user: string }>,
): Promise<Set<string>> {
  const user = { $in: notifications.map((one) => storedUserId(one.user)) };
  const notification = { $in: notifications.map((one) => new ObjectId(one.id)) };
  const found = await deliveriesOf(db)
    .find({ user, notification }, { projection: { notification: 1 }, hint: "once", maxTimeMS: 2_000 })
    .toArray()
    .catch(() => []);
  return new Set(found.map((one) => one.notification.toHexString()));
}

/** The delivery of the same notification on another channel. With several addresses, any of them. Index `once`. */
export async function siblingOf(db: Db, user: string, notification: string, channel: Channel) {
  const found = await orUnavailable(() =>
    deliveriesOf(db).findOne(
      { user: storedUserId(user), notification: new ObjectId(notification), channel },
      // A replacement is newer.
      { sort: { _id: -1 }, projection: { state: 1, reason: 1, due: 1 } },
    ),
  );
  return found ? { state: found.state, reason: found.reason, due: found.due.getTime() } : undefined;
}

/**
 * The deliveries that any worker could claim now, in pages, longest waiting first. Index `claim`. Without those of
 * broadcasts, which workers find by themselves.
 */
export async function* pendingDue(
  db: Db,
  channels: Channel[],
  now: number,
): AsyncGenerator<Array<{ id: string; channel: Channel }>> {
  const pageSize = 1_000;
  for (const channel of channels) {
    const found = deliveriesOf(db)
      .find(
        { channel, state: "pending", bulk: null as never, due: { $lte: new Date(now) } },
        { projection: { _id: 1 }, batchSize: pageSize },
      )
      .sort({ due: 1 });
    let page: Array<{ id: string; channel: Channel }> = [];
    for await (const { _id } of found) {
      page.push({ id: _id.toHexString(), channel });
      if (page.length < pageSize) continue;
      yield page;
      page = [];
    }
    if (page.length > 0) yield page;
  }
}

/** For the gauges: unfinished deliveries by channel and state, and when (Unix ms) the longest waiting one was due. */
export async function deliveryDepth(
  db: Db,
  channels: Channel[],
): Promise<{
  counts: Array<{ channel: Channel; state: "pending" | "sending"; count: number }>;
  oldestDue: number | undefined;
}> {
  const deliveries = deliveriesOf(db);
  // A partial index alone answers each count.
  const counts = await Promise.all(
    channels.flatMap((channel) =>
      (["pending", "sending"] as const).map(async (state) => ({
        channel,
        state,
        count: await deliveries.countDocuments({ channel, state }),
      })),
    ),
  );
  const dues = await Promise.all(channels.map((channel) => nextDue(db, channel)));
  const known = dues.filter((due) => due !== undefined);
  return { counts, oldestDue: known.length > 0 ? Math.min(...known) : undefined };
}

/** A planned delivery in its stored form: claimed by this process under `lease`, or pending for any worker. */
export function newDelivery(
  planned: PlannedDelivery,
  owner: { notification: string; user: string },
  now: Date,
  lease: { token: string; until: number } | undefined,
): DeliveryDocument {
  const { rules, due, bulk, key, target } = planned;
  return {
    _id: new ObjectId(planned.id),
    notification: new ObjectId(owner.notification),
    user: storedUserId(owner.user),
    type: planned.content.key,
    channel: planned.channel,
    content: planned.content,
    ...(rules && { rules }),
    ...(bulk && { bulk }),
    ...(key !== undefined && { key }),
    ...(target !== undefined && { target }),
    state: lease ? "sending" : "pending",
    due: due === undefined ? now : new Date(due),
    tries: 0,
    attempts: [],
    ...(lease && { lease: { token: new ObjectId(lease.token), until: new Date(lease.until) } }),
    createdAt: now,
    updatedAt: now,
  };
}

/**
 * For filters that name deliveries and their users. The users are for a sharded cluster, which then asks only the shards
 * that have them. The id alone finds the delivery: by index `user`, two such lists would cost a seek for each pair.
 */
export const byId = { hint: { _id: 1 } } as const;

/** A decision with dates in place of Unix milliseconds. */
export const storedDecision = ({ at, until, ...rest }: StoredDecision) => ({
  at: new Date(at),
  ...rest,
  ...(until !== undefined && { until: new Date(until) }),
});
