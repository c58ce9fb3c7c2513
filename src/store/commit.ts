import { setTimeout as pause } from "node:timers/promises";
import type { ClientSession, MongoClient } from "mongodb";
import { MongoError, MongoServerError } from "mongodb";
import type { Channel, PlannedNotification } from "../model/notification.ts";
import { type AppendOptions, type CommitResults, createAppender } from "./append.ts";
import { deliveriesOf, newDelivery } from "./deliveries.ts";
import { interrupted, isRefusal, storeError, writeConflict } from "./failures.ts";
import { bucketsOf, type Tally } from "./tally.ts";

export interface CommitOptions extends Omit<AppendOptions, "patienceMs"> {
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
const patienceMs = 8_000;

/**
 * Stores a batch: the inboxes of its users, and its deliveries, in one transaction. A batch without deliveries needs no
 * transaction. One bad item never fails its neighbours.
 */
export function createCommitter(options: CommitOptions) {
  const { client, db, transactions, now } = options;
  const inboxes = createAppender({ ...options, patienceMs });
  const slots = new Set<number>();

  return async function commit(batch: PlannedNotification[], leases: Leases): Promise<CommitResults> {
    try {
      if (!batch.some((one) => one.deliveries.length > 0)) return await inboxes.alone(batch);
      if (transactions) return await commitTogether(batch, leases);
      // A mail without a record is better than a record without its mail.
      await insertDeliveries(batch, leases, 0);
      return await inboxes.alone(batch);
    } catch (error) {
      // When the database is away it is away for each of them; a refusal, or a command too large to be sent, is not.
      if (batch.length === 1 || (error instanceof MongoError && !isRefusal(error)))
        return batch.map(() => storeError(error));
      const alone: CommitResults = [];
      for (const one of batch) alone.push(...(await commit([one], leases)));
      return alone;
    }
  };

  /**
   * The loop of the driver's `withTransaction`, which would go on for 120 s whatever its options say: the whole again
   * after a write conflict or a lost primary, the commit alone again while nobody knows whether it was applied.
   */
  async function commitTogether(batch: PlannedNotification[], leases: Leases): Promise<CommitResults> {
    const deadline = now() + patienceMs;
    const mayRepeat = (error: unknown, label: string) =>
      error instanceof MongoError &&
      (error.hasErrorLabel(label) || error.code === writeConflict || error.code === interrupted) &&
      now() < deadline;
    const slot = takeSlot();
    await client
      .withSession(async (session) => {
        for (let round = 0; ; round++) {
          try {
            session.startTransaction();
            await insertDeliveries(batch, leases, slot, session);
            await inboxes.within(session, batch);
            await commitKnown(session);
            return;
          } catch (error) {
            if (session.inTransaction()) await session.abortTransaction();
            if (!mayRepeat(error, "TransientTransactionError")) throw error;
            await pause(Math.random() * Math.min(5 * 1.5 ** round, 500));
          }
        }
      })
      .finally(() => slots.delete(slot));
    return batch.map(() => undefined);

    async function commitKnown(session: ClientSession): Promise<void> {
      for (;;) {
        try {
          return await session.commitTransaction();
        } catch (error) {
          if (!mayRepeat(error, "UnknownTransactionCommitResult")) throw error;
          await pause(50);
        }
      }
    }
  }

  /**
   * The deliveries and their number, apart from them, so that the books can be checked against each other. In one command
   * where the server has it: as a round trip of its own the count took 12 to 15 % of the creates (32 clients); so it takes
   * nothing that stands out of the noise.
   */
  async function insertDeliveries(
    batch: PlannedNotification[],
    leases: Leases,
    slot: number,
    session?: ClientSession,
  ): Promise<void> {
    const at = new Date(now());
    const documents = batch.flatMap(({ id: notification, user, deliveries }) =>
      deliveries.map((one) => newDelivery(one, { notification, user }, at, leases.get(one.channel))),
    );
    const { filter, update } = options.tally(documents, at, slot);
    if (!session || !options.bulkWrites) {
      await deliveriesOf(db).insertMany(documents, session && { session });
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
    if (failed) throw new MongoServerError({ message: failed.errmsg, code: failed.code });
  }

  /** Two transactions that count in the same document would conflict: each under way has a number of its own. */
  function takeSlot(): number {
    let slot = 0;
    while (slots.has(slot)) slot++;
    slots.add(slot);
    return slot;
  }
}
