import { type ClientSession, MongoError, MongoServerError } from "mongodb";
import { withTimeLimit } from "../lib/time-limit.ts";
import type { PlannedNotification } from "../model/notification.ts";
import { createAppender } from "./append.ts";
import { type CommitOptions, insertDeliveries, patienceMs } from "./commit.ts";
import { isRefusal, storeError } from "./failures.ts";

/**
 * Stores notifications in the caller's transaction: they exist if and only if it commits. Their deliveries are
 * `pending`, for any worker.
 *
 * Nothing is retried here, and the driver's errors are thrown as they are: on the label `TransientTransactionError`
 * the caller's `withTransaction` runs again. Only a document that cannot take a notification is
 * `user_document_conflict`.
 */
export function createJoiner(
  options: Omit<CommitOptions, "transactions" | "client"> & { tellChanged: (users: string[]) => void },
) {
  const inboxes = createAppender({ ...options, patienceMs });
  const slots = new Map<ClientSession, number>();
  const telling = new WeakMap<ClientSession, Set<string>>();

  return async function join(session: ClientSession, batch: PlannedNotification[]): Promise<void> {
    if (batch.some((one) => one.deliveries.length > 0))
      await insertDeliveries(options, batch, new Map(), slotOf(session), session);
    try {
      await inboxes.within(session, batch);
      tellAtEnd(session, batch);
    } catch (error) {
      throw isRefusal(error) && isOfDocument(error) ? storeError(error) : error;
    }
  };

  /**
   * No event tells when a transaction ends. `withTransaction` is mostly followed by the session's end; while a session is
   * kept open, the other instances find the change by comparison.
   */
  function tellAtEnd(session: ClientSession, batch: PlannedNotification[]): void {
    const known = telling.get(session);
    const users = known ?? new Set();
    for (const { user } of batch) users.add(user);
    if (known) return;
    telling.set(session, users);
    session.once("ended", () => options.tellChanged([...users]));
  }

  /**
   * Two transactions that count in the same document would conflict, so each open one has its own number. No event
   * tells when a transaction ends, so the next call removes those that have ended.
   */
  function slotOf(session: ClientSession): number {
    for (const one of slots.keys()) if (one !== session && !one.inTransaction()) slots.delete(one);
    const taken = new Set(slots.values());
    let slot = slots.get(session) ?? 0;
    if (!slots.has(session)) while (taken.has(slot)) slot++;
    slots.set(session, slot);
    return slot;
  }
}

/**
 * Whether the error is about one document. An error about the whole command (no privilege, a session used by two
 * operations at once) has `ok`.
 */
const isOfDocument = (error: unknown): boolean =>
  error instanceof MongoServerError && error.errorResponse.ok === undefined;

/** Creating an index may need a lock that the caller's transaction has, so the wait for the collections is short. */
const preparationMs = 1_000;

/** The caller's transaction may lock what the preparation waits for. Then it must abort and run again. */
export function inTime<T>(opened: Promise<T>): Promise<T> {
  return withTimeLimit(preparationMs, opened, () => {
    const error = new MongoError(
      "Belfry is creating its collections and indexes, which may wait for this transaction. Retry the transaction, or await ready() before it begins.",
    );
    error.addErrorLabel("TransientTransactionError");
    return error;
  });
}
