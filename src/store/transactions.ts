import { setTimeout as pause } from "node:timers/promises";
import { type ClientSession, type MongoClient, MongoError, type TransactionOptions } from "mongodb";
import { createBatcher } from "../lib/batcher.ts";
import { BelfryError } from "../model/errors.ts";
import { interrupted, writeConflict } from "./failures.ts";

/** What a transaction does about what is in its way. */
export interface Effort {
  /** Until when it begins again after a write conflict, in Unix milliseconds. */
  conflicts: number;
  /** Until when it does so after anything else that passes. */
  deadline: number;
  /** What each round waits for; without it none waits. */
  turns?: Turns;
}

export type Turns = <Result>(round: () => Promise<Result>) => Promise<Result>;

/** `slot`: a number that no other one under way has: two that count in the same document would conflict. */
type Work = (session: ClientSession, slot: number) => Promise<void>;

/** Set here and not left to the client, which may be a caller's own: a 2xx must survive a lost primary. */
const transactionOptions: TransactionOptions = {
  writeConcern: { w: "majority", wtimeoutMS: 10_000 },
  readConcern: { level: "local" },
  readPreference: "primary",
};

/**
 * The loop of the driver's `withTransaction`, which would go on for 120 s whatever its options say: the whole again
 * after a write conflict or a lost primary, the commit alone again while nobody knows whether it was applied.
 */
export function createTransactions({ client, now }: { client: MongoClient; now: () => number }) {
  const slots = new Set<number>();

  return async function inTransaction(
    work: Work,
    { conflicts, deadline, turns = atOnce }: Effort,
  ): Promise<void> {
    const mayRepeat = (error: unknown, label: string) =>
      error instanceof MongoError &&
      (error.hasErrorLabel(label) || isConflict(error) || error.code === interrupted) &&
      now() < (isConflict(error) ? conflicts : deadline);
    await client.withSession(async (session) => {
      for (let round = 0; ; round++) {
        try {
          return await turns(() => once(session));
        } catch (error) {
          if (!mayRepeat(error, "TransientTransactionError")) throw error;
          await pause(Math.random() * Math.min(5 * 1.5 ** round, 500));
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
      for (;;) {
        try {
          return await session.commitTransaction();
        } catch (error) {
          if (!mayRepeat(error, "UnknownTransactionCommitResult")) throw error;
          await pause(50);
        }
      }
    }
  };
}

const atOnce: Turns = (round) => round();

/**
 * So many at a time, in the order in which they ask: a pool has 20 connections, and everything else needs some. Rejects
 * with `overloaded` what would wait behind `maxWaiting`.
 */
export function createTurns(inFlight = 4, maxWaiting = Number.POSITIVE_INFINITY): Turns {
  const rounds = createBatcher<() => Promise<unknown>, unknown>({
    run: ([round]) => Promise.all([round?.()]),
    maxItems: 1,
    maxWaiting,
    whenFull: () => new BelfryError("overloaded"),
    inFlight,
  });
  return rounds.submit as Turns;
}

export const isConflict = (error: unknown): boolean =>
  error instanceof MongoError && error.code === writeConflict;
