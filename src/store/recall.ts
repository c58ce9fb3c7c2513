import { type Db, type Filter, ObjectId } from "mongodb";
import { createSemaphore } from "../lib/semaphore.ts";
import type { DeliveryState } from "../model/delivery.ts";
import type { RecallName, RecallReceipt } from "../model/recall.ts";
import { byId, type DeliveryDocument, deliveriesOf } from "./deliveries.ts";
import { orUnavailable } from "./failures.ts";
import { storedUserId, wireUserId } from "./ids.ts";
import { usersOf } from "./inbox.ts";
import { arrayIn, itemsOf, numberOf } from "./inbox-items.ts";
import type { createInboxWriter } from "./inbox-writes.ts";

/** A key that names more deliveries is no name. All of them are stopped, and the newest are reported. */
const mostReported = 10_000;
/** A caller who never stops sending under a key does not keep its recall busy. */
const mostTries = 5;
/** Items removed at once. The pool has 20 connections. */
const removedAtOnce = 4;
const dayMs = 24 * 60 * 60_000;

const waiting: DeliveryState[] = ["pending", "held"];
/**
 * Takes notifications back. `remove`: the inbox's own, since a recalled item is a removed one.
 *
 * One update per document decides the race with a claim: either it finds the delivery waiting, and nobody can claim
 * it any more, or the claim was first and the delivery is marked. A marked delivery that would wait again ends as
 * `recalled` instead (`store/settle.ts`, `store/sweep.ts`). Everything may be repeated, with the same receipts.
 */
export function createRecallStore(options: {
  db: Db;
  remove: ReturnType<typeof createInboxWriter>["remove"];
  inboxLimit: number;
  retentionDays: number;
  now: () => number;
}) {
  const { db, remove, inboxLimit, retentionDays, now } = options;
  const deliveries = deliveriesOf(db);
  const users = usersOf(db);
  const removing = createSemaphore(removedAtOnce);

  async function stop(theirs: Filter<DeliveryDocument>, at: number, tries = 0): Promise<RecallReceipt[]> {
    const isWaiting = { $in: ["$state", waiting] };
    const [time, expireAt] = [new Date(at), new Date(at + retentionDays * dayMs)];
    // A mark on those that do not wait keeps them from being sent again, by a retry, a redrive or a repeated digest.
    await deliveries.updateMany(theirs, [
      {
        $set: {
          state: { $cond: [isWaiting, "recalled", "$state"] },
          updatedAt: { $cond: [isWaiting, time, "$updatedAt"] },
          expireAt: { $cond: [isWaiting, expireAt, "$expireAt"] },
          recalledAt: { $ifNull: ["$recalledAt", time] },
        },
      },
    ]);
    const fields = { notification: 1, user: 1, channel: 1, state: 1, updatedAt: 1, into: 1 } as const;
    const found = await deliveries
      .find(theirs, { projection: { ...fields, "attempts.at": 1, "attempts.outcome": 1 } })
      .sort({ _id: -1 })
      .limit(mostReported)
      .toArray();
    // One with this key was accepted meanwhile; or its part of a cluster was moving, and the update has missed it.
    if (tries < mostTries && found.some(({ state }) => waiting.includes(state)))
      return stop(theirs, at, tries + 1);
    const digests = await digestsOf(found);
    return found.map((one) => ({
      user: wireUserId(one.user),
      notification: one.notification.toHexString(),
      channel: one.channel,
      delivery: one._id.toHexString(),
      ...resultOf(one, one.into && digests.get(one.into.toHexString())),
    }));
  }

  /** The digests whose messages have these deliveries. */
  async function digestsOf(found: Found[]): Promise<Map<string, Found>> {
    const ids = found.flatMap(({ state, into }) => (state === "digested" && into ? [into] : []));
    if (ids.length === 0) return new Map();
    const fields = { user: 1, state: 1, updatedAt: 1, "attempts.at": 1, "attempts.outcome": 1 } as const;
    const user = { $in: found.map((one) => one.user) };
    const digests = await deliveries
      .find({ _id: { $in: ids }, user }, { projection: fields, ...byId })
      .toArray();
    return new Map(digests.map((one) => [one._id.toHexString(), one]));
  }

  /** Repeats the receipts of items that were withdrawn before. */
  async function withdraw(names: string[], name: RecallName, at: number): Promise<RecallReceipt[]> {
    const named =
      "id" in name
        ? { $eq: ["$$this.id", { $literal: name.id }] }
        : { $eq: ["$$this.caller_key", { $literal: name.key }] };
    const isRecalled = { $gt: ["$$this.recalled", 0] };
    const found = await users
      .find<{ _id: ObjectId | string; items: Named[]; gone: Named[] }>(
        { _id: { $in: names.map(storedUserId) } },
        {
          projection: {
            items: { $filter: { input: itemsOf(inboxLimit), cond: named } },
            gone: {
              $filter: { input: arrayIn("$removedNotifications"), cond: { $and: [named, isRecalled] } },
            },
          },
        },
      )
      .toArray();
    const receipts = found.flatMap(({ _id, items, gone }) => {
      const user = wireUserId(_id);
      const receipt = ({ id }: Named): RecallReceipt => ({
        user,
        notification: id,
        channel: "inbox",
        result: "withdrawn",
      });
      const removals = items.map((item) =>
        removing.run(async () => ((await remove(user, item.id, at)) ? [receipt(item)] : [])),
      );
      const before = gone.filter(({ id }) => !items.some((item) => item.id === id));
      return [...before.map(async (one) => [receipt(one)]), ...removals];
    });
    return (await Promise.all(receipts)).flat();
  }

  return {
    /** Of these users. Rejects with `database_unavailable`, when a part may be done: repeat it. */
    async recall(names: string[], name: RecallName): Promise<RecallReceipt[]> {
      const at = now();
      const user = { $in: names.map(storedUserId) };
      const theirs: Filter<DeliveryDocument> = {
        user,
        ...("id" in name ? { notification: new ObjectId(name.id) } : { key: { $eq: name.key } }),
        // A digest has an id of its own, but is no notification.
        digest: { $exists: false },
      };
      const stopped = await orUnavailable(() => stop(theirs, at));
      return [...stopped, ...(await orUnavailable(() => withdraw(names, name, at)))];
    },

    /** When the caller took the item out of the inbox (Unix ms), and its type. The newest 100 removals are known. */
    async withdrawal(user: string, id: string): Promise<{ at: number; type: string } | undefined> {
      const found = await orUnavailable(() =>
        users.findOne({ _id: storedUserId(user) }, { projection: { removedNotifications: 1 } }),
      );
      const removed: unknown = found?.removedNotifications;
      const one = Array.isArray(removed) ? removed.findLast((each) => each?.id === id) : undefined;
      const at = numberOf(one?.recalled);
      return at > 0 ? { at, type: typeof one.key === "string" ? one.key : "" } : undefined;
    },
  };
}

interface Named {
  id: string;
}

type Found = Pick<DeliveryDocument, "user" | "state" | "updatedAt" | "attempts" | "into">;

function resultOf(one: Found, digest: Found | undefined): Pick<RecallReceipt, "result" | "sentAt"> {
  const { state, updatedAt, attempts } = one;
  const taken = attempts.findLast(({ outcome }) => outcome === "sent" || outcome === "unknown");
  const sentAt = (taken?.at ?? updatedAt).getTime();
  switch (state) {
    case "recalled":
      return { result: "stopped", ...(taken && { sentAt }) };
    case "sending":
      return { result: "in_flight" };
    case "sent":
    case "delivered":
    case "uncertain":
      return { result: "too_late", sentAt };
    case "digested":
      if (!digest) return { result: "too_late", sentAt };
      return digest.state === "pending" ? { result: "in_flight" } : resultOf(digest, undefined);
    case "failed":
      return taken ? { result: "too_late", sentAt } : { result: "nothing" };
    default:
      return { result: "nothing" };
  }
}
