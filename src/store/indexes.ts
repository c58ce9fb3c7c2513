import { type Db, type Document, type IndexDescription, MongoNetworkTimeoutError } from "mongodb";
import { DatabaseError } from "./connect.ts";
import { deliveriesOf } from "./deliveries.ts";
import { endedBadly } from "./delivery-query.ts";
import { duplicateKey } from "./failures.ts";
import { hintBytes } from "./hints.ts";
import { beginLedger } from "./tally.ts";

/** Bytes of captured messages to keep; the oldest are overwritten. */
const capturedBytes = 64 * 1024 * 1024;

/**
 * Every index, with the query it serves. A delivery's `_id` grows with time and serves the newest-first lists and
 * their time filters. Indexes on states are partial, so a delivery is only in the indexes that look for it. Every
 * unique index of `deliveries` besides `_id` begins with `user`, so that the collection can be sharded by it.
 */
const indexes: Record<string, Array<IndexDescription & { name: string; serves: string }>> = {
  deliveries: [
    {
      name: "claim",
      serves: "the worker's claim and its next wake-up: pending, broadcasts last, earliest due first",
      key: { channel: 1, bulk: 1, due: 1 },
      partialFilterExpression: { state: "pending" },
    },
    {
      name: "lease",
      serves: "the sweeper: sending, lease run out",
      key: { channel: 1, "lease.until": 1 },
      partialFilterExpression: { state: "sending" },
    },
    {
      name: "user",
      serves: "a user's history and the operator's filter on a user: newest first",
      key: { user: 1, _id: -1 },
    },
    {
      name: "once",
      serves: "a repeated request stores no delivery twice. An erased user's deliveries keep it too",
      key: { user: 1, notification: 1, channel: 1, target: 1 },
      unique: true,
    },
    {
      name: "open",
      serves: "the one open digest that a notification joins, and the list of a user's open digests",
      key: { user: 1, open: 1 },
      unique: true,
      partialFilterExpression: { open: { $exists: true } },
    },
    {
      name: "into",
      serves: "the notifications of a digest, oldest first",
      key: { user: 1, into: 1, _id: 1 },
      partialFilterExpression: { into: { $exists: true } },
    },
    {
      name: "notification",
      serves: "the operator's search for one notification, and what a repeated request finds stored",
      key: { notification: 1 },
    },
    {
      name: "key",
      serves: "a recall by the caller's key, and what a replacing notification finds; only with a key",
      key: { user: 1, key: 1, _id: -1 },
      partialFilterExpression: { key: { $exists: true } },
    },
    {
      name: "ended_badly",
      serves:
        "the operator's lists of failed deliveries and redrives: newest first; 21 keys read instead of 21,000 at 1 in 1,000",
      key: { state: 1, _id: -1 },
      partialFilterExpression: { state: { $in: endedBadly } },
    },
    {
      name: "expiry",
      serves: "MongoDB's TTL monitor: deletes finished deliveries after DELIVERY_RETENTION_DAYS",
      key: { expireAt: 1 },
      expireAfterSeconds: 0,
      partialFilterExpression: { expireAt: { $exists: true } },
    },
  ],
  users: [
    {
      name: "suppressed",
      serves: "the list of suppressed addresses, by user",
      key: { _id: 1, suppressed: 1 },
      partialFilterExpression: { suppressed: { $exists: true } },
    },
  ],
  subscriptions: [
    {
      name: "user",
      serves: "a user's own topics, by key, and erasing a user",
      key: { "_id.user": 1, "_id.topic": 1 },
    },
  ],
  jobs: [
    {
      name: "due",
      serves: "the runner's claim of one kind, and its next wake-up: scheduled, earliest due first",
      key: { kind: 1, due: 1 },
      partialFilterExpression: { state: "scheduled" },
    },
    {
      name: "lease",
      serves: "the sweeper: running, lease run out",
      key: { "lease.until": 1 },
      partialFilterExpression: { state: "running" },
    },
    {
      name: "kind",
      serves: "the list of one kind: newest first",
      key: { kind: 1, _id: -1 },
    },
    {
      name: "broadcast",
      serves: "two requests with the same key make one broadcast",
      key: { kind: 1, key: 1 },
      unique: true,
      partialFilterExpression: { kind: "broadcast", key: { $exists: true } },
    },
    {
      name: "key",
      serves: "the jobs of one schedule: newest first",
      key: { key: 1, _id: -1 },
      partialFilterExpression: { key: { $exists: true } },
    },
    {
      name: "user",
      serves: "the jobs that name a user: the list of them, and erasing the user",
      key: { "command.targets.user": 1 },
      sparse: true,
    },
    {
      name: "expiry",
      serves: "MongoDB's TTL monitor: deletes ended jobs after DELIVERY_RETENTION_DAYS",
      key: { expireAt: 1 },
      expireAfterSeconds: 0,
      partialFilterExpression: { expireAt: { $exists: true } },
    },
  ],
  limits: [
    {
      name: "expiry",
      serves:
        "MongoDB's TTL monitor: deletes counts of throttles and budgets once nothing in them counts any more",
      key: { expireAt: 1 },
      expireAfterSeconds: 0,
    },
  ],
  schedules: [
    {
      name: "due",
      serves: "the schedules with an occurrence that is due, and the next one: active, earliest first",
      key: { due: 1 },
      partialFilterExpression: { due: { $exists: true } },
    },
    {
      name: "recipients",
      serves: "erasing a user",
      key: { recipients: 1 },
    },
  ],
  callback_tokens: [
    {
      name: "age",
      serves:
        "MongoDB's TTL monitor: deletes tokens of providers' webhooks after a day; they are valid for five minutes",
      key: { at: 1 },
      expireAfterSeconds: 24 * 60 * 60,
    },
  ],
  idempotency: [
    {
      name: "expiry",
      serves: "MongoDB's TTL monitor: deletes idempotency keys after a day",
      key: { expireAt: 1 },
      expireAfterSeconds: 0,
    },
  ],
  ledger: [
    {
      name: "expiry",
      serves: "MongoDB's TTL monitor: deletes counts together with their deliveries",
      key: { expireAt: 1 },
      expireAfterSeconds: 0,
    },
  ],
};

/**
 * Creates missing collections and indexes. Several instances may run it at once. `bulkWrites`: whether the server has
 * that command. `onBuilding`: called with the collection while the indexes of a large one take their time.
 */
export async function prepareCollections(
  db: Db,
  onBuilding: (collection: string) => void = () => {},
): Promise<{ bulkWrites: boolean }> {
  const existing = new Set(
    (await db.listCollections({}, { nameOnly: true }).toArray()).map((one) => one.name),
  );
  for (const [name, size] of [
    ["captured", capturedBytes],
    ["hints", hintBytes],
  ] as const)
    if (!existing.has(name)) await db.createCollection(name, { capped: true, size }).catch(ignoreExisting);
  // Two transactions that both create a collection would conflict.
  const missing = ["users", "deliveries", "ledger", "jobs", "schedules"].filter(
    (name) => !existing.has(name),
  );
  // Together: one after the other took over a second on a busy machine.
  await Promise.all(missing.map((name) => db.createCollection(name).catch(ignoreExisting)));
  await Promise.all(
    Object.entries(indexes).map(([name, list]) => {
      const descriptions = list.map(({ serves: _, ...index }) => index);
      return createIndexes(db, name, descriptions, onBuilding).catch(async (error) => {
        const { code, keyPattern } = error as { code?: unknown; keyPattern?: Document };
        throw code === duplicateKey && keyPattern?.notification ? await duplicatesError(db, error) : error;
      });
    }),
  );
  return { bulkWrites: await beginLedger(db) };
}

/**
 * A build on millions of documents takes longer than a socket may be silent. MongoDB goes on with it, and the next
 * command waits for the same build, so this asks again for as long as the server answers.
 */
async function createIndexes(
  db: Db,
  name: string,
  descriptions: IndexDescription[],
  onBuilding: (collection: string) => void,
): Promise<void> {
  for (;;) {
    try {
      await db.collection(name).createIndexes(descriptions);
      return;
    } catch (error) {
      if (!(error instanceof MongoNetworkTimeoutError)) throw error;
      await db.command({ ping: 1 });
      onBuilding(name);
    }
  }
}

/** Only deliveries that another program stored, or that were restored twice, can violate index `once`. */
async function duplicatesError(db: Db, cause: Error): Promise<DatabaseError> {
  const shown = 10;
  const found = await deliveriesOf(db)
    .aggregate<{ _id: { notification: unknown; channel: string }; ids: unknown[] }>(
      [
        {
          $group: {
            _id: { user: "$user", notification: "$notification", channel: "$channel", target: "$target" },
            ids: { $push: "$_id" },
          },
        },
        { $match: { "ids.1": { $exists: true } } },
        { $limit: shown },
      ],
      { allowDiskUse: true },
    )
    .toArray();
  const groups = found.map(
    ({ _id, ids }) => `notification ${_id.notification} on ${_id.channel}: ${ids.join(", ")}`,
  );
  return new DatabaseError(
    `The collection deliveries has several deliveries of the same notification to the same user on the same channel, and Belfry keeps one. ` +
      `Of each group keep one and delete the others, for example with db.deliveries.deleteOne({ _id: ObjectId("…") }), then start Belfry again. ` +
      `The first ${groups.length} groups, with the ids of their deliveries: ${groups.join("; ")}.`,
    { cause },
  );
}

function ignoreExisting(error: { code?: unknown }): void {
  const namespaceExists = 48;
  if (error.code !== namespaceExists) throw error;
}
