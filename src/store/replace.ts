import { type ClientSession, type Filter, MongoServerError, ObjectId } from "mongodb";
import { createSemaphore } from "../lib/semaphore.ts";
import type { DeliveryState } from "../model/delivery.ts";
import { BelfryError } from "../model/errors.ts";
import type { Channel, PlannedNotification, Replaced, StoredInboxItem } from "../model/notification.ts";
import { createAppender } from "./append.ts";
import { newUserFields } from "./append-pipelines.ts";
import { type CommitOptions, insertDeliveries, patienceMs } from "./commit.ts";
import { type DeliveryDocument, deliveriesOf } from "./deliveries.ts";
import { duplicateKey, storeError } from "./failures.ts";
import { storedUserId } from "./ids.ts";
import { usersOf } from "./inbox.ts";
import { arrayIn, isItem, nextRev, removedBefore } from "./inbox-items.ts";
import { createTransactions } from "./transactions.ts";

export type Replacing = PlannedNotification & Required<Pick<PlannedNotification, "replaces">>;

/** A retry would send the old content. */
const ended: DeliveryState[] = ["failed", "skipped", "uncertain"];

/** Transactions at once. The pool has 20 connections. */
const atOnce = 6;
const dayMs = 24 * 60 * 60_000;

/**
 * Stores notifications that replace an earlier one of the same user and key. All of one is stored in one transaction,
 * which first changes the user's document: so of two with the same key at once, the second finds the first, from
 * whichever instance they come. A standalone server has no transactions, and there two at once may both be stored.
 */
export function createReplacer(options: CommitOptions & { retentionDays: number }) {
  const { db, transactions, now, storedAt = now, newUser, retentionDays } = options;
  const users = usersOf(db);
  const deliveries = deliveriesOf(db);
  const inTransaction = createTransactions(options);
  const inboxes = createAppender({ ...options, patienceMs });
  const places = createSemaphore(atOnce);

  /** The newest notification of this user with this key, unless it was recalled. */
  async function earlierOf(user: ObjectId | string, key: string, session?: ClientSession) {
    const how = session && { session };
    const hasKey = { $and: [isItem, { $eq: ["$$this.caller_key", { $literal: key }] }] };
    const counted = { $add: [{ $ifNull: ["$replacedNotifications", 0] }, 1] };
    await users.updateOne(
      { _id: user },
      [{ $set: { ...newUserFields(newUser), replacedNotifications: counted } }],
      { upsert: true, ...how },
    );
    const [document, delivery] = [
      await users.findOne<{ items: Array<{ id: string }> }>(
        { _id: user },
        {
          projection: { items: { $filter: { input: arrayIn("$notifications"), cond: hasKey } } },
          ...how,
        },
      ),
      await deliveries.findOne(
        { user, key: { $eq: key }, recalledAt: { $exists: false } },
        { sort: { _id: -1 }, projection: { notification: 1 }, ...how },
      ),
    ];
    const item = document?.items.at(-1)?.id;
    const delivered = delivery?.notification.toHexString();
    // Ids grow with time.
    const newest = [item, delivered].filter((one) => one !== undefined).sort();
    return { id: newest.at(-1), hasItem: item !== undefined && item === newest.at(-1) };
  }

  async function within(planned: Replacing, session?: ClientSession, slot = 0): Promise<Replaced> {
    const user = storedUserId(planned.user);
    const { id, hasItem } = await earlierOf(user, planned.replaces.key, session);
    const added = id === undefined ? planned : await renewed(planned, { user, id, hasItem }, session);
    if (added.deliveries.length > 0) await insertDeliveries(options, [added], new Map(), slot, session);
    if (added.item && hasItem) await move(user, added.item, session);
    else if (added.item && session) await inboxes.within(session, [added]);
    else if (added.item) for (const error of await inboxes.alone([added])) if (error) throw error;
    return { id: added.id, replaced: id !== undefined, deliveries: added.deliveries };
  }

  /**
   * Gives the waiting deliveries the new content. What is being sent, or has ended, stays, and is not sent again. A digest
   * may be reading what it holds, so a new delivery takes the place of that. Returns what is to be added under the earlier id.
   */
  async function renewed(
    planned: Replacing,
    earlier: { user: ObjectId | string; id: string; hasItem: boolean },
    session?: ClientSession,
  ): Promise<PlannedNotification> {
    const how = session && { session };
    const { id, user, hasItem } = earlier;
    const { content, item } = planned.replaces;
    const theirs = { user, notification: new ObjectId(id) };
    const existing = await deliveries
      .find(theirs, { projection: { channel: 1, state: 1, target: 1 }, ...how })
      .toArray();
    const { item: wanted, ...rest } = { ...planned, id };
    // This request was stored before, and its answer was lost.
    if (existing.some(({ target }) => target === planned.id)) return { ...rest, deliveries: [] };
    const at = new Date(storedAt());
    const isWaiting = (channel: Channel) =>
      existing.some((one) => one.channel === channel && one.state === "pending");
    const added = planned.deliveries.filter(({ channel }) => !isWaiting(channel));
    const change = (which: Filter<DeliveryDocument>, $set: object) =>
      deliveries.updateMany({ ...theirs, recalledAt: { $exists: false }, ...which }, [{ $set }], how);
    const out = { recalledAt: at, detail: "a newer notification with its key has replaced it" };
    const expireAt = new Date(at.getTime() + retentionDays * dayMs);
    await change(
      { state: "held", channel: { $in: added.map(({ channel }) => channel) } },
      { ...out, state: "recalled", updatedAt: at, expireAt },
    );
    // Its rules count from the earlier time.
    const renewedContent = { $mergeObjects: [{ $literal: content }, { at: "$content.at" }] };
    await change(
      { state: { $in: ["pending", "held"] } },
      { content: renewedContent, type: content.key, updatedAt: at },
    );
    await change({ state: "sending" }, out);
    await change({ state: { $in: ended } }, { recalledAt: at });
    const hadOne = ({ channel }: { channel: Channel }) => existing.some((one) => one.channel === channel);
    return {
      ...rest,
      ...((hasItem || wanted) && { item: { ...item, id } }),
      // Index `once`: the same request, repeated, adds it once.
      deliveries: added.map((one) => ({ ...one, ...(hadOne(one) && { target: planned.id }) })),
    };
  }

  /** The item becomes a new one with the same id. */
  async function move(
    user: ObjectId | string,
    item: StoredInboxItem,
    session?: ClientSession,
  ): Promise<void> {
    const others = {
      $filter: { input: "$notifications", cond: { $ne: ["$$this.id", { $literal: item.id }] } },
    };
    const moved = { $mergeObjects: [{ $literal: item }, { rev: nextRev }] };
    const notifications = { $concatArrays: [others, [moved]] };
    await users.updateOne(
      { _id: user },
      [{ $set: { rev: nextRev, removedBefore, notifications } }],
      session && { session },
    );
  }

  /** Rejects as a commit does. The deliveries are those that any worker may take now. */
  return async function replace(planned: Replacing): Promise<Replaced> {
    const deadline = now() + patienceMs;
    for (;;) {
      try {
        if (!transactions) return await within(planned);
        let result: Replaced | undefined;
        await inTransaction(
          async (session, slot) => {
            result = await within(planned, session, slot);
          },
          { conflicts: deadline, deadline, places },
        );
        return result as Replaced;
      } catch (error) {
        // Another process has created the user, or stored the same request.
        const isTwice = error instanceof MongoServerError && error.code === duplicateKey;
        if (!isTwice || now() > deadline) throw error instanceof BelfryError ? error : storeError(error);
      }
    }
  };
}
