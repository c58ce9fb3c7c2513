import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Collection, type Db, MongoClient, ObjectId } from "mongodb";
import { afterAll, afterEach, beforeAll, beforeEach, expect, onTestFinished, test } from "vitest";
import { type ManagedMongod, startManagedMongod } from "../../mongod/index.ts";
import { watchUsers } from "../../src/store/watch.ts";
import { failCommands } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";

// This file has its own MongoDB, because injected failures must not break another file's tests.
const folder = mkdtempSync(join(tmpdir(), "belfry-watch-"));
let mongod: ManagedMongod;
let client: MongoClient;
let db: Db;
let users: Collection<{ _id: ObjectId | string | number; rev?: number }>;
let uri: string;

beforeAll(async () => {
  mongod = await startManagedMongod({ dataDir: folder, testCommands: true, log: () => {} });
  client = new MongoClient(mongod.uri);
});
afterAll(async () => {
  await client.close();
  await mongod.close();
  rmSync(folder, { recursive: true });
});
let databases = 0;
beforeEach(() => {
  const name = `watch_${databases++}`;
  const address = new URL(mongod.uri);
  address.pathname = `/${name}`;
  uri = address.href;
  db = client.db(name);
  users = db.collection("users");
});
afterEach(() => failCommands(client, { times: 1 }, { failCommands: [] }).then((off) => off()));

/** Follows until the end of the test and records the calls. */
function follow(at = uri) {
  const told = { changed: [] as string[], lost: 0, logged: [] as string[] };
  const line = (_details: object, message: string) => void told.logged.push(message);
  const watch = watchUsers({
    uri: at,
    onChange: (user) => told.changed.push(user),
    onLost: () => {
      told.lost++;
    },
    random: Math.random,
    log: { info: line, warn: line },
  });
  onTestFinished(() => watch.close());
  const open = () => eventually(() => watch.open, "the stream is open");
  const hears = (...ids: string[]) =>
    eventually(
      () => ids.every((id) => told.changed.includes(id)),
      `hears of ${ids}, not only ${told.changed}`,
    );
  return { watch, told, open, hears };
}

/** Errors for the stream only: other commands keep working. */
const breakStream = (
  mode: Parameters<typeof failCommands>[1],
  how: Partial<Parameters<typeof failCommands>[2]>,
  commands = ["aggregate", "getMore"],
) =>
  failCommands(client, mode, {
    failCommands: commands,
    namespace: `${db.databaseName}.users`,
    appName: "belfry",
    ...how,
  });

test("reports users that another program creates, changes, replaces or deletes, by their public id", async () => {
  const { open, hears, told } = follow();
  await open();
  expect(told.lost).toBe(1);
  const id = new ObjectId();
  await users.insertMany([{ _id: "alex" }, { _id: id }, { _id: 7 }]);
  await hears("alex", id.toHexString());
  told.changed.length = 0;
  await users.updateOne({ _id: "alex" }, { $inc: { rev: 1 } });
  await users.replaceOne({ _id: id }, { rev: 9 });
  await hears("alex", id.toHexString());
  told.changed.length = 0;
  await users.deleteMany({});
  await db.collection("deliveries").insertOne({ about: "something else" });
  await users.insertOne({ _id: "the last" });
  await hears("the last");
  expect(told.changed.sort()).toEqual(["alex", id.toHexString(), "the last"].sort());
  expect([told.lost, told.logged]).toEqual([1, []]);
});

test.each([
  ["its connection is cut", { closeConnection: true }],
  ["the server is shutting down", { errorCode: 91 }],
])("misses nothing and calls no onLost when %s again and again", async (_, how) => {
  const { open, hears, told } = follow();
  await open();
  const ids = Array.from({ length: 300 }, (_, n) => `user ${n}`);
  for (const [n, _id] of ids.entries()) {
    if (n % 30 === 0) await breakStream({ times: 1 }, how, ["getMore"]);
    await users.insertOne({ _id });
  }
  await hears(...ids);
  expect(told.lost).toBe(1);
});

test("keeps retrying while the stream cannot be opened, with one line in the log", async () => {
  const { open, hears, told, watch } = follow();
  await open();
  const heal = await breakStream("alwaysOn", { closeConnection: true });
  await eventually(() => !watch.open, "the stream is down");
  await users.insertMany([{ _id: "alex" }, { _id: "bob" }]);
  expect(told.changed).toEqual([]);
  expect(told.logged).toHaveLength(1);
  await heal();
  await hears("alex", "bob");
  await eventually(() => told.logged.length === 2, "says that it works again");
  expect(told).toMatchObject({
    lost: 1,
    logged: [expect.stringMatching(/cannot be followed/), expect.stringMatching(/open again/)],
  });
});

test("a stream that opens and always fails does not use the processor", async () => {
  const { open, told } = follow();
  await open();
  const heal = await breakStream("alwaysOn", { errorCode: 43 }, ["getMore"]);
  const before = await openings();
  await eventually(async () => (await openings()) - before >= 3, "it is opened again");
  const since = Date.now();
  const few = await openings();
  await eventually(async () => (await openings()) - few >= 2, "and again");
  // After a pause of at least 0.4 s. Without ours, the driver reopens it 1,000 times a second.
  expect(Date.now() - since).toBeGreaterThan(300);
  await heal();
  await eventually(async () => {
    await users.updateOne({ _id: "alex" }, { $inc: { rev: 1 } }, { upsert: true });
    return told.changed.includes("alex");
  }, "it follows again");

  async function openings(): Promise<number> {
    const { metrics } = await client.db("admin").command({ serverStatus: 1 });
    return metrics.aggStageCounters.$changeStream;
  }
});

test.each([
  ["the history is no longer kept", 286, "getMore"],
  ["the history is found to be no longer kept when it is opened again", 286, "aggregate"],
  ["its cursor is gone", 43, "getMore"],
])("calls onLost and continues from now when %s", async (_, errorCode, command) => {
  const { open, hears, told } = follow();
  await open();
  await breakStream({ times: 1 }, { errorCode }, [command]);
  // Makes the stream reopen.
  if (command === "aggregate") await client.db("admin").command({ killAllSessionsByPattern: [] });
  await eventually(() => told.lost > 1, "hears that something was missed");
  await open();
  await users.insertOne({ _id: "alex" });
  await hears("alex");
});

test("calls onLost and follows the new collection when the collection is dropped", async () => {
  const { open, hears, told, watch } = follow();
  await users.insertOne({ _id: "alex" });
  await open();
  const lost = told.lost;
  await users.drop();
  await eventually(() => told.lost > lost && watch.open, "hears that everyone is gone");
  await users.insertOne({ _id: "bob" });
  await hears("bob");
});

test("calls onLost repeatedly while MongoDB refuses the stream", async () => {
  await breakStream("alwaysOn", { errorCode: 13 }, ["aggregate"]);
  const { told, watch } = follow();
  await eventually(() => told.lost >= 3, "hears that something may have been missed");
  expect(watch.open).toBe(false);
  expect(told.logged).toHaveLength(1);
});

test("a stop waits neither for a silent stream nor for a server that does not answer", async () => {
  const silent = follow();
  await silent.open();
  await silent.watch.close();
  expect(silent.told.logged).toEqual([]);

  const frozen = follow();
  await frozen.open();
  mongod.kill("SIGSTOP");
  const since = Date.now();
  await frozen.watch.close().finally(() => mongod.kill("SIGCONT"));
  // The driver would wait for 65 s.
  expect(Date.now() - since).toBeLessThan(20_000);

  const nowhere = follow("mongodb://127.0.0.1:1/?directConnection=true");
  await nowhere.watch.close();
  expect(nowhere.watch.open).toBe(false);
});
