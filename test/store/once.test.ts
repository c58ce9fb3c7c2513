import { MongoClient, ObjectId } from "mongodb";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createTypeRegistry } from "../../src/core/notification-types.ts";
import { createNotifier, type Notifier, type NotifierOptions, type Target } from "../../src/core/notify.ts";
import type { HeldDelivery } from "../../src/model/delivery.ts";
import { createCommitter } from "../../src/store/commit.ts";
import { type Connection, clientOptions, connect } from "../../src/store/connect.ts";
import { createIdempotencyStore } from "../../src/store/idempotency.ts";
import { newId } from "../../src/store/ids.ts";
import { prepareCollections } from "../../src/store/indexes.ts";
import { createPreferenceStore } from "../../src/store/preferences.ts";
import { createTally } from "../../src/store/tally.ts";
import { createUserWrites } from "../../src/store/user-writes.ts";
import { closeAfterTest } from "../support/closing.ts";
import { freshDatabase } from "../support/database.ts";

// Two processes work on one request: each id is stored once and sent by one of them.

const { uri, db } = freshDatabase();
let connection: Connection;
let bulkWrites = false;
beforeAll(async () => {
  connection = await connect(uri);
  ({ bulkWrites } = await prepareCollections(connection.db));
});
afterAll(() => connection.client.close());

const { registry } = createTypeRegistry({ delayMs: 1, factor: 1, maxRetries: 0 });
/** The commit path of one process. `held`: what its workers got to send. */
function notifier(options: NotifierOptions & { transactions?: boolean; connection?: Connection } = {}) {
  const held: HeldDelivery[] = [];
  const commit = createCommitter({
    ...(options.connection ?? connection),
    ...(options.transactions === false && { transactions: false }),
    bulkWrites,
    inboxLimit: 10,
    newUser: {},
    tally: createTally(newId(), 90),
    now: Date.now,
  });
  const store = {
    commit,
    newId,
    now: Date.now,
    idempotency: createIdempotencyStore(db, true),
    newTimedId: newId,
    replace: () => Promise.reject(new Error("nothing is replaced here")),
    preferences: createPreferenceStore(db, createUserWrites(db, true), {}),
  };
  const made: Notifier = createNotifier(store, registry, {
    engine: {
      reserve: (deliveries) =>
        new Map(deliveries.map((one) => [one.channel, { token: newId(), until: Date.now() + 60_000 }])),
      accept: (deliveries) => void held.push(...deliveries),
    },
    ...options,
  });
  return { ...made, held };
}

const targets = (count: number): Target[] =>
  Array.from({ length: count }, () => ({ user: newId(), id: newId() }));

async function storedOf(wanted: Target[]) {
  const _id = { $in: wanted.map(({ user }) => new ObjectId(user)) };
  const users = await db.collection("users").find({ _id }).toArray();
  const notification = { $in: wanted.map(({ id }) => new ObjectId(id)) };
  const deliveries = await db.collection("deliveries").find({ notification }).toArray();
  const accepted = await db
    .collection("ledger")
    .aggregate<{ sum: number }>([
      {
        $group: {
          _id: null,
          sum: { $sum: { $add: [{ $ifNull: ["$accepted.email", 0] }, { $ifNull: ["$accepted.sms", 0] }] } },
        },
      },
    ])
    .next();
  return {
    items: users.flatMap((user) => user.notifications?.map((item: { id: string }) => item.id) ?? []).sort(),
    deliveries: deliveries.map((one) => `${one.notification} ${one.channel}`).sort(),
    accepted: accepted?.sum ?? 0,
  };
}

test.each([
  ["in the inbox alone", ["inbox"], [true, true]],
  ["with deliveries", ["inbox", "email", "sms"], [true, true]],
  ["with deliveries alone", ["email", "sms"], [true, true]],
  ["with deliveries, on a standalone server", ["email"], [false, false]],
] as const)("%s: from two processes at once, and again", async (_what, channels, [first, second]) => {
  const before = (await storedOf([])).accepted;
  const wanted = targets(20);
  const both = [notifier({ transactions: first }), notifier({ transactions: second })];
  const command = { type: "new_login", title: "once", channels };
  const outcomes = await Promise.all(both.map((one) => one.notifyEach(command, wanted)));
  outcomes.push(await both[0]!.notifyEach(command, wanted));
  for (const outcome of outcomes) expect(outcome).toStrictEqual(wanted);

  const outbound = channels.filter((channel) => channel !== "inbox");
  const deliveries = wanted.flatMap(({ id }) => outbound.map((channel) => `${id} ${channel}`));
  const ids = wanted.map(({ id }) => id).sort();
  const stored = await storedOf(wanted);
  expect(stored.items).toStrictEqual((channels as readonly string[]).includes("inbox") ? ids : []);
  expect(stored.deliveries).toStrictEqual(deliveries.sort());
  expect(stored.accepted - before).toBe(deliveries.length);
  // The process that stored a delivery sends it, and no other does.
  const held = both.flatMap((one) =>
    one.held.map(({ notification, channel }) => `${notification} ${channel}`),
  );
  expect(held.sort()).toStrictEqual(deliveries.sort());
});

test("a notification that is twice in one commit is stored once, beside others of the same user", async () => {
  const [one] = targets(1) as [Target];
  const more = Array.from({ length: 5 }, () => ({ user: one.user, id: newId() }));
  const { notifyEach, notify } = notifier();
  const command = { type: "new_message", title: "once" };
  const results = await Promise.all([
    notifyEach(command, [one]),
    notifyEach(command, [one]),
    ...more.map((target) => notifyEach(command, [target])),
    notify({ ...command, user: one.user }),
  ]);
  const { id } = results.at(-1) as { id: string };
  expect((await storedOf([one])).items).toStrictEqual([one.id, ...more.map((each) => each.id), id].sort());
});

test("a repeated batch is found stored by one failed transaction a queue, whatever the number of its users", async () => {
  const client = new MongoClient(uri, { ...clientOptions, monitorCommands: true });
  closeAfterTest(() => client.close());
  const watched = notifier({ connection: { ...connection, client, db: client.db(db.databaseName) } });
  const command = { type: "new_login", title: "once", channels: ["inbox", "email"] as const };
  const stored = targets(150);
  await watched.notifyEach(command, stored);
  let inserts = 0;
  client.on("commandStarted", ({ commandName, command: sent }) => {
    if (commandName === "bulkWrite" || sent.insert === "deliveries") inserts++;
  });
  expect(await watched.notifyEach(command, stored)).toStrictEqual(stored);
  // The users are divided between two queues, and so is each batch.
  expect(inserts).toBeLessThanOrEqual(2);
  const some = [...stored, ...targets(150)];
  expect(await watched.notifyEach(command, some)).toStrictEqual(some);
  expect(inserts).toBeLessThanOrEqual(6);
  expect((await storedOf(some)).deliveries).toHaveLength(some.length);
});

test("a request repeated hours later stores nothing twice, and its deliveries have ids of their own time", async () => {
  const old = ObjectId.createFromTime(Date.now() / 1000 - 23 * 60 * 60).toHexString();
  const user = newId();
  const both = [notifier(), notifier()];
  for (const { notifyEach } of [...both, ...both])
    expect(await notifyEach({ type: "new_login" }, [{ user, id: old }])).toStrictEqual([{ user, id: old }]);
  const [stored, ...more] = await db
    .collection("deliveries")
    .find({ notification: new ObjectId(old) })
    .toArray();
  expect(more).toEqual([]);
  expect(Date.now() - (stored?._id.getTimestamp().getTime() ?? 0)).toBeLessThan(60_000);
});

test("a later notification is stored long before the last of 1,000 large ones submitted at once", async () => {
  const { notifyEach, notify } = notifier();
  const order: string[] = [];
  const large = { type: "new_message", body: "é".repeat(16_384), data: { text: "y".repeat(8_000) } };
  const many = notifyEach(large, targets(1_000)).then((outcomes) => {
    order.push("many");
    return outcomes;
  });
  await notify({ type: "new_message", user: newId() });
  order.push("one");
  expect((await many).filter(({ error }) => error)).toStrictEqual([]);
  expect(order).toStrictEqual(["one", "many"]);
});

test("a request beyond the waiting limit is refused as a whole, and nothing is stored", async () => {
  const { notifyEach, drained } = notifier({ maxWaiting: 10 });
  const command = { type: "new_message" };
  const first = targets(8);
  const taken = notifyEach(command, first);
  const refused = targets(3);
  await expect(notifyEach(command, refused)).rejects.toMatchObject({ code: "overloaded" });
  expect(await taken).toStrictEqual(first);
  await drained();
  expect((await storedOf(refused)).items).toStrictEqual([]);
  // An empty queue accepts even more than may wait; otherwise such a request could never succeed.
  const many = targets(50);
  expect(await notifyEach(command, many)).toStrictEqual(many);
});
