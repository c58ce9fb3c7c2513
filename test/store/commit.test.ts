import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { connect as connectSocket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Db, type Document, MongoClient, ObjectId, type Timestamp } from "mongodb";
import { pino } from "pino";
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { type ManagedMongod, startManagedMongod } from "../../mongod/index.ts";
import { startApp } from "../../src/app.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { PlannedNotification } from "../../src/model/notification.ts";
import { type CommitOptions, createCommitter } from "../../src/store/commit.ts";
import { type Connection, connect } from "../../src/store/connect.ts";
import { newId } from "../../src/store/ids.ts";
import { prepareCollections } from "../../src/store/indexes.ts";
import { createTally } from "../../src/store/tally.ts";
import { freshDatabase } from "../support/database.ts";
import { call } from "../support/http.ts";
import { eventually, startService } from "../support/service.ts";
import { startStandalone } from "../support/standalone.ts";

const newUser = () => randomBytes(12).toString("hex");
const create = (url: string, user: string, more: object = {}) =>
  call(url, "POST", "/create", { user_id: user, key: "new_message", ...more });
const listOf = async (url: string, user: string) =>
  (await call(url, "GET", `/list?user_id=${user}&limit=1000`)).body.data;

describe("many at once", () => {
  const { uri, db } = freshDatabase();

  test("50 users with 200 concurrent creates each: exact counts, each user's order, nothing lost or stored twice", async () => {
    const { url } = await startService({ DB_URI: uri, INBOX_LIMIT: "250" });
    const users = Array.from({ length: 50 }, newUser);
    const each = 200;
    // All of a user's requests go out at once on one connection, which is what defines their order.
    const answers = await Promise.all(
      users.map((user) =>
        pipelined(
          url,
          Array.from({ length: each }, (_, n) => ({
            user_id: user,
            key: n % 20 === 0 ? "new_login" : "new_message",
            data: { n },
          })),
        ),
      ),
    );
    expect(answers.flat().filter((status) => status !== 201)).toEqual([]);

    const inOrder = Array.from({ length: each }, (_, n) => n);
    const ids = new Set<string>();
    for (const user of users) {
      const data = await listOf(url, user);
      expect(data).toMatchObject({ elements: each, new: each });
      expect(data.list.map((item: { data: { n: number } }) => item.data.n)).toEqual(inOrder.toReversed());
      for (const item of data.list) ids.add(item.id);
      const stored = (await db.collection("users").findOne({ _id: new ObjectId(user) })) as Document;
      const revs: number[] = stored.notifications.map((item: { rev: number }) => item.rev);
      expect(revs).toEqual(revs.toSorted((a, b) => a - b));
      // One for each commit that touched the user: none skipped, none counted twice.
      const began: number = stored.removedBefore;
      expect([...new Set(revs)]).toEqual(Array.from({ length: stored.rev - began }, (_, n) => began + n + 1));
    }
    expect(ids.size).toBe(50 * each);

    const notifications = await db.collection("deliveries").distinct("notification");
    expect(notifications).toHaveLength(500);
    expect(await db.collection("deliveries").countDocuments()).toBe(500);
    expect(notifications.every((id) => ids.has(id.toHexString()))).toBe(true);
  });
});

describe("caller data that looks like MongoDB expressions", () => {
  const { uri, db } = freshDatabase();

  test("is stored unchanged, in `data` and in titles", async () => {
    const commit = await committer(await opened(uri), {
      inboxLimit: 10,
      newUser: { email: "$name", phone: "$$ROOT" },
    });
    const data = { a: "$email", b: "$$ROOT", "c.d": { $set: { e: "$$REMOVE" } }, $literal: ["$_id", null] };
    const user = newUser();
    const first = planned(user, 1, true, { title: "$email", body: "$$CLUSTER_TIME", data });
    const second = planned(user, 2, false, { title: "$$NOW", data });
    expect(await commit([first], new Map())).toEqual([undefined]);
    expect(await commit([second], new Map())).toEqual([undefined]);
    const stored = (await db.collection("users").findOne({ _id: new ObjectId(user) })) as Document;
    expect(stored.email).toBe("$name");
    expect(stored.phone).toBe("$$ROOT");
    expect(stored.notifications).toEqual([
      { ...first.item, rev: stored.rev - 1 },
      { ...second.item, rev: stored.rev },
    ]);
    const delivery = await db.collection("deliveries").findOne({ user: new ObjectId(user) });
    expect(delivery?.content).toEqual({
      key: "new_login",
      at: 0,
      title: "$email",
      body: "$$CLUSTER_TIME",
      data,
    });
  });

  test("comes back unchanged over HTTP", async () => {
    const { url } = await startService({ DB_URI: uri });
    const user = newUser();
    const data = { to: "$email", all: "$$ROOT", $inc: { "x.y": 1 }, nested: [{ $expr: "$$NOW" }] };
    for (const key of ["new_message", "new_login"])
      expect((await create(url, user, { key, data })).status).toBe(201);
    const { list } = await listOf(url, user);
    expect(list.map((item: { data: object }) => item.data)).toEqual([data, data]);
  });
});

describe("one bad item", () => {
  const { uri, db } = freshDatabase();
  const users = db.collection<{ _id: ObjectId; [field: string]: unknown }>("users");
  beforeEach(async () => {
    await db.dropDatabase();
  });

  const bad: Array<[string, object]> = [
    ["`notifications` is a text", { notifications: "none yet" }],
    ["`notifications` is an object", { notifications: { 0: "a" } }],
    ["`rev` is a text", { rev: "one" }],
    ["a schema rule refuses the document", { locked: true }],
  ];
  /** A user whose document cannot take a notification. */
  async function poisoned(document: object): Promise<string> {
    const user = newUser();
    if ("locked" in document) await db.createCollection("users", { validator: { locked: { $ne: true } } });
    await users.insertOne({ _id: new ObjectId(user), ...document }, { bypassDocumentValidation: true });
    return user;
  }

  const ways: Array<[string, boolean, Partial<CommitOptions>]> = [
    ["without deliveries", false, {}],
    ["with deliveries", true, {}],
    ["with deliveries, as a server before version 8 takes them", true, { bulkWrites: false }],
  ];
  for (const [how, withDeliveries, options] of ways)
    test.each(bad)(
      `fails alone, its neighbours in the batch are stored (%s, ${how})`,
      async (_name, document) => {
        const poison = await poisoned(document);
        const before = await users.findOne({ _id: new ObjectId(poison) });
        const commit = await committer(await opened(uri), options);
        const good = Array.from({ length: 8 }, newUser);
        const all = [...good.slice(0, 4), poison, ...good.slice(4), poison, ...good];
        const batch = all.map((user, n) => planned(user, n, withDeliveries));
        const results = await commit(batch, new Map());
        expect(
          results.map((error) => (error === undefined ? "stored" : (error as { code?: string }).code)),
        ).toEqual(all.map((user) => (user === poison ? "user_document_conflict" : "stored")));
        for (const user of good) {
          const stored = (await users.findOne({ _id: new ObjectId(user) })) as Document | null;
          const expected = batch.filter((one) => one.user === user).map((one) => one.item?.id);
          expect(stored?.notifications?.map((item: { id: string }) => item.id)).toEqual(expected);
        }
        expect(await users.findOne({ _id: new ObjectId(poison) })).toEqual(before);
        const delivered = await db.collection("deliveries").distinct("user");
        expect(delivered.map(String).sort()).toEqual(withDeliveries ? good.toSorted() : []);
        expect(await db.collection("deliveries").countDocuments()).toBe(withDeliveries ? 16 : 0);
        expect(await accepted(db)).toBe(withDeliveries ? 16 : 0);
      },
    );

  test("gets 409 with the reason, while its neighbours get 201", async () => {
    const poison = await poisoned({ notifications: "none yet" });
    const { url } = await startService({ DB_URI: uri });
    for (const key of ["new_message", "new_login"]) {
      const good = Array.from({ length: 30 }, newUser);
      const answers = await Promise.all([...good, poison, ...good].map((user) => create(url, user, { key })));
      const refused = answers.filter((answer) => answer.status !== 201);
      expect(refused).toMatchObject([
        { status: 409, body: { success: false, error: { code: "user_document_conflict" } } },
      ]);
      for (const user of good) expect((await listOf(url, user)).elements).toBe(2);
    }
  });

  test("does not break other users' lists that are read at the same time", async () => {
    const poison = await poisoned({ notifications: "none yet" });
    const { url } = await startService({ DB_URI: uri });
    const good = Array.from({ length: 10 }, newUser);
    await Promise.all(good.map((user) => create(url, user)));
    const pages = await Promise.all(
      [...good, poison, ...good].map((user) => call(url, "GET", `/list?user_id=${user}`)),
    );
    expect(pages.map((page) => page.status)).toEqual(pages.map(() => 200));
    expect(pages.map((page) => page.body.data.elements)).toEqual([
      ...good.map(() => 1),
      0,
      ...good.map(() => 1),
    ]);
  });
});

describe("a MongoDB with injected failures", () => {
  let mongod: ManagedMongod;
  let client: MongoClient;
  let dir: string;
  let uri: string;
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), "belfry-commit-"));
    mongod = await startManagedMongod({ dataDir: dir, testCommands: true, log: () => {} });
    client = new MongoClient(mongod.uri);
  });
  afterAll(async () => {
    await client?.close();
    await mongod?.close();
    rmSync(dir, { recursive: true, force: true });
  });
  beforeEach(() => {
    const named = new URL(mongod.uri);
    named.pathname = `/${randomBytes(4).toString("hex")}`;
    uri = named.href;
  });

  const own = () => client.db(new URL(uri).pathname.slice(1));
  /** A user's stored data: the number of items, of distinct items, `rev`, and the number of deliveries. */
  async function kept(user: string) {
    const _id = new ObjectId(user);
    const found = await own().collection("users").findOne({ _id });
    const ids: string[] = (found?.notifications ?? []).map((item: { id: string }) => item.id);
    const deliveries = await own().collection("deliveries").countDocuments({ user: _id });
    // After every failure, the ledger equals the stored deliveries.
    expect(await accepted(own())).toBe(await own().collection("deliveries").countDocuments());
    const rev = found ? found.rev - found.removedBefore : 0;
    return { items: ids.length, distinct: new Set(ids).size, rev, deliveries };
  }
  /** Affects only the service's connections. */
  async function fail(mode: "alwaysOn" | { times: number }, data: Document): Promise<() => Promise<void>> {
    const admin = client.db("admin");
    await admin.command({ configureFailPoint: "failCommand", mode, data: { appName: "belfry", ...data } });
    const off = async () => {
      await admin.command({ configureFailPoint: "failCommand", mode: "off" });
    };
    onTestFinished(off);
    return off;
  }
  const login = (url: string, user: string) => create(url, user, { key: "new_login" });
  const service = () => startService({ DB_URI: uri, ROLES: "api" });

  test("200 concurrent creates with mails in two batches at once repeat nothing, and the ledger balances", async () => {
    const { url } = await service();
    const before = await inMongo();
    const answers = await Promise.all(Array.from({ length: 200 }, () => login(url, newUser())));
    expect(answers.map((answer) => answer.status)).toEqual(answers.map(() => 201));
    const after = await inMongo();
    expect(after.committed - before.committed).toBeGreaterThanOrEqual(2);
    expect(after).toMatchObject({ aborted: before.aborted, conflicts: before.conflicts });
    expect(await own().collection("deliveries").countDocuments()).toBe(200);
    expect(await accepted(own())).toBe(200);
    const { body } = await call(url, "GET", "/v1/ledger");
    expect(body).toMatchObject({ balanced: true, channels: { email: { accepted: 200, pending: 200 } } });
    // A batch in flight beside another counts in its own document.
    const counted = await own()
      .collection<{ _id: string }>("ledger")
      .find({ _id: /\/[0-9a-f]{24}\.\d+$/ })
      .toArray();
    expect(new Set(counted.map(({ _id }) => _id.split(".").at(-1))).size).toBe(2);

    /** Since this mongod started: transactions by outcome, and write conflicts. */
    async function inMongo() {
      const { transactions, metrics } = await client.db("admin").command({ serverStatus: 1 });
      return {
        committed: Number(transactions.totalCommitted),
        aborted: Number(transactions.totalAborted),
        conflicts: Number(metrics.operation.writeConflicts),
      };
    }
  });

  test.each(["bulkWrite", "update", "commitTransaction"])(
    "a failure between inbox and delivery (%s refused) stores neither, and the next request works",
    async (command) => {
      const { url } = await service();
      const [known, unknown] = [newUser(), newUser()];
      await login(url, known);
      const repair = await fail("alwaysOn", { failCommands: [command], errorCode: 2 });
      // Only a user who does not exist yet takes an `update`, after the `bulkWrite`.
      for (const user of command === "update" ? [unknown] : [known, unknown]) {
        const { status, body } = await login(url, user);
        expect(status).toBe(409);
        expect(body.error.code).toBe("user_document_conflict");
      }
      expect(await kept(known)).toEqual({ items: 1, distinct: 1, rev: 1, deliveries: 1 });
      expect(await kept(unknown)).toEqual({ items: 0, distinct: 0, rev: 0, deliveries: 0 });
      expect(await own().collection("users").countDocuments()).toBe(1);
      expect(await accepted(own())).toBe(1);
      await repair();
      for (const user of [known, unknown]) expect((await login(url, user)).status).toBe(201);
      expect(await kept(known)).toEqual({ items: 2, distinct: 2, rev: 2, deliveries: 2 });
      expect(await kept(unknown)).toEqual({ items: 1, distinct: 1, rev: 1, deliveries: 1 });
    },
  );

  const transient: Array<[string, Document]> = [
    [
      "a write conflict",
      { failCommands: ["update"], errorCode: 112, errorLabels: ["TransientTransactionError"] },
    ],
    ["a closed connection at the update", { failCommands: ["update"], closeConnection: true }],
    ["a closed connection at the insert", { failCommands: ["bulkWrite"], closeConnection: true }],
    [
      "a write conflict at the insert",
      { failCommands: ["bulkWrite"], errorCode: 112, errorLabels: ["TransientTransactionError"] },
    ],
    ["a closed connection at the commit", { failCommands: ["commitTransaction"], closeConnection: true }],
    [
      "a commit that is applied but not confirmed",
      {
        failCommands: ["commitTransaction"],
        writeConcernError: { code: 64, errmsg: "waiting for replication" },
      },
    ],
    ["a primary stepping down", { failCommands: ["commitTransaction"], errorCode: 189 }],
  ];
  test.each(transient.flatMap(([name, data]) => [1, 3].map((times) => [name, times, data] as const)))(
    "inbox and delivery are stored exactly once after %s, %i in a row",
    async (_name, times, data) => {
      const { url } = await service();
      const user = newUser();
      await fail({ times }, data);
      expect((await login(url, user)).status).toBe(201);
      expect(await kept(user)).toEqual({ items: 1, distinct: 1, rev: 1, deliveries: 1 });
    },
  );

  const older: Array<[string, Document]> = [
    ["a closed connection at the insert", { failCommands: ["insert"], closeConnection: true }],
    ["a closed connection at the count", { failCommands: ["update"], closeConnection: true }],
    ["a commit without an answer", { failCommands: ["commitTransaction"], closeConnection: true }],
  ];
  test.each(older.flatMap(([name, data]) => [1, 3].map((times) => [name, times, data] as const)))(
    "before version 8, inbox and delivery are stored exactly once after %s, %i in a row",
    async (_name, times, data) => {
      const commit = await committer(await opened(uri), { bulkWrites: false });
      const user = newUser();
      await fail({ times }, data);
      expect(await commit([planned(user, 1, true)], new Map())).toEqual([undefined]);
      expect(await kept(user)).toEqual({ items: 1, distinct: 1, rev: 1, deliveries: 1 });
    },
  );

  const unclear: Array<[string, Document]> = [
    ["a connection closed before the update", { closeConnection: true }],
    ["a session killed under the update", { errorCode: 11601 }],
    [
      "an update that is applied but not confirmed",
      { writeConcernError: { code: 64, errmsg: "waiting for replication" } },
    ],
    ["an update refused for the moment", { errorCode: 189 }],
    ["an update whose time is up", { errorCode: 50 }],
    [
      "an update whose time is up while it waits for the majority",
      { writeConcernError: { code: 50, errmsg: "operation exceeded time limit" } },
    ],
  ];
  test.each(unclear.flatMap(([name, data]) => [1, 2].map((times) => [name, times, data] as const)))(
    "an inbox-only notification is stored exactly once after %s, %i in a row",
    async (_name, times, data) => {
      const { url } = await service();
      const [known, unknown] = [newUser(), newUser()];
      expect((await create(url, known)).status).toBe(201);
      for (const [user, count] of [
        [known, 2],
        [unknown, 1],
      ] as const) {
        const off = await fail({ times }, { failCommands: ["update"], ...data });
        expect((await create(url, user)).status).toBe(201);
        expect(await kept(user)).toEqual({ items: count, distinct: count, rev: count, deliveries: 0 });
        await off();
      }
    },
  );

  test("does not repeat a batch that was applied but not confirmed, and keeps a neighbour's error", async () => {
    const commit = await committer(await opened(uri));
    const good = Array.from({ length: 20 }, newUser);
    const poison = newUser();
    await own()
      .collection("users")
      .insertOne({ _id: new ObjectId(poison), notifications: "none yet" });
    const batch = [...good, poison, ...good].map((user, n) => planned(user, n, false));
    await fail({ times: 1 }, { failCommands: ["update"], writeConcernError: { code: 64, errmsg: "late" } });
    const results = await commit(batch, new Map());
    expect(results.filter((error) => error !== undefined)).toMatchObject([
      { code: "user_document_conflict" },
    ]);
    expect(results[20]).toBeDefined();
    for (const user of good)
      expect(await kept(user)).toEqual({ items: 2, distinct: 2, rev: 1, deliveries: 0 });
  });

  test("stores the notification when another process creates the user during the retry", async () => {
    const { url } = await service();
    const user = newUser();
    const admin = client.db("admin");
    await fail({ times: 1 }, { failCommands: ["update"], closeConnection: true });
    const namespace = `${own().databaseName}.users`;
    await admin.command({
      configureFailPoint: "hangBeforeUpsertPerformsInsert",
      mode: "alwaysOn",
      data: { ns: namespace },
    });
    const release = () =>
      admin.command({ configureFailPoint: "hangBeforeUpsertPerformsInsert", mode: "off" });
    onTestFinished(() => void release());
    const answer = create(url, user);
    await eventually(async () => {
      const [found] = await admin
        .aggregate([
          { $currentOp: {} },
          { $match: { ns: namespace, failpointMsg: "hangBeforeUpsertPerformsInsert" } },
        ])
        .toArray();
      return found;
    }, "the repetition is about to create the user");
    await own()
      .collection("users")
      .insertOne({ _id: new ObjectId(user), name: "Ada" });
    await release();
    expect((await answer).status).toBe(201);
    expect(await kept(user)).toMatchObject({ items: 1, rev: 1 });
  });

  test.each(["new_message", "new_login"])(
    "notifies a user locked by a dead process's transaction within seconds (%s)",
    async (key) => {
      const { url } = await service();
      const user = newUser();
      await create(url, user);
      const dead = await opened(uri);
      const session = dead.client.startSession();
      session.startTransaction();
      await dead.db
        .collection("users")
        .updateOne({ _id: new ObjectId(user) }, { $set: { name: "Ada" } }, { session });
      const begun = Date.now();
      expect((await create(url, user, { key })).status).toBe(201);
      expect(Date.now() - begun).toBeLessThan(7_000);
      expect(await kept(user)).toMatchObject({ items: 2, distinct: 2, rev: 2 });
      await expect(session.commitTransaction()).rejects.toThrow();
    },
  );

  test("answers 503 with Retry-After within 15 s when MongoDB stays down, and stores nothing", async () => {
    const { url } = await service();
    const [one, other] = [newUser(), newUser()];
    const commit = await committer(await opened(uri));
    const repair = await fail("alwaysOn", { failCommands: ["update", "bulkWrite"], closeConnection: true });
    const begun = Date.now();
    const [inboxOnly, answer] = await Promise.all([
      commit([planned(one, 1, false)], new Map()),
      login(url, other),
    ]);
    expect(Date.now() - begun).toBeLessThan(15_000);
    expect(inboxOnly).toMatchObject([{ code: "database_unavailable" }]);
    expect(answer).toMatchObject({ status: 503, body: { error: { code: "database_unavailable" } } });
    expect(answer.headers.get("retry-after")).toMatch(/^\d+$/);
    await repair();
    for (const user of [one, other])
      expect(await kept(user)).toEqual({ items: 0, distinct: 0, rev: 0, deliveries: 0 });
    expect((await login(url, other)).status).toBe(201);
  });

  test("a create in a full inbox of 100 costs at most twice the oplog of a plain append", async () => {
    const { url } = await startService({ DB_URI: uri, INBOX_LIMIT: "100", ROLES: "api" });
    const data = { text: "x".repeat(120), from: newUser() };
    const user = newUser();
    await pipelined(
      url,
      Array.from({ length: 130 }, () => ({ user_id: user, key: "new_message", data })),
    );
    const creates = await oplogBytes(52, async () => {
      expect((await create(url, user, { data })).status).toBe(201);
    });
    expect((await listOf(url, user)).elements).toBe(100);

    // The same items, appended with a plain `$push` to an array of the same length.
    const users = own().collection<{ _id: ObjectId; notifications: Document[] }>("users");
    const { notifications = [] } = (await users.findOne({ _id: new ObjectId(user) })) ?? {};
    expect(notifications.length).toBeGreaterThanOrEqual(100);
    const twin = new ObjectId();
    await users.insertOne({ _id: twin, notifications });
    const item = notifications.at(-1) as Document;
    const appends = await oplogBytes(52, async () => {
      await users.updateOne({ _id: twin }, { $push: { notifications: item } });
    });
    process.stdout.write(
      `oplog bytes at a full inbox of 100: ${creates} a create, ${appends} a plain append (${(creates / appends).toFixed(2)} ×)\n`,
    );
    expect(appends).toBeGreaterThan(200);
    expect(creates).toBeLessThanOrEqual(2 * appends);

    async function oplogBytes(times: number, write: () => Promise<void>): Promise<number> {
      const oplog = client.db("local").collection("oplog.rs");
      const [last] = await oplog.find().sort({ $natural: -1 }).limit(1).toArray();
      for (let n = 0; n < times; n++) await write();
      const [sum] = await oplog
        .aggregate([
          { $match: { ts: { $gt: last?.ts as Timestamp }, ns: `${own().databaseName}.users` } },
          { $group: { _id: null, bytes: { $sum: { $bsonSize: "$$ROOT" } }, entries: { $sum: 1 } } },
        ])
        .toArray();
      expect(sum?.entries).toBe(times);
      return Math.round(sum?.bytes / times);
    }
  });
});

describe("a MongoDB without a replica set", () => {
  let standalone: Awaited<ReturnType<typeof startStandalone>>;
  beforeAll(async () => {
    standalone = await startStandalone();
  });
  afterAll(() => standalone.close());

  test("works, with a warning at the start, and stores a bad item's neighbours", async () => {
    const lines: string[] = [];
    const { uri } = standalone;
    const { config } = loadConfig({ PORT: "0", DB_URI: uri });
    const app = await startApp(config, pino({}, { write: (line: string) => lines.push(line) }));
    onTestFinished(() => app.close());
    expect(lines.map((line) => JSON.parse(line)).filter((line) => line.level === 40)).toMatchObject([
      { msg: expect.stringMatching(/standalone server/) },
    ]);
    const url = app.url as string;
    const client = new MongoClient(uri);
    onTestFinished(() => client.close());
    const users = client.db().collection<{ _id: ObjectId; notifications: unknown }>("users");
    const poison = newUser();
    await users.insertOne({ _id: new ObjectId(poison), notifications: "none yet" });
    const good = Array.from({ length: 10 }, newUser);
    const both = [...good, poison].flatMap((user) => [
      create(url, user),
      create(url, user, { key: "new_login" }),
    ]);
    expect((await Promise.all(both)).map((answer) => answer.status)).toEqual(
      [...good, poison].flatMap((user) => (user === poison ? [409, 409] : [201, 201])),
    );
    for (const user of good) {
      const { list } = await listOf(url, user);
      expect(list.map((item: { key: string }) => item.key).sort()).toEqual(["new_login", "new_message"]);
    }
    const deliveries = client.db().collection("deliveries");
    const mine = { user: { $in: good.map((user) => new ObjectId(user)) }, state: "sent" };
    await eventually(async () => (await deliveries.countDocuments(mine)) === 10, "the mails are captured");
    const captured = (await call(url, "GET", "/v1/captured?limit=100")).body;
    for (const user of good) expect(JSON.stringify(captured)).toContain(user);
  });
});

/** Belfry's own connection, closed after the test. */
async function opened(uri: string): Promise<Connection> {
  const connection = await connect(uri);
  onTestFinished(() => connection.client.close());
  return connection;
}

/** Set up as in the service. */
async function committer(connection: Connection, options: Partial<CommitOptions> = {}) {
  const { bulkWrites } = await prepareCollections(connection.db);
  return createCommitter({
    ...connection,
    bulkWrites,
    inboxLimit: 100,
    newUser: {},
    tally: createTally(newId(), 90),
    now: Date.now,
    ...options,
  });
}

/** Deliveries counted as accepted, of all channels. */
async function accepted(db: Db): Promise<number> {
  const buckets = await db.collection<{ accepted?: Record<string, number> }>("ledger").find().toArray();
  return buckets
    .flatMap((bucket) => Object.values(bucket.accepted ?? {}))
    .reduce((sum, count) => sum + count, 0);
}

function planned(
  user: string,
  n: number,
  withDelivery: boolean,
  words: object = { data: { n } },
): PlannedNotification {
  const id = newId();
  const key = withDelivery ? "new_login" : "new_message";
  return {
    id,
    user,
    item: { id, timestamp: 1_700_000_000 + n, is_new: true, user_id: user, key, ...words },
    deliveries: withDelivery ? [{ id: newId(), channel: "email", content: { key, at: 0, ...words } }] : [],
  };
}

/** Sends all bodies at once on one connection (HTTP pipelining); the statuses in order. */
function pipelined(url: string, bodies: object[]): Promise<number[]> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connectSocket(Number(port), hostname);
    let text = "";
    socket.on("error", reject);
    socket.on("close", () => reject(new Error(`closed after ${text.split("HTTP/1.1 ").length - 1} answers`)));
    socket.on("data", (chunk) => {
      text += chunk;
      const statuses = [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map((match) => Number(match[1]));
      if (statuses.length < bodies.length) return;
      resolve(statuses);
      socket.destroy();
    });
    socket.write(
      bodies
        .map((body) => {
          const json = JSON.stringify(body);
          const head = `host: ${hostname}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(json)}`;
          return `POST /create HTTP/1.1\r\n${head}\r\n\r\n${json}`;
        })
        .join(""),
    );
  });
}
