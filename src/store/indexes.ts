import type { Db, IndexDescription } from "mongodb";

/** Bytes of captured messages that are kept; the oldest make room. */
const capturedBytes = 64 * 1024 * 1024;

/**
 * Every index, with the query it serves. `users` needs none: each query names the `_id`.
 * Both delivery indexes are partial, so a finished delivery costs no index entry.
 */
const indexes: Record<string, Array<IndexDescription & { name: string; serves: string }>> = {
  deliveries: [
    {
      name: "due",
      serves: "the worker's claim and its next wake-up: pending, earliest due first",
      key: { channel: 1, due: 1 },
      partialFilterExpression: { state: "pending" },
    },
    {
      name: "lease",
      serves: "the sweeper: sending, lease run out",
      key: { channel: 1, "lease.until": 1 },
      partialFilterExpression: { state: "sending" },
    },
  ],
};

/** Makes collections and indexes that are missing. Safe to run on several instances at once. */
export async function prepareCollections(db: Db): Promise<void> {
  const existing = new Set(
    (await db.listCollections({}, { nameOnly: true }).toArray()).map((one) => one.name),
  );
  if (!existing.has("captured")) {
    await db.createCollection("captured", { capped: true, size: capturedBytes }).catch(ignoreExisting);
  }
  for (const name of ["users", "deliveries"]) {
    // A transaction that creates a collection conflicts with the next one that does.
    if (!existing.has(name)) await db.createCollection(name).catch(ignoreExisting);
  }
  for (const [name, list] of Object.entries(indexes)) {
    await db.collection(name).createIndexes(list.map(({ serves: _, ...index }) => index));
  }
}

function ignoreExisting(error: { code?: unknown }): void {
  const namespaceExists = 48;
  if (error.code !== namespaceExists) throw error;
}
