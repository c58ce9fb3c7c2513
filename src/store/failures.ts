import { MongoError, MongoServerError } from "mongodb";
import { BelfryError } from "../model/errors.ts";

export const writeConflict = 112;
export const duplicateKey = 11000;
/** Our session was killed, because the check for abandoned transactions took it for one. */
export const interrupted = 11601;

/**
 * The statement is valid and can be retried: HostUnreachable, HostNotFound, MaxTimeMSExpired, WriteConcernTimeout,
 * NetworkTimeout, ShutdownInProgress, WriteConflict, PrimarySteppedDown, ExceededTimeLimit, SocketException,
 * NotWritablePrimary, InterruptedAtShutdown, Interrupted (a killed session), InterruptedDueToReplStateChange, and the
 * two NotPrimary… of secondaries.
 */
export const unavailableCodes = new Set([
  6,
  7,
  50,
  64,
  89,
  91,
  writeConflict,
  189,
  262,
  9001,
  10107,
  11600,
  interrupted,
  11602,
  13435,
  13436,
]);

/** Whether the server rejected the statement itself, so that a retry cannot help. */
export function isRefusal(error: unknown): boolean {
  return (
    error instanceof MongoServerError &&
    !(typeof error.code === "number" && unavailableCodes.has(error.code)) &&
    !error.hasErrorLabel("TransientTransactionError") &&
    !error.hasErrorLabel("UnknownTransactionCommitResult") &&
    !error.hasErrorLabel("RetryableWriteError")
  );
}

export const unauthorized = 13;

/** The error that a caller gets for a failed commit. Missing write privileges are our problem, not the document's. */
export function storeError(error: unknown): BelfryError {
  if (error instanceof MongoServerError && error.code === unauthorized)
    return new BelfryError("internal", undefined, [], error);
  const code = isRefusal(error) ? "user_document_conflict" : "database_unavailable";
  return new BelfryError(code, undefined, [], error);
}

export const maxTimeExpired = 50;

/**
 * Runs a query. When MongoDB does not answer, rejects with `database_unavailable`, and the caller may repeat it. A
 * refused query is a defect and is thrown as it is.
 */
export async function orUnavailable<Found>(query: () => Promise<Found>): Promise<Found> {
  try {
    return await query();
  } catch (error) {
    if (!(error instanceof MongoError) || isRefusal(error)) throw error;
    const says =
      error.code === maxTimeExpired
        ? "The search took too long. Limit it, for example with from and to."
        : undefined;
    throw new BelfryError("database_unavailable", says, [], error);
  }
}
