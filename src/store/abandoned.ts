import type { MongoClient } from "mongodb";
import { appName } from "./connect.ts";

/** A live process leaves milliseconds between two statements of a transaction; one that is starved may leave a second. */
const silentMicros = 3_000_000;

/**
 * Ends transactions that their process has left open; how many.
 *
 * A process killed inside a transaction leaves its users locked until the server's `transactionLifetimeLimitSeconds`
 * (60 s), and nothing can be stored for them meanwhile. Ending one that is alive after all does no harm: its holder is
 * told `TransientTransactionError` and does it again. Needs no privilege: without `allUsers` only our own user's
 * sessions are seen.
 */
export async function endAbandonedTransactions(client: MongoClient): Promise<number> {
  const admin = client.db("admin");
  const abandoned = await admin
    .aggregate([
      { $currentOp: { allUsers: false, idleSessions: true } },
      {
        $match: { type: "idleSession", appName, "transaction.timeInactiveMicros": { $gt: silentMicros } },
      },
      { $project: { "lsid.id": 1 } },
    ])
    .toArray();
  if (abandoned.length > 0) await admin.command({ killSessions: abandoned.map(({ lsid }) => lsid) });
  return abandoned.length;
}
