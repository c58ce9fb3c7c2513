import type { ClientSession, Document, MongoClient } from "mongodb";
import { MongoError, MongoServerError } from "mongodb";
import { AlreadyStored, type Channel, type PlannedNotification, Unsettled } from "../model/notification.ts";
import { type AppendOptions, type CommitResults, createAppender, soonMs } from "./append.ts";
import { deliveriesOf, newDelivery } from "./deliveries.ts";
import { duplicateKey, isRefusal, storeError } from "./failures.ts";
import { bucketsOf, type Tally } from "./tally.ts";
import { createTransactions, createTurns, type Effort, isConflict } from "./transactions.ts";

export interface CommitOptions extends Omit<AppendOptions, "patienceMs" | "transact"> {
  client: MongoClient;
  transactions: boolean;
  /** Counts what is accepted. */
  tally: Tally;
  /** Whether the server has the `bulkWrite` command: `prepareCollections` knows. */
  bulkWrites: boolean;
}

/** The channels whose deliveries this process holds from the start. */
export type Leases = ReadonlyMap<Channel, { token: string; until: number }>;

/**
 * A commit that MongoDB has not confirmed by then is answered with 503. A request can wait for the batch before its own
 * as well, and must be answered within 20 s.
 */
export const patienceMs = 8_000;

/** When it has taken so long to find who is locked, all in doubt are taken for locked: alone they are stored soon, too. */
const searchMs = 500;

/**
 * Stores a batch: the inboxes of its users, and its deliveries, in one transaction. A batch without deliveries needs no
 * transaction. One bad item never fails its neighbours.
 *
 * Nor does a user whom another's open transaction has locked hold them up: what is that user's comes back `Unsettled`,
 * soon. Asked for again alone and `patient`, it is stored once the lock is gone, or ends as `database_unavailable`.
 */
export function createCommitter(options: CommitOptions) {
  const { transactions, now } = options;
  const inTransaction = createTransactions(options);
  const inboxes = createAppender({
    ...options,
    patienceMs,
    ...(transactions && {
      transact: (work) => inTransaction(work, { conflicts: 0, deadline: now() + patienceMs }),
    }),
  });
  const searching = createTurns();
  const waiting = createTurns();

  return async function commit(
    batch: PlannedNotification[],
    leases: Leases,
    patient = false,
  ): Promise<CommitResults> {
    if (!transactions) return commitApart(batch, leases);
    const deadline = now() + patienceMs;
    const failed = new Map<PlannedNotification, Error>();
    if (patient)
      await commitTogether(batch, leases, { conflicts: deadline, deadline, turns: waiting }, failed);
    else if (batch.some((one) => one.deliveries.length > 0))
      await commitTogether(batch, leases, { conflicts: now() + soonMs, deadline }, failed);
    else {
      const results = await inboxes.alone(batch).catch((error) => batch.map(() => storeError(error)));
      const rest = batch.filter((_, at) => results[at] instanceof Unsettled);
      if (rest.length === 0) return results;
      await commitTogether(rest, leases, { conflicts: 0, deadline, turns: searching }, failed);
    }
    return batch.map((one) => failed.get(one));
  };

  async function commitApart(batch: PlannedNotification[], leases: Leases): Promise<CommitResults> {
    try {
      // A mail without a record is better than a record without its mail.
      const there = batch.some((one) => one.deliveries.length > 0) && (await areThere());
      const results = await inboxes.alone(batch);
      // Whoever stored its deliveries sends them, and may have ended before the item.
      return there ? results.map((result) => result ?? new AlreadyStored()) : results;
    } catch (error) {
      if (batch.length === 1 || isPassing(error)) return batch.map((one) => failureOf(one, error));
      const alone: CommitResults = [];
      for (const one of batch) alone.push(...(await commitApart([one], leases)));
      return alone;
    }

    /** Stores the deliveries. Of one that may have been stored before: whether they were. */
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
   * What cannot be stored is looked for by quarters of the users, side by side, then by halves of one user's notifications,
   * in their order.
   */
  async function commitTogether(
    batch: PlannedNotification[],
    leases: Leases,
    effort: Effort,
    failed: Map<PlannedNotification, Error>,
  ): Promise<void> {
    try {
      await inTransaction(async (session, slot) => {
        if (batch.some((one) => one.deliveries.length > 0))
          await insertDeliveries(options, batch, leases, slot, session);
        // Only before the first try has nothing of it been tried.
        await inboxes.within(session, batch, effort.turns !== undefined);
      }, effort);
    } catch (error) {
      const isLocked = isConflict(error) && effort.conflicts < effort.deadline;
      const users = [...new Set(batch.map((one) => one.user))];
      const isLate = now() > effort.deadline - patienceMs + searchMs;
      if (isLocked ? users.length === 1 || isLate : batch.length === 1 || isPassing(error)) {
        for (const one of batch) failed.set(one, isLocked ? new Unsettled() : failureOf(one, error));
        return;
      }
      const next = effort.turns ? effort : { ...effort, conflicts: 0, turns: searching };
      if (users.length > 1) {
        const parts = Array.from({ length: Math.min(4, users.length) }, (_, nth) => {
          const some = new Set(users.filter((_user, at) => at % 4 === nth));
          return batch.filter((one) => some.has(one.user));
        });
        await Promise.all(parts.map((part) => commitTogether(part, leases, next, failed)));
        return;
      }
      const rest = batch.slice(batch.length / 2);
      await commitTogether(batch.slice(0, -rest.length), leases, next, failed);
      if (!batch.some((one) => failed.get(one) instanceof Unsettled))
        await commitTogether(rest, leases, next, failed);
      else for (const one of rest) failed.set(one, new Unsettled());
    }
  }
}

/** When the database is away it is away for all of a batch; a refusal, or a command too large to be sent, is not. */
const isPassing = (error: unknown): boolean => error instanceof MongoError && !isRefusal(error);

const failureOf = ({ once }: PlannedNotification, error: unknown): Error =>
  once && isDelivered(error) ? new AlreadyStored() : storeError(error);

/** A delivery is stored already: index `once`, or the same id when a standalone server stored a part of the batch. */
const isDelivered = (error: unknown): boolean =>
  error instanceof MongoServerError &&
  error.code === duplicateKey &&
  (error.keyPattern?.notification === 1 || error.keyPattern?._id === 1);

/**
 * The deliveries and their number, apart from them, so that the books can be checked against each other. In one command
 * where the server has it: as a round trip of its own the count took 12 to 15 % of the creates (32 clients); so it takes
 * nothing that stands out of the noise.
 */
export async function insertDeliveries(
  options: Pick<CommitOptions, "db" | "now" | "tally" | "bulkWrites">,
  batch: PlannedNotification[],
  leases: Leases,
  slot: number,
  session?: ClientSession,
): Promise<void> {
  const { db } = options;
  const at = new Date(options.now());
  const documents = batch.flatMap(({ id: notification, user, deliveries }) =>
    deliveries.map((one) => newDelivery(one, { notification, user }, at, leases.get(one.channel))),
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
    return;
  }
  const reply = await db.admin().command(
    {
      bulkWrite: 1,
      ops: [
        ...documents.map((document) => ({ insert: 0, document })),
        { update: 1, filter, updateMods: update, upsert: true },
      ],
      nsInfo: [{ ns: deliveriesOf(db).namespace }, { ns: bucketsOf(db).namespace }],
      errorsOnly: true,
    },
    { session },
  );
  const [failed] = reply.cursor.firstBatch;
  if (failed) throw writeError(failed);
}

const writeError = ({ errmsg, code, keyPattern }: Document): MongoServerError =>
  new MongoServerError({ message: errmsg, code, keyPattern });
