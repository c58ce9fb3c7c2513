import type { MongoClient } from "mongodb";
import { appName } from "./connect.ts";

/**
 * A live process pauses for milliseconds between two statements of a transaction, a starved one for perhaps a second.
 */
const silentMicros = 3_000_000;
/** One check serves all waiting commits. */
const betweenMs = 1_000;

/**
 * Finds transactions that a dead process left open, and ends them. Never rejects.
 *
 * A process killed inside a transaction leaves its users locked until the server's `transactionLifetimeLimitSeconds`
 * (60 s). Until then nothing can be stored for them. If the process is alive after all, ending its transaction does
 * no harm: it gets `TransientTransactionError` and retries. No privilege is needed: without `allUsers`, MongoDB lists
 * only the sessions of our own database user.
 */
export function createAbandonedCheck({
  client,
  now,
  onAbandoned,
}: {
  client: MongoClient;
  now: () => number;
  onAbandoned?: ((ended: number) => void) | undefined;
}): () => Promise<void> {
  const admin = client.db("admin");
  let next = 0;
  return async function endAbandoned() {
    if (now() < next) return;
    next = now() + betweenMs;
    const transaction = { "transaction.timeInactiveMicros": { $gt: silentMicros } };
    const abandoned = admin
      .aggregate([
        { $currentOp: { allUsers: false, idleSessions: true } },
        { $match: { type: "idleSession", appName, ...transaction } },
        { $project: { "lsid.id": 1 } },
      ])
      .toArray();
    const found = await abandoned.catch(() => []);
    if (found.length === 0) return;
    await admin.command({ killSessions: found.map(({ lsid }) => lsid) }).then(
      () => onAbandoned?.(found.length),
      () => {},
    );
  };
}
