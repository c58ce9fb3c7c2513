import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Db, MongoClient, ObjectId } from "mongodb";
import { afterAll, afterEach, beforeAll, beforeEach, expect, onTestFinished, test } from "vitest";
import { type ManagedMongod, startManagedMongod } from "../../mongod/index.ts";
import { userHash } from "../../src/model/user-id.ts";
import { createHints, hintBytes, hintsOf } from "../../src/store/hints.ts";
import { watchUsers } from "../../src/store/watch.ts";
import { failCommands } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";

// This file has its own MongoDB, because injected failures must not break another file's tests.
const folder = mkdtempSync(join(tmpdir(), "belfry-watch-"));
let mongod: ManagedMongod;
let client: MongoClient;
let db: Db;
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
beforeEach(async () => {
  const name = `watch_${databases++}`;
  const address = new URL(mongod.uri);
  address.pathname = `/${name}`;
  uri = address.href;
  db = client.db(name);
  await createHintCollection();
});
afterEach(() => failCommands(client, { times: 1 }, { failCommands: [] }).then((off) => off()));

const createHintCollection = () => db.createCollection("hints", { capped: true, size: hintBytes });

/** Follows until the end of the test and records the calls. */
function follow(at = uri) {
  const told = { changed: [] as number[], lost: 0, logged: [] as string[] };
  const line = (_details: object, message: string) => void told.logged.push(message);
  const watch = watchUsers(
    {
      uri: at,
      onChange: (hashes) => told.changed.push(...hashes),
      onLost: () => {
        told.lost++;
      },
      random: Math.random,
      log: { info: line, warn: line },
    },
    { from: "this instance", serverNow: Date.now },
  );
  onTestFinished(() => watch.close());
  const open = () => eventually(() => watch.open, "hints are followed");
  const hears = (...ids: string[]) =>
    eventually(() => ids.every((id) => told.changed.includes(userHash(id))), `hears of ${ids}`);
  return { watch, told, open, hears };
}

/** Errors for the cursor only: other commands keep working. */
const breakCursor = (
  mode: Parameters<typeof failCommands>[1],
  how: Partial<Parameters<typeof failCommands>[2]>,
  commands = ["find", "getMore"],
) =>
  failCommands(client, mode, {
    failCommands: commands,
    namespace: `${db.databaseName}.hints`,
    appName: "belfry",
    ...how,
  });

/** Another instance. */
const other = () => createHints(db, Date.now);

test("hears of the users of other instances, and not of its own", async () => {
  const { open, hears, told, watch } = follow();
  await open();
  expect(told.lost).toBe(1);
  const id = new ObjectId().toHexString();
  const many = Array.from({ length: 2_500 }, (_, n) => `user ${n}`);
  await hintsOf(db).insertOne({ _id: new ObjectId(), from: "this instance", users: [1] });
  other().tell(["alex", id]);
  const { tell } = other();
  for (const one of many) tell([one]);
  await hears("alex", id, ...many);
  expect(told.changed).toHaveLength(2_502);
  expect([told.lost, told.logged, watch.open]).toEqual([1, [], true]);
});

test("users who changed while one hint was written share the next", async () => {
  const { tell, written } = other();
  for (const user of ["alex", "bob", "alex", "carl"]) tell([user]);
  await written();
  const hints = await hintsOf(db).find().toArray();
  expect(hints.map((one) => one.users)).toEqual(
    [["alex"], ["bob", "alex", "carl"]].map((all) => all.map(userHash)),
  );
});

test("the more users a hint has, the longer the next one gathers others: 2 ms for each, 12 ms at most", async () => {
  const pauses: number[] = [];
  let end = () => {};
  const sleep = (ms: number) => {
    pauses.push(ms);
    return new Promise<void>((resolve) => {
      end = resolve;
    });
  };
  const { tell, written } = createHints(db, Date.now, sleep);
  const paused = (times: number) => eventually(() => pauses.length === times, `pauses ${times} times`);
  tell(["alex"]);
  await paused(1);
  for (let n = 0; n < 7; n++) tell([`user ${n}`]);
  expect(await hintsOf(db).countDocuments()).toBe(1);
  end();
  await paused(2);
  end();
  await written();
  expect(pauses).toEqual([2, 12]);
  expect((await hintsOf(db).find().toArray()).map(({ users }) => users?.length)).toEqual([1, 7]);
});

test("too many users for a hint are anyone", async () => {
  const { open, told } = follow();
  await open();
  const { tell } = other();
  tell(["alex"]);
  tell(Array.from({ length: 20_001 }, (_, n) => `user ${n}`));
  tell(["bob"]);
  await eventually(() => told.lost === 2, "hears that anyone may have changed");
  expect(told.changed).toEqual([userHash("alex")]);
});

test("a hint that cannot be written is lost, and the next one is written", async () => {
  const { tell, written } = other();
  const heal = await failCommands(client, { times: 1 }, { failCommands: ["insert"], errorCode: 13 });
  tell(["alex"]);
  await written();
  await heal();
  tell(["bob"]);
  await written();
  expect((await hintsOf(db).find().toArray()).map((one) => one.users)).toEqual([[userHash("bob")]]);
});

test.each([
  ["its connection is cut", { closeConnection: true }],
  ["the server is shutting down", { errorCode: 91 }],
  ["its cursor is gone", { errorCode: 43 }],
  ["it was overtaken", { errorCode: 136 }],
])("calls onLost and goes on when %s", async (_, how) => {
  const { open, hears, told } = follow();
  await open();
  await breakCursor({ times: 1 }, how, ["getMore"]);
  const { tell } = other();
  // Wakes the cursor.
  tell(["alex"]);
  await eventually(() => told.lost > 1, "hears that something may have been missed");
  tell(["bob"]);
  await hears("bob");
});

test("keeps retrying while hints cannot be followed, with one line in the log", async () => {
  const { open, hears, told, watch } = follow();
  await open();
  const heal = await breakCursor("alwaysOn", { closeConnection: true });
  const { tell } = other();
  // Wakes the cursor, which waits for this one.
  tell(["alex"]);
  await eventually(() => !watch.open, "the cursor is down");
  tell(["bob"]);
  expect(told).toMatchObject({ changed: [userHash("alex")], lost: 1, logged: [expect.anything()] });
  await heal();
  await hears("bob");
  tell(["carl"]);
  await eventually(() => told.logged.length > 1, "says that it works again");
  expect(told.logged).toEqual([
    expect.stringMatching(/cannot be followed/),
    expect.stringMatching(/followed again/),
  ]);
});

test("a cursor that opens and always fails does not use the processor", async () => {
  const { open, hears } = follow();
  await open();
  const heal = await breakCursor("alwaysOn", { errorCode: 43 }, ["getMore"]);
  other().tell(["alex"]);
  const openings = async () => (await client.db("admin").command({ serverStatus: 1 })).opcounters.query;
  const before = await openings();
  await eventually(async () => (await openings()) - before >= 3, "it is opened again");
  const since = Date.now();
  const few = await openings();
  await eventually(async () => (await openings()) - few >= 2, "and again");
  // After a pause of at least 0.4 s.
  expect(Date.now() - since).toBeGreaterThan(300);
  await heal();
  other().tell(["bob"]);
  await hears("bob");
});

test("follows the new collection when the collection is dropped", async () => {
  const { open, hears, told, watch } = follow();
  await open();
  await hintsOf(db).drop();
  await createHintCollection();
  await eventually(() => told.lost > 1 && watch.open, "it is followed again");
  other().tell(["bob"]);
  await hears("bob");
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
