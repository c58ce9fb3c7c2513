import { MongoError, MongoServerError } from "mongodb";
import { BelfryError } from "../model/errors.ts";

export const writeConflict = 112;
export const duplicateKey = 11000;
/** Our session was killed, because the check for abandoned transactions took it for one. */
export const interrupted = 11601;

/**
 * The statement is valid and can be retried: these codes tell that a server, its connections or the place of a document are
 * changing, or that it has too much to do. MongoDB's `error_codes.yml` has most of them as network, interruption and
 * retriable errors. Through a router some come without a label that says so.
 */
export const unavailableCodes: ReadonlySet<number> = new Set([
  6, // HostUnreachable
  7, // HostNotFound
  24, // LockTimeout
  43, // CursorNotFound: the router that had it has ended
  50, // MaxTimeMSExpired
  64, // WriteConcernTimeout
  89, // NetworkTimeout
  90, // CallbackCanceled
  91, // ShutdownInProgress
  writeConflict,
  133, // FailedToSatisfyReadPreference: a shard has no primary
  134, // ReadConcernMajorityNotAvailableYet
  145, // PooledConnectionsDropped
  150, // StaleEpoch
  175, // QueryPlanKilled
  189, // PrimarySteppedDown
  202, // NetworkInterfaceExceededTimeLimit
  237, // CursorKilled
  249, // StaleDbVersion
  251, // NoSuchTransaction
  262, // ExceededTimeLimit
  272, // MigrationConflict
  279, // ClientDisconnect
  281, // TransactionCoordinatorSteppingDown
  282, // TransactionCoordinatorReachedAbortDecision
  290, // TransactionExceededLifetimeLimitSeconds
  355, // InterruptedDueToStorageChange
  365, // TemporarilyUnavailable
  402, // ResourceExhausted
  407, // PooledConnectionAcquisitionExceededTimeLimit
  433, // AdmissionQueueOverflow
  449, // RateLimitExceeded
  9001, // SocketException
  10107, // NotWritablePrimary
  11600, // InterruptedAtShutdown
  interrupted,
  11602, // InterruptedDueToReplStateChange
  13388, // StaleConfig
  13435, // NotPrimaryNoSecondaryOk
  13436, // NotPrimaryOrSecondary
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

/** Node's codes for a socket that its server has closed. */
const socketCodes: ReadonlySet<unknown> = new Set([
  "EPIPE",
  "ECONNRESET",
  "ECONNABORTED",
  "ETIMEDOUT",
  "EHOSTUNREACH",
]);

/**
 * Node's own error about a socket to MongoDB. The driver (7.8) passes it on as it is, and does not retry, when a command is
 * written between the end of a connection and its `close` event.
 */
export const isSocketError = (error: unknown): boolean =>
  error instanceof Error && socketCodes.has((error as NodeJS.ErrnoException).code);

/** The error comes from MongoDB or the way to it, and is not a defect of ours. */
export const isFromMongo = (error: unknown): boolean => error instanceof MongoError || isSocketError(error);

/** MongoDB could not do it now, whatever was asked. A refusal, or a command that is too large, is about what was asked. */
export const isPassing = (error: unknown): boolean => isFromMongo(error) && !isRefusal(error);

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
    if (!isPassing(error)) throw error;
    const says =
      (error as MongoError).code === maxTimeExpired
        ? "The search took too long. Limit it, for example with from and to."
        : undefined;
    throw new BelfryError("database_unavailable", says, [], error);
  }
}
