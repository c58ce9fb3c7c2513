import type { MongoClient } from "mongodb";
import { appName } from "./connect.ts";

/** A live process leaves milliseconds between two statements of a transaction; one that is starved may leave a second. */
const silentMicros = 3_000_000;
/** One look serves all who wait. */
const betweenMs = 1_000;

/**
 * Looks for transactions that their process has left open, and ends them. Never rejects.
 *
 * A process killed inside a transaction leaves its users locked until the server's `transactionLifetimeLimitSeconds`
 * (60 s), and nothing can be stored for them meanwhile. Ending one that is alive after all does no harm: its holder gets
 * `TransientTransactionError` and begins again. This needs no privilege: without `allUsers` only our own user's sessions
 * are seen.
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
