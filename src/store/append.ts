import type { ClientSession, Db, Document } from "mongodb";
import { MongoServerError } from "mongodb";
import { backoffMs, pause } from "../lib/backoff.ts";
import type { PlannedNotification } from "../model/notification.ts";
import { appendPipelines } from "./append-pipelines.ts";
import { duplicateKey, isRefusal, storeError, unavailableCodes, writeConflict } from "./failures.ts";
import { wireUserId } from "./ids.ts";
import { usersOf } from "./inbox.ts";
import {
  hasItems,
  idsOf,
  isOff,
  type Pipeline,
  pipelineOf,
  type Share,
  sharesOf,
  variablesOf,
  withoutItems,
} from "./shares.ts";

export interface AppendOptions {
  db: Db;
  /** Items that a reader sees. The array grows 25 % beyond it before it is trimmed. */
  inboxLimit: number;
  /** The addresses of a user who does not exist yet. */
  newUser: { email?: string; phone?: string };
  now: () => number;
  /** Time for MongoDB to confirm a write; after it the write counts as failed. */
  patienceMs: number;
  /** Runs the work in a transaction of its own, once; absent on a standalone server. */
  transact?: (work: (session: ClientSession) => Promise<void>) => Promise<void>;
}

/** The statement that appends to most inboxes of a batch, and the variables that it reads. */
export interface FirstStatement {
  q: Document;
  u: Document[];
  variables: Document;
}

/**
 * Sends what the caller stores in the same transaction, and `first` with it if there are items. Returns the number of users
 * that `first` reached; undefined when it was not sent.
 */
type Ahead = (first: FirstStatement | undefined) => Promise<number | undefined>;

/** How long a transaction that locks one user may delay the rest of a batch: many times what a batch takes. */
export const soonMs = 200;

/** One entry per notification, in order: undefined when it is stored, or the reason why it is not. */
export type CommitResults = Array<undefined | Error>;

interface WriteError {
  index: number;
  code: number;
  errmsg: string;
}

/**
 * Appends a batch of notifications to the inboxes of their users. Creates missing users.
 *
 * Users share a statement, so that MongoDB parses one pipeline per batch. Measured at a batch of 64: 33 µs of
 * mongod an item, against 48 µs with a statement for each user and 138 µs for a single `updateOne`.
 */
export function createAppender(options: AppendOptions) {
  const { db, now, patienceMs, transact } = options;
  const { pipelines, create } = appendPipelines(options.inboxLimit, options.newUser);
  const writeConcern = { w: "majority", wtimeout: patienceMs };

  return {
    /**
     * Appends as part of a transaction. Throws the first error. `repeated`: some items may already be stored. `ahead`: sends
     * the first statement together with others; see `Ahead`.
     */
    async within(
      session: ClientSession,
      batch: PlannedNotification[],
      repeated = false,
      ahead?: Ahead,
    ): Promise<void> {
      throwIf(await attempt(sharesOf(batch, repeated), session, ahead));
    },

    /**
     * One try outside a transaction. Returns the notifications that are not stored. After an error it reads the users
     * to find out which updates were applied.
     */
    async tryAlone(batch: PlannedNotification[]): Promise<PlannedNotification[]> {
      const deadline = now() + patienceMs;
      const shares = sharesOf(batch);
      try {
        if (!(await attempt(shares))) return [];
      } catch (error) {
        // Without an answer, the statement may still be running, until its `maxTimeMS`.
        if (!(error instanceof MongoServerError)) await pause(soonMs);
      }
      for (let failures = 1; ; failures++) {
        try {
          const open = await notStored(shares);
          await confirm(db, deadline - now());
          return open.flatMap(({ positions }) => positions.map((at) => batch[at] as PlannedNotification));
        } catch (error) {
          if (isRefusal(error) || now() > deadline) throw error;
          await pause(backoffMs(failures, 100, 1_600));
        }
      }
    },

    /**
     * For a standalone server. Each retry first reads which users already have their items. A guard in each statement
     * skips users who get them in the meantime.
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
            if (round > 1) await pause(backoffMs(round, 50, 1_600));
            for (const { index, code, errmsg } of (await update(open, pipelineOf(open), open.map(creation)))
              .errors) {
              const error = new MongoServerError({ message: errmsg, code });
              // Neither error is the document's fault: another process was first, or the primary is changing.
              if (code !== duplicateKey && isRefusal(error))
                failures.set(open[index] as Share, storeError(error));
            }
          }
        } catch (error) {
          // One statement serves all users, so even a refusal may come after some of them were updated. The retry is
          // guarded.
          if (now() > deadline || (round > 0 && isRefusal(error))) {
            for (const share of shares) if (!failures.has(share)) failures.set(share, storeError(error));
            break;
          }
          await pause(backoffMs(round + 1, 50, 1_600));
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

  /** One command for all users, and one more for those who do not exist yet. Returns the first error, if any. */
  async function attempt(
    shares: Share[],
    session?: ClientSession,
    ahead?: Ahead,
  ): Promise<WriteError | undefined> {
    const withItems = shares.filter(hasItems);
    const appended = await append(withItems, session, ahead);
    if (appended.failed) return appended.failed;
    const without = shares.filter((share) => !hasItems(share));
    if (appended.n === withItems.length && without.length === 0) return undefined;
    const found = await usersOf(db)
      .find({ _id: idsOf(shares) }, { projection: { _id: 1 }, ...(session && { session }) })
      .toArray();
    const existing = new Set(found.map((one) => wireUserId(one._id)));
    const missing = withItems.filter((share) => !existing.has(wireUserId(share.user)));
    // Another process created a user between the two commands: the user exists without the items.
    if (appended.n + missing.length !== withItems.length)
      return { index: 0, code: writeConflict, errmsg: "a user was created meanwhile" };
    const created = [...missing, ...without.filter((share) => !existing.has(wireUserId(share.user)))];
    const make = async (own?: ClientSession) =>
      (await update(created, pipelineOf(created), created.map(creation), own)).failed;
    if (session || !transact) return make(session);
    // Outside a transaction, an upsert waits for another transaction's uncommitted insert and ignores `maxTimeMS`
    // (8.2).
    await transact(async (own) => throwIf(await make(own)));
    return undefined;
  }

  async function append(shares: Share[], session?: ClientSession, ahead?: Ahead) {
    const { pipeline, filter } = firstOf(shares);
    const { q, u, multi } = statementOf(shares, pipeline, filter);
    const reached = await ahead?.(
      shares.length > 0 ? { q, u, variables: variablesOf(shares, pipeline) } : undefined,
    );
    const first =
      reached === undefined
        ? await update(shares, pipeline, [{ q, u, multi }], session)
        : { n: reached, failed: undefined };
    if (!filter || first.failed || first.n === shares.length) return first;
    // Outside a transaction, a user may set preferences between the two.
    const guard = session ? {} : withoutItems(shares);
    const rest = statementOf(shares, "wanted", { notificationPreferences: { $exists: true }, ...guard });
    const wanted = await update(shares, "wanted", [rest], session);
    return { ...wanted, n: first.n + wanted.n };
  }

  /**
   * Users without preferences get the pipeline that asks nothing, and the others a second statement: the pipeline that
   * asks costs a sixth of the requests per second (measured at 128 connections), and most users have none. `filter`: the
   * users of the first of two statements.
   */
  function firstOf(shares: Share[]): { pipeline: Pipeline; filter?: Document } {
    const pipeline = pipelineOf(shares);
    if (pipeline === "all" || shares.some(isOff)) return { pipeline };
    return { pipeline: "all", filter: { notificationPreferences: { $exists: false } } };
  }

  function statementOf(shares: Share[], pipeline: Pipeline, filter?: Document) {
    return { q: { _id: idsOf(shares), ...filter }, u: pipelineFor(shares, pipeline), multi: true };
  }

  function pipelineFor(shares: Share[], pipeline: Pipeline): Document[] {
    return pipelines[shares.some(({ once }) => once) ? (`${pipeline}Once` as const) : pipeline];
  }

  /** Creates the user, or appends unless the items are already stored. If they are, the upsert collides on `_id`. */
  function creation(share: Share): Document {
    const { user, items } = share;
    if (items.length === 0) return { q: { _id: user }, u: [{ $set: create }], upsert: true };
    return {
      q: { _id: user, ...withoutItems([share]) },
      u: [{ $set: create }, ...pipelineFor([share], pipelineOf([share]))],
      upsert: true,
    };
  }

  /** A plain command: the driver's retryable writes cost a session record per statement and do not support `multi`. */
  async function update(shares: Share[], pipeline: Pipeline, updates: Document[], session?: ClientSession) {
    if (shares.length === 0) return { n: 0, errors: [], failed: undefined };
    const variables = variablesOf(shares, pipeline);
    const command = { update: "users", updates, let: variables, ordered: false };
    const reply = await (session
      ? db.command(command, { session })
      : db.command({ ...command, writeConcern, ...(transact && { maxTimeMS: soonMs }) }));
    if (reply.writeConcernError) throw new MongoServerError(reply.writeConcernError);
    const errors: WriteError[] = reply.writeErrors ?? [];
    const passing = errors.find((one) => unavailableCodes.has(one.code));
    if (passing) throw new MongoServerError({ message: passing.errmsg, code: passing.code });
    return { n: reply.n as number, errors, failed: errors[0] };
  }

  async function notStored(shares: Share[]): Promise<Share[]> {
    const found = await usersOf(db)
      .find({ _id: idsOf(shares) }, { projection: { "notifications.id": 1, "removedNotifications.id": 1 } })
      .toArray();
    const stored = new Map(
      found.map((one) => [
        wireUserId(one._id),
        new Set([...itemIds(one.notifications), ...itemIds(one.removedNotifications)]),
      ]),
    );
    return shares.filter(({ user, items }) => {
      const ids = stored.get(wireUserId(user));
      const newest = items.at(-1);
      // A share is applied whole or not at all, and its newest item is trimmed last.
      return !ids || (newest !== undefined && !ids.has(newest.item.id));
    });
  }
}

/**
 * Waits until the data just read is stored by the majority, by an update that changes nothing. The write itself did
 * not wait for the majority, because `maxTimeMS` ended it.
 */
export async function confirm(db: Db, patienceMs: number): Promise<void> {
  const updates = [{ q: { _id: { $in: [] } }, u: { $unset: { rev: 1 } } }];
  const wtimeout = Math.max(1, patienceMs);
  await db.command({ update: "users", updates, writeConcern: { w: "majority", wtimeout } });
}

function throwIf(failed: WriteError | undefined): void {
  if (failed) throw new MongoServerError({ message: failed.errmsg, code: failed.code });
}

/** The document belongs to the product team, and the field may not be an array. */
const itemIds = (array: unknown): unknown[] => (Array.isArray(array) ? array.map((item) => item?.id) : []);
