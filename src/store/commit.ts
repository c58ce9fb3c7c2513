import type { ClientSession, Document, MongoClient } from "mongodb";
import { MongoServerError } from "mongodb";
import { createSemaphore } from "../lib/semaphore.ts";
import {
  AlreadyStored,
  type Channel,
  Contended,
  isTakenAtOnce,
  type PlannedNotification,
} from "../model/notification.ts";
import {
  type AppendOptions,
  type CommitResults,
  createAppender,
  type FirstStatement,
  soonMs,
} from "./append.ts";
import { deliveriesOf, newDelivery, storedAmong } from "./deliveries.ts";
import { duplicateKey, isPassing, storeError } from "./failures.ts";
import { usersOf } from "./inbox.ts";
import { bucketsOf, type Tally } from "./tally.ts";
import { createTransactions, isConflict, type RetryBudget } from "./transactions.ts";

export interface CommitOptions extends Omit<AppendOptions, "patienceMs" | "transact"> {
  client: MongoClient;
  transactions: boolean;
  /** Called with the number of open transactions of dead processes that were ended. */
  onAbandoned?: ((ended: number) => void) | undefined;
  /** The time of what is stored; `now` when absent. `now` limits how long a commit may take. */
  storedAt?: () => number;
  /** Counts what is accepted. */
  tally: Tally;
  /** Whether the server has the `bulkWrite` command: `prepareCollections` knows. */
  bulkWrites: boolean;
}

/** Leases for the channels whose deliveries this process claims as it stores them. */
export type Leases = ReadonlyMap<Channel, { token: string; until: number }>;

/**
 * A commit that MongoDB does not confirm in this time fails with 503. A request can also wait for the batch before
 * its own, and must be answered within 20 s.
 */
export const patienceMs = 8_000;

/**
 * How many transactions may search for locked users at once, and how many may wait for locks. The pool has 20
 * connections.
 */
const atOnce = 4;
/** After this time, every user not yet stored counts as locked. The slow path stores them soon, too. */
const searchMs = 500;
/** A batch whose transaction failed is divided into this many parts. A batch of 300 users takes two or three steps. */
const partsOfBatch = 16;
const noneStored: ReadonlySet<string> = new Set();

/**
 * Stores a batch: the inboxes of its users and its deliveries, in one transaction. A batch without deliveries needs
 * no transaction. One bad item never fails its neighbours.
 *
 * A user whom another transaction locks does not delay the others. After `soonMs`, that user's notifications return
 * as `Contended`. The caller commits them again apart from the others, with `waitForLock`: they are stored once the
 * lock is released, or fail with `database_unavailable`.
 */
export function createCommitter(options: CommitOptions) {
  const { db, transactions, now } = options;
  const inTransaction = createTransactions(options);
  const inboxes = createAppender({
    ...options,
    patienceMs,
    ...(transactions && {
      transact: (work) => inTransaction(work, { conflicts: 0, deadline: now() + patienceMs }),
    }),
  });
  const searching = createSemaphore(atOnce);
  const waiting = createSemaphore(atOnce);

  return async function commit(
    batch: PlannedNotification[],
    leases: Leases,
    waitForLock = false,
  ): Promise<CommitResults> {
    if (!transactions) return commitApart(batch, leases);
    const deadline = now() + patienceMs;
    if (waitForLock)
      return commitTogether(batch, leases, { conflicts: deadline, deadline, places: waiting }, true);
    if (batch.some((one) => one.deliveries.length > 0))
      return commitTogether(batch, leases, { conflicts: now() + soonMs, deadline }, false);
    try {
      const rest = await inboxes.tryAlone(batch);
      if (rest.length === 0) return batch.map(() => undefined);
      const results = await commitTogether(rest, leases, { conflicts: 0, deadline, places: searching }, true);
      const failed = new Map(rest.map((one, at) => [one, results[at]]));
      return batch.map((one) => failed.get(one));
    } catch (error) {
      return batch.map(() => storeError(error));
    }
  };

  async function commitApart(batch: PlannedNotification[], leases: Leases): Promise<CommitResults> {
    try {
      // A mail without an inbox item is better than an inbox item without its mail.
      const there = batch.some((one) => one.deliveries.length > 0) && (await areThere());
      const results = await inboxes.alone(batch);
      // The process that stored the deliveries also sends them. It may have ended before it stored the item.
      return there ? results.map((result) => result ?? new AlreadyStored()) : results;
    } catch (error) {
      if (batch.length === 1 || isPassing(error)) return batch.map((one) => failureOf(one, error));
      const alone: CommitResults = [];
      for (const one of batch) alone.push(...(await commitApart([one], leases)));
      return alone;
    }

    /** Stores the deliveries. True when the deliveries of a retried notification were already stored. */
    async function areThere(): Promise<boolean> {
      try {
        await insertDeliveries(options, batch, leases, 0);
      } catch (error) {
        if (batch.length > 1 || !isDelivered(error)) throw error;
        return batch[0]?.once === true;
      }
      return false;
    }
  }

  /**
   * Stores the batch in one transaction. If it fails, what is stored already is left out, or else the batch is divided by
   * users. The notifications of a single user are then stored one by one, in order. `repeated`: some items may already be
   * stored.
   */
  async function commitTogether(
    batch: PlannedNotification[],
    leases: Leases,
    budget: RetryBudget,
    repeated: boolean,
  ): Promise<CommitResults> {
    try {
      await inTransaction(async (session, slot) => {
        const deliver = (first?: FirstStatement) =>
          insertDeliveries(options, batch, leases, slot, session, first);
        const delivers = batch.some((one) => one.deliveries.length > 0);
        await inboxes.within(session, batch, repeated, delivers ? deliver : undefined);
      }, budget);
      return batch.map(() => undefined);
    } catch (error) {
      const contended = isConflict(error) && budget.conflicts < budget.deadline;
      const users = [...new Set(batch.map((one) => one.user))];
      const late = now() > budget.deadline - patienceMs + searchMs;
      if (contended && (late || users.length === 1)) return batch.map(() => new Contended());
      if (!contended && (batch.length === 1 || isPassing(error)))
        return batch.map((one) => failureOf(one, error));
      const next = budget.places ? budget : { ...budget, conflicts: 0, places: searching };
      const settled = new Map<PlannedNotification, undefined | Error>();
      const store = async (part: PlannedNotification[]) => {
        const results = await commitTogether(part, leases, next, true);
        for (const [at, one] of part.entries()) settled.set(one, results[at]);
      };
      const there = batch.length > 1 && isDelivered(error) ? await storedAmong(db, batch) : noneStored;
      if (there.size > 0) {
        for (const one of batch) if (there.has(one.id)) settled.set(one, failureOf(one, error));
        const rest = batch.filter((one) => !settled.has(one));
        if (rest.length > 0) await store(rest);
      } else if (users.length > 1) {
        const partOf = new Map(users.map((user, at) => [user, at % partsOfBatch]));
        const parts = Array.from({ length: Math.min(partsOfBatch, users.length) }, (_, part) =>
          batch.filter((one) => partOf.get(one.user) === part),
        );
        await Promise.all(parts.map(store));
      } else {
        for (const one of batch) {
          // Keeps the user's order: later notifications wait behind one that waits for the lock.
          if ([...settled.values()].some((result) => result instanceof Contended))
            settled.set(one, new Contended());
          else await store([one]);
        }
      }
      return batch.map((one) => settled.get(one));
    }
  }
}

const failureOf = ({ once }: PlannedNotification, error: unknown): Error =>
  once && isDelivered(error) ? new AlreadyStored() : storeError(error);

/**
 * A delivery is already stored: a duplicate in index `once`, or the same id when a standalone server stored part of
 * the batch.
 */
const isDelivered = (error: unknown): boolean =>
  error instanceof MongoServerError &&
  error.code === duplicateKey &&
  (error.keyPattern?.notification === 1 || error.keyPattern?._id === 1);

/**
 * Stores the deliveries and counts them in the ledger, so that each can be checked against the other. One command
 * does both where the server supports it, and appends to the inboxes, too (`inbox`): then it returns the number of users
 * reached. As a separate round trip, the count cost 12 to 15 % of the creates (32 clients). The driver's own
 * `client.bulkWrite` costs 40 % more processor time (decision 012).
 */
export async function insertDeliveries(
  options: Pick<CommitOptions, "db" | "now" | "storedAt" | "tally" | "bulkWrites">,
  batch: PlannedNotification[],
  leases: Leases,
  slot: number,
  session?: ClientSession,
  inbox?: FirstStatement,
): Promise<number | undefined> {
  const { db, storedAt = options.now } = options;
  const at = new Date(storedAt());
  const documents = batch.flatMap(({ id: notification, user, deliveries }) =>
    deliveries.map((one) =>
      newDelivery(one, { notification, user }, at, isTakenAtOnce(one) ? leases.get(one.channel) : undefined),
    ),
  );
  const { filter, update } = options.tally(documents, at, slot);
  if (!session || !options.bulkWrites) {
    // As a command: the driver's `insertMany` drops the `keyPattern` of an error.
    const insert = { insert: deliveriesOf(db).collectionName, documents };
    const { writeErrors } = session
      ? await db.command(insert, { session })
      : await db.command({ ...insert, writeConcern: { w: "majority", wtimeout: patienceMs } });
    if (writeErrors) throw writeError(writeErrors[0]);
    await bucketsOf(db).updateOne(filter, update, { upsert: true, ...(session && { session }) });
    return undefined;
  }
  const { nMatched, nUpserted, cursor } = await db.admin().command(
    {
      bulkWrite: 1,
      ops: [
        ...documents.map((document) => ({ insert: 0, document })),
        { update: 1, filter, updateMods: update, upsert: true },
        ...(inbox ? [{ update: 2, filter: inbox.q, updateMods: inbox.u, multi: true }] : []),
      ],
      nsInfo: [
        { ns: deliveriesOf(db).namespace },
        { ns: bucketsOf(db).namespace },
        ...(inbox ? [{ ns: usersOf(db).namespace }] : []),
      ],
      ...(inbox && { let: inbox.variables }),
      errorsOnly: true,
    },
    { session },
  );
  const [failed] = cursor.firstBatch;
  if (failed) throw writeError(failed);
  // The count is one of them.
  return inbox && nMatched + nUpserted - 1;
}

const writeError = ({ errmsg, code, keyPattern }: Document): MongoServerError =>
  new MongoServerError({ message: errmsg, code, keyPattern });
