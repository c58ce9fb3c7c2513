import { type ClientSession, type MongoClient, MongoError, type TransactionOptions } from "mongodb";
import { backoffMs, pause } from "../lib/backoff.ts";
import type { Semaphore } from "../lib/semaphore.ts";
import { createAbandonedCheck } from "./abandoned.ts";
import { interrupted, isSocketError, writeConflict } from "./failures.ts";

/** How long a transaction is retried. */
export interface RetryBudget {
  /** Retries after a write conflict until then, in Unix milliseconds. */
  conflicts: number;
  /** Retries after any other transient error until then. */
  deadline: number;
  /** Each try takes a place. A pause between two tries takes neither a place nor a connection. */
  places?: Semaphore;
}

/** `slot`: a number that no other open transaction has. Two that count in the same document would conflict. */
type Work = (session: ClientSession, slot: number) => Promise<void>;

/** Set here and not left to the client, which may be the caller's own: a 2xx must survive a lost primary. */
const transactionOptions: TransactionOptions = {
  writeConcern: { w: "majority", wtimeoutMS: 10_000 },
  readConcern: { level: "local" },
  readPreference: "primary",
};

/** Conflicts between live processes last for milliseconds. */
const longConflictMs = 1_000;

/**
 * Retries as the driver's `withTransaction` does, which would go on for 120 s whatever its options. After a write
 * conflict or a lost primary it runs the whole transaction again. When the commit's result is unknown it repeats only
 * the commit. A long conflict may come from a dead process's transaction, so it looks for those and ends them.
 */
export function createTransactions(options: {
  client: MongoClient;
  now: () => number;
  onAbandoned?: ((ended: number) => void) | undefined;
}) {
  const { client, now } = options;
  const slots = new Set<number>();
  const endAbandoned = createAbandonedCheck(options);

  return async function inTransaction(
    work: Work,
    { conflicts, deadline, places }: RetryBudget,
  ): Promise<void> {
    const begun = now();
    const mayRepeat = (error: unknown, label: string) =>
      (isSocketError(error) ||
        (error instanceof MongoError &&
          (error.hasErrorLabel(label) || isConflict(error) || error.code === interrupted))) &&
      now() < (isConflict(error) ? conflicts : deadline);
    await client.withSession(async (session) => {
      for (let failures = 1; ; failures++) {
        try {
          return await (places ? places.run(() => once(session)) : once(session));
        } catch (error) {
          if (!mayRepeat(error, "TransientTransactionError")) throw error;
          if (isConflict(error) && now() - begun > longConflictMs) await endAbandoned();
          await pause(backoffMs(failures, 5, 400));
        }
      }
    });

    async function once(session: ClientSession): Promise<void> {
      let slot = 0;
      while (slots.has(slot)) slot++;
      slots.add(slot);
      try {
        session.startTransaction(transactionOptions);
        await work(session, slot);
        await commitKnown(session);
      } catch (error) {
        if (session.inTransaction()) await session.abortTransaction();
        throw error;
      } finally {
        slots.delete(slot);
      }
    }

    async function commitKnown(session: ClientSession): Promise<void> {
      for (let failures = 1; ; failures++) {
        try {
          return await session.commitTransaction();
        } catch (error) {
          if (!mayRepeat(error, "UnknownTransactionCommitResult")) throw error;
          await pause(backoffMs(failures, 50, 400));
        }
      }
    }
  };
}

export const isConflict = (error: unknown): boolean =>
  error instanceof MongoError && error.code === writeConflict;
