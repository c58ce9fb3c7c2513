import { type ClientSession, MongoError, MongoServerError } from "mongodb";
import { withTimeLimit } from "../lib/time-limit.ts";
import type { PlannedNotification } from "../model/notification.ts";
import { createAppender } from "./append.ts";
import { type CommitOptions, insertDeliveries, patienceMs } from "./commit.ts";
import { isRefusal, storeError } from "./failures.ts";

/**
 * Stores notifications as a part of a transaction that is somebody else's: they exist if and only if it commits. Their
 * deliveries are `pending`, for any worker.
 *
 * Nothing is repeated here, and what fails is thrown as the driver throws it: with the label `TransientTransactionError`
 * the owner's `withTransaction` does the whole again. Only a document that can take no notification is
 * `user_document_conflict`.
 */
export function createJoiner(options: Omit<CommitOptions, "transactions" | "client">) {
  const inboxes = createAppender({ ...options, patienceMs });
  const slots = new Map<ClientSession, number>();

  return async function join(session: ClientSession, batch: PlannedNotification[]): Promise<void> {
    if (batch.some((one) => one.deliveries.length > 0))
      await insertDeliveries(options, batch, new Map(), slotOf(session), session);
    try {
      await inboxes.within(session, batch);
    } catch (error) {
      throw isRefusal(error) && isOfDocument(error) ? storeError(error) : error;
    }
  };

  /**
   * Two transactions that count in the same document would conflict: each under way has a number of its own. When it
   * ends nobody tells us, so those that have ended are looked for when the next one begins.
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

/** It is one document's: what refuses the whole command (no rights, a session used for two things at once) has `ok`. */
const isOfDocument = (error: unknown): boolean =>
  error instanceof MongoServerError && error.errorResponse.ok === undefined;

/** To make an index may need what the transaction locks, so it is not waited longer for the collections. */
const preparationMs = 1_000;

/** A transaction of the caller's may hold what the preparation waits for: then it has to let go, and be done again. */
export function inTime<T>(opened: Promise<T>): Promise<T> {
  return withTimeLimit(preparationMs, opened, () => {
    const error = new MongoError(
      "Belfry is creating its collections and indexes, which may wait for this transaction. Retry the transaction, or await ready() before it begins.",
    );
    error.addErrorLabel("TransientTransactionError");
    return error;
  });
}
