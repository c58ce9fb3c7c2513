import { type ClientSession, MongoClient, type MongoError, ObjectId } from "mongodb";
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from "vitest";
import { createTypeRegistry } from "../../src/core/notification-types.ts";
import { createNotifier, type NotifierOptions } from "../../src/core/notify.ts";
import { createBelfry } from "../../src/library.ts";
import { createCommitter } from "../../src/store/commit.ts";
import { type Connection, clientOptions, connect } from "../../src/store/connect.ts";
import { createIdempotencyStore } from "../../src/store/idempotency.ts";
import { newId } from "../../src/store/ids.ts";
import { usersOf } from "../../src/store/inbox.ts";
import { prepareCollections } from "../../src/store/indexes.ts";
import { createPreferenceStore } from "../../src/store/preferences.ts";
import { createTally } from "../../src/store/tally.ts";
import { createUserWrites } from "../../src/store/user-writes.ts";
import { freshDatabase } from "../support/database.ts";
import { call } from "../support/http.ts";
import { eventually, startService } from "../support/service.ts";

// Another program's transaction locks a user's document, for example a program that uses the library and is slow.

const { uri, client, db } = freshDatabase();
let connection: Connection;
let bulkWrites = false;
beforeAll(async () => {
  connection = await connect(uri);
  ({ bulkWrites } = await prepareCollections(connection.db));
});
afterAll(() => connection.client.close());

const { registry } = createTypeRegistry({ delayMs: 1, factor: 1, maxRetries: 0 });
/** The commit path of one process. `away`: moves its clock ahead. */
function notifier(options: NotifierOptions = {}, own: MongoClient = connection.client) {
  let ahead = 0;
  const commit = createCommitter({
    ...connection,
    client: own,
    db: own.db(db.databaseName),
    bulkWrites,
    inboxLimit: 100,
    newUser: {},
    tally: createTally(newId(), 90),
    now: () => Date.now() + ahead,
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
  const made = createNotifier(store, registry, options);
  return {
    ...made,
    skip: (ms: number) => {
      ahead += ms;
    },
  };
}

/** Locks users until released, or until the test ends. Their documents are changed or about to be created. */
async function lock(...users: string[]) {
  const session = client.startSession();
  onTestFinished(() => session.endSession());
  session.startTransaction();
  for (const user of users)
    await usersOf(db).updateOne(
      { _id: new ObjectId(user) },
      { $set: { name: "Ada" } },
      { session, upsert: true },
    );
  return { commit: () => session.commitTransaction(), abort: () => session.abortTransaction() };
}

/** Users of both batchers. */
const several = (count: number): string[] => Array.from({ length: count }, newId);
/** A user in the middle of `several`, in the same batcher as others. */
const middle = (users: string[]): string => users[users.length >> 1] as string;
const others = (all: string[], ...but: string[]) => all.filter((user) => !but.includes(user));

const itemsOf = async (user: string): Promise<string[]> =>
  (
    (await usersOf(db).findOne({ _id: new ObjectId(user) }))?.notifications as
      | Array<{ id: string }>
      | undefined
  )?.map((item) => item.id) ?? [];
const deliveriesOf = async (user: string): Promise<string[]> =>
  (
    await db
      .collection("deliveries")
      .find({ user: new ObjectId(user) })
      .sort({ _id: 1 })
      .toArray()
  ).map((one) => one.notification.toHexString());

const ways: Array<[string, string]> = [
  ["without deliveries", "new_message"],
  ["with deliveries", "new_login"],
];

describe.each(ways)("one locked user, %s", (_how, type) => {
  test.each([
    ["that exists", true, "commit"],
    ["that exists", true, "abort"],
    ["that the other transaction creates", false, "commit"],
    ["that the other transaction would have created", false, "abort"],
  ] as const)(
    "%s (known: %s, ends by %s): 400 notifications for others are answered meanwhile, the locked user's afterwards, in order and once",
    async (_who, known, end) => {
      const { notify } = notifier();
      const users = several(201);
      const held = middle(users);
      if (known) await Promise.all(users.map((user) => notify({ user, type })));
      const before = new Map(
        await Promise.all(users.map(async (user) => [user, await itemsOf(user)] as const)),
      );
      const holder = await lock(held);

      const answered: string[] = [];
      const own: Promise<unknown>[] = [];
      const mine = () =>
        own.push(
          notify({ user: held, type }).then(({ id }) => {
            answered.push(id);
          }),
        );
      const given = new Map<string, string[]>();
      for (let round = 0; round < 2; round++) {
        mine();
        const all = await Promise.all(
          others(users, held).map(async (user, n) => {
            if (n % 40 === 0) mine();
            return [user, (await notify({ user, type })).id] as const;
          }),
        );
        for (const [user, id] of all) given.set(user, [...(given.get(user) ?? []), id]);
        expect(answered).toEqual([]);
        expect(await itemsOf(held)).toEqual(before.get(held));
      }
      await holder[end]();
      await Promise.all(own);

      expect(answered).toHaveLength(12);
      expect(answered).toEqual(answered.toSorted());
      given.set(held, answered);
      for (const [user, ids] of given) {
        expect(await itemsOf(user)).toEqual([...(before.get(user) as string[]), ...ids]);
        if (type === "new_login")
          expect((await deliveriesOf(user)).sort()).toEqual([...(before.get(user) as string[]), ...ids]);
      }
    },
  );

  test("locked beyond the deadline: only that user gets `database_unavailable`, and later notifications are stored once", async () => {
    const { notify, notifyEach, skip } = notifier();
    const users = several(40);
    const held = middle(users);
    await Promise.all(users.map((user) => notify({ user, type })));
    const before = await itemsOf(held);
    const holder = await lock(held);
    const targets = users.map((user) => ({ user, id: newId() }));
    const first = notifyEach({ type }, targets);
    await eventually(
      async () => (await Promise.all(others(users, held).map(itemsOf))).every((items) => items.length === 2),
      "the others are stored",
    );
    skip(60_000);
    const outcomes = await first;
    expect(outcomes.filter((one) => one.error)).toMatchObject([
      { user: held, error: { code: "database_unavailable" } },
    ]);

    // Requested again under the same ids, while the user is locked and afterwards.
    const again = notifyEach({ type }, targets);
    const later = notify({ user: held, type });
    await Promise.all(others(users, held).map((user) => notify({ user, type })));
    expect(await itemsOf(held)).toEqual(before);
    await holder.abort();
    expect(await again).toStrictEqual(targets);
    const { id } = await later;
    expect(await notifyEach({ type }, targets)).toStrictEqual(targets);
    const own = targets.find((one) => one.user === held)?.id as string;
    expect(await itemsOf(held)).toEqual([...before, own, id]);
    if (type === "new_login") expect(await deliveriesOf(held)).toHaveLength(3);
    for (const user of others(users, held)) expect(await itemsOf(user)).toHaveLength(3);
  });

  test("notified by two processes under the same ids: each notification is stored once", async () => {
    const both = [notifier(), notifier()];
    const targets = several(60).map((user) => ({ user, id: newId() }));
    const held = middle(targets.map((one) => one.user));
    const holder = await lock(held);
    const sending = both.map(({ notifyEach }) => notifyEach({ type }, targets));
    const free = targets.filter((one) => one.user !== held);
    await eventually(
      async () =>
        (await Promise.all(free.map((one) => itemsOf(one.user)))).every((items) => items.length > 0),
      "the others are stored",
    );
    await holder.commit();
    expect(await Promise.all(sending)).toStrictEqual([targets, targets]);
    for (const { user, id } of targets) {
      expect(await itemsOf(user)).toEqual([id]);
      expect(await deliveriesOf(user)).toEqual(type === "new_login" ? [id] : []);
    }
  });
});

test("two locked users each wait for their own lock", async () => {
  const { notify } = notifier();
  const users = several(100);
  const [ann, bob] = [users[30], users[31]] as [string, string];
  await Promise.all(users.map((user) => notify({ user, type: "new_message" })));
  const [first, second] = [await lock(ann), await lock(bob)];
  const done: string[] = [];
  const asked = (user: string) => notify({ user, type: "new_login" }).then(() => done.push(user));
  const both = [asked(ann), asked(bob)];
  await Promise.all(others(users, ann, bob).map((user) => notify({ user, type: "new_login" })));
  expect(done).toEqual([]);
  await second.abort();
  await both[1];
  // The user takes part in batches again.
  await asked(bob);
  expect(done).toEqual([bob, bob]);
  await first.abort();
  await both[0];
  expect(done).toEqual([bob, bob, ann]);
});

test("answers 100 other users while one transaction locks 100 users", async () => {
  const { notify } = notifier();
  const users = several(200);
  await Promise.all(users.map((user) => notify({ user, type: "new_message" })));
  const held = users.slice(50, 150);
  const holder = await lock(...held);
  let answered = 0;
  const own = held.map((user) => notify({ user, type: "new_login" }).then(() => answered++));
  await Promise.all(others(users, ...held).map((user) => notify({ user, type: "new_login" })));
  expect(answered).toBe(0);
  await holder.commit();
  await Promise.all(own);
  for (const user of users) expect(await itemsOf(user)).toHaveLength(2);
});

test("only the bad document fails beside a locked user", async () => {
  const { notify } = notifier();
  const users = several(30);
  const [held, poison] = [users[10], users[20]] as [string, string];
  await db.collection("users").insertOne({ _id: new ObjectId(poison), notifications: "none" });
  const holder = await lock(held);
  for (const type of ["new_message", "new_login"]) {
    const own = notify({ user: held, type });
    const refused = notify({ user: poison, type }).catch((error) => error.code);
    await Promise.all(others(users, held, poison).map((user) => notify({ user, type })));
    expect(await refused).toBe("user_document_conflict");
    if (type === "new_login") await holder.abort();
    if (type === "new_login") await own;
  }
  expect(await itemsOf(held)).toHaveLength(2);
});

test("notifications that wait for a lock count as waiting, and a stop waits for them", async () => {
  const { notify, notifyEach, drained } = notifier({ maxWaiting: 10 });
  const held = newId();
  const holder = await lock(held);
  const own = Array.from({ length: 8 }, () => notify({ user: held, type: "new_message" }));
  // Waits behind them in the same batcher.
  const same = `0${held.slice(1)}`;
  await notify({ user: same, type: "new_message" });
  const three = several(3).map((user) => ({ user, id: newId() }));
  await expect(notifyEach({ type: "new_message" }, three)).rejects.toMatchObject({ code: "overloaded" });
  const events: string[] = [];
  const stopped = drained().then(() => events.push("drained"));
  await notify({ user: same, type: "new_message" });
  events.push("released");
  await holder.abort();
  await Promise.all([...own, stopped]);
  expect(events).toEqual(["released", "drained"]);
  expect(await itemsOf(held)).toHaveLength(8);
  expect(await notifyEach({ type: "new_message" }, three)).toStrictEqual(three);
});

const maxTimeExpired = 50;

// A mongos has no profile.
test.skipIf(inject("isSharded"))("two batches in flight never conflict with each other", async () => {
  const own = new MongoClient(uri, { ...clientOptions, monitorCommands: true });
  onTestFinished(() => own.close());
  const aborted: unknown[] = [];
  let commits = 0;
  own.on("commandStarted", ({ commandName }) => {
    if (commandName === "abortTransaction") aborted.push(commandName);
    if (commandName === "commitTransaction") commits++;
  });
  // A server that stalled may run out of time in any case. Its profile shows whether a lock was the cause.
  own.on("commandFailed", ({ commandName, failure }) => {
    if ((failure as MongoError).code !== maxTimeExpired) aborted.push([commandName, failure]);
  });
  await db.command({ profile: 2 });
  onTestFinished(async () => void (await db.command({ profile: 0 })));
  const { notify } = notifier({ maxBatch: 20 }, own);
  const users = several(50);
  await Promise.all(
    Array.from({ length: 20 }, () => users).flatMap((all, n) =>
      all.map((user) => notify({ user, type: n % 2 === 0 ? "new_login" : "new_message" })),
    ),
  );
  expect(aborted).toEqual([]);
  const profile = db.collection("system.profile");
  expect(await profile.countDocuments({ ns: usersOf(db).namespace })).toBeGreaterThan(20);
  expect(await profile.find({ writeConflicts: { $gt: 0 } }).toArray()).toEqual([]);
  expect(commits).toBeGreaterThan(20);
  for (const user of users) expect(await itemsOf(user)).toHaveLength(20);
});

test("the service answers for all other users while a program keeps a transaction with a notification open", async () => {
  const { url } = await startService({ DB_URI: uri });
  const belfry = createBelfry({ client });
  onTestFinished(() => belfry.close());
  await belfry.ready();
  const create = (user: string, key: string) =>
    call(url, "POST", "/create", { user_id: user, key }).then((answer) => answer.status);
  for (const key of ["new_message", "new_login"]) {
    const users = several(101);
    const held = middle(users);
    if (key === "new_login") await Promise.all(users.map((user) => create(user, key)));
    const before = await itemsOf(held);
    const within = async (session: ClientSession) => {
      const { id } = await belfry.notify({ user: held, type: key }, { session });
      let answered = false;
      const own = create(held, key).then((status) => {
        answered = true;
        return status;
      });
      const statuses = await Promise.all(others(users, held).map((user) => create(user, key)));
      expect(statuses).toEqual(statuses.map(() => 201));
      expect(answered).toBe(false);
      return { id, own };
    };
    const session = client.startSession();
    session.startTransaction();
    const { id, own } = await within(session);
    await session.commitTransaction();
    await session.endSession();
    expect(await own).toBe(201);
    expect(await itemsOf(held)).toEqual([...before, id, expect.any(String)]);
    for (const user of others(users, held)) expect(await itemsOf(user)).toHaveLength(before.length + 1);
  }
});
