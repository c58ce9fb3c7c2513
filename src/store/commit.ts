import { setTimeout as pause } from "node:timers/promises";
import type { ClientSession, MongoClient } from "mongodb";
import { MongoError } from "mongodb";
import type { PlannedNotification } from "../model/notification.ts";
import { type AppendOptions, type CommitResults, createAppender } from "./append.ts";
import { deliveriesOf, newDelivery } from "./deliveries.ts";
import { isRefusal, storeError, writeConflict } from "./failures.ts";

export interface CommitOptions extends Omit<AppendOptions, "patienceMs"> {
  client: MongoClient;
  transactions: boolean;
}

export type Lease = { token: string; until: number } | undefined;

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

  return async function commit(batch: PlannedNotification[], lease: Lease): Promise<CommitResults> {
    try {
      if (!batch.some((one) => one.deliveries.length > 0)) return await inboxes.alone(batch);
      if (transactions) return await commitTogether(batch, lease);
      // A mail without a record is better than a record without its mail.
      await deliveriesOf(db).insertMany(deliveryDocuments(batch, lease));
      return await inboxes.alone(batch);
    } catch (error) {
      // When the database is away it is away for each of them; only a refusal can be one item's own.
      if (batch.length === 1 || !isRefusal(error)) return batch.map(() => storeError(error));
      const alone: CommitResults = [];
      for (const one of batch) alone.push(...(await commit([one], lease)));
      return alone;
    }
  };

  /**
   * The loop of the driver's `withTransaction`, which would go on for 120 s whatever its options say: the whole again
   * after a write conflict or a lost primary, the commit alone again while nobody knows whether it was applied.
   */
  async function commitTogether(batch: PlannedNotification[], lease: Lease): Promise<CommitResults> {
    const deadline = now() + patienceMs;
    const mayRepeat = (error: unknown, label: string) =>
      error instanceof MongoError &&
      (error.hasErrorLabel(label) || error.code === writeConflict) &&
      now() < deadline;
    await client.withSession(async (session) => {
      for (let round = 0; ; round++) {
        try {
          session.startTransaction();
          await deliveriesOf(db).insertMany(deliveryDocuments(batch, lease), { session });
          await inboxes.within(session, batch);
          await commitKnown(session);
          return;
        } catch (error) {
          if (session.inTransaction()) await session.abortTransaction();
          if (!mayRepeat(error, "TransientTransactionError")) throw error;
          await pause(Math.random() * Math.min(5 * 1.5 ** round, 500));
        }
      }
    });
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

  function deliveryDocuments(batch: PlannedNotification[], lease: Lease) {
    const at = new Date(now());
    return batch.flatMap((one) =>
      one.deliveries.map((delivery) =>
        newDelivery(delivery, { notification: one.id, user: one.user }, at, lease),
      ),
    );
  }
}
