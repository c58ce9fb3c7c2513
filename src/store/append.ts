import { setTimeout as pause } from "node:timers/promises";
import type { ClientSession, Db, Document, ObjectId } from "mongodb";
import { MongoServerError } from "mongodb";
import type { InboxItem, PlannedNotification } from "../model/notification.ts";
import { isRefusal, storeError, unavailableCodes, writeConflict } from "./failures.ts";
import { storedUserId, wireUserId } from "./ids.ts";
import { usersOf } from "./inbox.ts";

export interface AppendOptions {
  db: Db;
  /** Items that a reader sees; the array is let grow 25 % beyond before it is trimmed. */
  inboxLimit: number;
  /** Where a user that does not exist yet is reached. */
  newUser: { email?: string; phone?: string };
  now: () => number;
  /** What MongoDB has not confirmed by then is given up. */
  patienceMs: number;
}

/** One entry a notification, in order: nothing when it is stored, or why it is not. */
export type CommitResults = Array<undefined | Error>;

/** What a batch brings one user. */
interface Share {
  user: ObjectId | string;
  /** Where in the batch its notifications are. */
  positions: number[];
  items: InboxItem[];
}

interface WriteError {
  index: number;
  code: number;
  errmsg: string;
}

/**
 * Brings a batch of notifications into the inboxes of their users, which are created when missing.
 *
 * All users share one statement, so that MongoDB parses one pipeline a batch. Measured at a batch of 64: 33 µs of
 * mongod an item, against 48 µs with a statement for each user and 138 µs for a single `updateOne`.
 */
export function createAppender(options: AppendOptions) {
  const { db, now, patienceMs } = options;
  const { append, create } = pipelines(options.inboxLimit, options.newUser);
  const writeConcern = { w: "majority", wtimeout: patienceMs };

  return {
    /** As part of a transaction. Throws when anything is in the way. */
    async within(session: ClientSession, batch: PlannedNotification[]): Promise<void> {
      const failed = await attempt(sharesOf(batch), session);
      if (failed) throw new MongoServerError({ message: failed.errmsg, code: failed.code });
    },

    /**
     * By itself. After an error nobody knows what was applied, so the repetition first looks which users have their
     * items, and guards each statement against those that get them meanwhile.
     */
    async alone(batch: PlannedNotification[]): Promise<CommitResults> {
      const deadline = now() + patienceMs;
      const shares = sharesOf(batch);
      const failures = new Map<Share, Error>();
      for (let round = 0; ; round++) {
        try {
          if (round === 0) {
            if (!(await attempt(shares))) break;
          } else {
            const open = (await notStored(shares)).filter((share) => !failures.has(share));
            if (open.length === 0) break;
            if (round > 1) await pause(50 * 2 ** Math.min(round, 5));
            for (const { index, code, errmsg } of await repeat(open)) {
              const error = new MongoServerError({ message: errmsg, code });
              // Neither says whose fault it is: another process was there first, or the primary is changing.
              if (code !== duplicateKey && isRefusal(error))
                failures.set(open[index] as Share, storeError(error));
            }
          }
        } catch (error) {
          // Even a refusal may have come in the middle of the one statement for all: what follows is guarded.
          if (now() > deadline || (round > 0 && isRefusal(error))) {
            for (const share of shares) if (!failures.has(share)) failures.set(share, storeError(error));
            break;
          }
          await pause(50 * 2 ** Math.min(round, 5));
        }
        if (now() > deadline)
          throw new MongoServerError({ message: "no end of conflicts", code: writeConflict });
      }
      const results: CommitResults = batch.map(() => undefined);
      for (const [share, error] of failures)
        for (const position of share.positions) results[position] = error;
      return results;
    },
  };

  /** One command for everyone, and one more for those that do not exist yet. The first thing in the way, if any. */
  async function attempt(shares: Share[], session?: ClientSession): Promise<WriteError | undefined> {
    const withItems = shares.filter((share) => share.items.length > 0);
    const appended = await update(
      withItems,
      [{ q: { _id: idsOf(withItems) }, u: append, multi: true }],
      session,
    );
    if (appended.failed) return appended.failed;
    const without = shares.filter((share) => share.items.length === 0);
    if (appended.n === withItems.length && without.length === 0) return undefined;
    const found = await usersOf(db)
      .find({ _id: idsOf(shares) }, { projection: { _id: 1 }, ...(session && { session }) })
      .toArray();
    const existing = new Set(found.map((one) => wireUserId(one._id)));
    const missing = withItems.filter((share) => !existing.has(wireUserId(share.user)));
    // Somebody created a user between the two: it exists, and has not got its items.
    if (appended.n + missing.length !== withItems.length)
      return { index: 0, code: writeConflict, errmsg: "a user was created meanwhile" };
    const created = [...missing, ...without.filter((share) => !existing.has(wireUserId(share.user)))];
    return (await update(created, created.map(creation), session)).failed;
  }

  async function repeat(shares: Share[]): Promise<WriteError[]> {
    return (await update(shares, shares.map(creation))).errors;
  }

  /** Creates the user, or appends to it unless it has the items already; then the creation collides on `_id`. */
  function creation({ user, items }: Share): Document {
    if (items.length === 0) return { q: { _id: user }, u: [{ $set: create }], upsert: true };
    const guard = { "notifications.id": { $nin: items.map((item) => item.id) } };
    return { q: { _id: user, ...guard }, u: [{ $set: create }, ...append], upsert: true };
  }

  /** A plain command: the driver's retryable writes cost a session record for each statement, and know no `multi`. */
  async function update(shares: Share[], updates: Document[], session?: ClientSession) {
    if (shares.length === 0) return { n: 0, errors: [], failed: undefined };
    const ids = shares.map((share) => share.user);
    // Caller data stands in `$literal`, or a string such as "$email" would become a field path.
    const variables = { ids: { $literal: ids }, items: { $literal: shares.map((share) => share.items) } };
    const command = { update: "users", updates, let: variables, ordered: false };
    const reply = await (session
      ? db.command(command, { session })
      : db.command({ ...command, writeConcern }));
    if (reply.writeConcernError) throw new MongoServerError(reply.writeConcernError);
    const errors: WriteError[] = reply.writeErrors ?? [];
    const passing = errors.find((one) => unavailableCodes.has(one.code));
    if (passing) throw new MongoServerError({ message: passing.errmsg, code: passing.code });
    return { n: reply.n as number, errors, failed: errors[0] };
  }

  async function notStored(shares: Share[]): Promise<Share[]> {
    const found = await usersOf(db)
      .find({ _id: idsOf(shares) }, { projection: { "notifications.id": 1 } })
      .toArray();
    const stored = new Map(found.map((one) => [wireUserId(one._id), itemIds(one.notifications)]));
    return shares.filter(({ user, items }) => {
      const ids = stored.get(wireUserId(user));
      const newest = items.at(-1);
      // A share is applied whole or not at all, and its newest item stays longest.
      return !ids || (newest !== undefined && !ids.has(newest.id));
    });
  }
}

const duplicateKey = 11000;

const idsOf = (shares: Share[]) => ({ $in: shares.map((share) => share.user) });

/** The document is the product team's own: what is no array holds no items. */
const itemIds = (notifications: unknown): Set<string> =>
  new Set(Array.isArray(notifications) ? notifications.map((item) => item.id) : []);

/**
 * `append`: adds the user's items, trims with slack, counts `rev`. `create`: what a document that this very update
 * creates is given; an existing user without an address stays without one.
 *
 * Why slack: trimming shifts every element, so the oplog gets the whole array. Once in 26 appends instead of at each
 * one, that is 717 B a create, 1.1 × a plain append, instead of 8.5 × (a full inbox of 100, measured).
 */
function pipelines(inboxLimit: number, newUser: AppendOptions["newUser"]) {
  const most = inboxLimit + Math.ceil(inboxLimit / 4);
  const rev = { $add: [{ $ifNull: ["$rev", 0] }, 1] };
  const added = {
    $map: {
      input: { $arrayElemAt: ["$$items", { $indexOfArray: ["$$ids", "$_id"] }] },
      in: { $mergeObjects: ["$$this", { rev }] },
    },
  };
  const all = { $concatArrays: [{ $ifNull: ["$notifications", []] }, added] };
  const trimmed = {
    $cond: [{ $gt: [{ $size: "$$all" }, most] }, { $slice: ["$$all", -inboxLimit] }, "$$all"],
  };
  const append = [{ $set: { rev, notifications: { $let: { vars: { all }, in: trimmed } } } }];
  const create = Object.fromEntries(
    Object.entries(newUser).map(([field, value]) => [
      field,
      { $cond: [{ $eq: ["$$ROOT", { _id: "$_id" }] }, { $literal: value }, `$${field}`] },
    ]),
  );
  return { append, create };
}

function sharesOf(batch: PlannedNotification[]): Share[] {
  const shares = new Map<string, Share>();
  for (const [position, { user, item }] of batch.entries()) {
    let share = shares.get(user);
    if (!share) {
      share = { user: storedUserId(user), positions: [], items: [] };
      shares.set(user, share);
    }
    share.positions.push(position);
    if (item) share.items.push(item);
  }
  return [...shares.values()];
}
