import { execFile } from "node:child_process";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual } from "node:util";
import { MongoClient } from "mongodb";
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import type { HeldDelivery } from "../src/model/delivery.ts";
import { createClaims } from "../src/store/claims.ts";
import { type DeliveryDocument, deliveriesOf } from "../src/store/deliveries.ts";
import { createDigestStore } from "../src/store/digests.ts";
import { newId, storedUserId } from "../src/store/ids.ts";
import { usersOf } from "../src/store/inbox.ts";
import { createTally } from "../src/store/tally.ts";
import { openSocket, type SocketDevice } from "./http/live/clients.ts";
import { type Cluster, startCluster } from "./support/cluster.ts";
import { sized } from "./support/form.ts";
import { call } from "./support/http.ts";
import { eventually, startService } from "./support/service.ts";
import { startSmtp } from "./support/smtp.ts";

/** The essentials on a sharded cluster. `npm run test:sharded` runs the suites of the store and others on one. */
let cluster: Cluster;
let uri: string;
let client: MongoClient;

beforeAll(async () => {
  cluster = await startCluster({ log: (line) => void process.stdout.write(`${line}\n`) });
  uri = `${cluster.uri}belfry`;
  client = new MongoClient(uri);
  // The first time, it fetches mongos.
}, 400_000);
afterAll(async () => {
  await client?.close();
  await cluster?.close();
});

const program = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));

function shard(args: string[] = [], to = uri): Promise<{ code: number; out: string; err: string }> {
  const { PATH = "", HOME = "" } = process.env;
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [program, "shard", ...args],
      { env: { PATH, HOME, DB_URI: to }, cwd: tmpdir() },
      (error, out, err) => resolve({ code: error ? Number(error.code) : 0, out, err }),
    );
  });
}

const commands = `db.getSiblingDB("belfry").users.createIndex({"_id":"hashed"})
db.adminCommand({"shardCollection":"belfry.users","key":{"_id":"hashed"}})
db.getSiblingDB("belfry").deliveries.createIndex({"user":"hashed"})
db.adminCommand({"shardCollection":"belfry.deliveries","key":{"user":"hashed"}})
`;

test("belfry shard shards users and deliveries by user, once, and shows its commands", async () => {
  const sharded = () => client.db("config").collection<{ _id: string }>("collections");
  const names = () => sharded().distinct("_id", { _id: /^belfry\./ });
  expect(await shard(["--dry-run"])).toEqual({ code: 0, out: commands, err: "Nothing was changed.\n" });
  expect(await names()).toEqual([]);
  const first = await shard();
  expect(first).toMatchObject({ code: 0, out: commands });
  expect(first.err).toMatch(/users and deliveries are sharded by user\.\n$/);
  expect((await names()).sort()).toEqual(["belfry.deliveries", "belfry.users"]);
  expect(await shard()).toEqual({
    code: 0,
    out: "",
    err: "users and deliveries are sharded by user already. Nothing to do.\n",
  });
});

test("belfry shard refuses a server that is no mongos, and another shard key", async () => {
  const [hosts] = await client.db("config").collection<{ host: string }>("shards").distinct("host");
  const [name, members] = String(hosts).split("/");
  expect(await shard([], `mongodb://${members}/?replicaSet=${name}`)).toMatchObject({
    code: 1,
    err: expect.stringMatching(/^MongoDB is not a sharded cluster here: DB_URI must name its mongos\./),
  });
  const key = { email: 1 };
  await client.db("admin").command({ shardCollection: "other.users", key });
  expect(await shard([], `${cluster.uri}other`)).toMatchObject({
    code: 1,
    err: 'other.users is sharded by {"email":1}, and Belfry\'s statements need {"_id":"hashed"}.\n',
  });
});

test("no inbox item is lost or stored twice while parts of the inboxes move between the shards", async () => {
  const moves = sized(40, 4);
  const { url } = await startService({ DB_URI: uri, ROLES: "api", INBOX_LIMIT: "1000" });
  const config = client.db("config");
  const [inboxes, shards] = await Promise.all([
    config.collection<{ _id: string; uuid: object }>("collections").findOne({ _id: "belfry.users" }),
    config.collection<{ _id: string }>("shards").distinct("_id"),
  ]);
  // So that a part moves between the two halves of an update.
  for (const { host } of await config.collection<{ host: string }>("shards").find().toArray()) {
    const direct = new MongoClient(`mongodb://${host.split("/")[1]?.split(",")[0]}/?directConnection=true`);
    onTestFinished(() => direct.close());
    const { primary } = await direct.db("admin").command({ hello: 1 });
    const own = new MongoClient(`mongodb://${primary}/?directConnection=true`);
    onTestFinished(async () => {
      await own.db("admin").command({ configureFailPoint: "failCommand", mode: "off" });
      await own.close();
    });
    await own.db("admin").command({
      configureFailPoint: "failCommand",
      mode: { activationProbability: 0.5 },
      data: { failCommands: ["update"], blockConnection: true, blockTimeMS: 150 },
    });
  }
  let isMoving = true;
  type Part = { uuid: object | undefined; min: object; max: object; shard: string };
  async function moveParts(): Promise<number> {
    let moved = 0;
    while (moved < moves) {
      const parts = await config
        .collection<Part>("chunks")
        .find({ uuid: inboxes?.uuid })
        .sort({ min: 1 })
        .toArray();
      const { min, max, shard } = parts[moved % parts.length] as Part;
      const toShard = shards.find((one) => one !== shard);
      await client.db("admin").command({ moveRange: "belfry.users", min, max, toShard });
      moved++;
    }
    isMoving = false;
    return moved;
  }
  const users = Array.from({ length: 400 }, newId);
  // Otherwise a part moves in no time.
  const filler = {
    id: newId(),
    key: "new_message",
    timestamp: 0,
    is_new: false,
    data: { text: "x".repeat(1_000) },
  };
  await usersOf(client.db("belfry")).insertMany(
    users.map((user) => ({
      _id: storedUserId(user),
      rev: 1,
      notifications: Array(100).fill(filler),
    })) as never[],
  );
  const stored = new Map<number, string>();
  let next = 0;
  async function send(): Promise<void> {
    while (isMoving) {
      const n = next++;
      const user = users[n % users.length] as string;
      const { status } = await call(url, "POST", "/create", {
        user_id: user,
        key: "new_message",
        data: { n },
      });
      if (status === 201) stored.set(n, user);
    }
  }
  const [moved] = await Promise.all([moveParts(), ...Array.from({ length: 24 }, send)]);
  const found = await usersOf(client.db("belfry"))
    .find({ _id: { $in: users.map(storedUserId) } })
    .toArray();
  const counts = new Map<number, number>();
  for (const { notifications = [] } of found)
    for (const { data } of notifications)
      if (typeof data?.n === "number") counts.set(data.n, (counts.get(data.n) ?? 0) + 1);
  const lost = [...stored.keys()].filter((n) => !counts.has(n));
  const twice = [...counts].filter(([, count]) => count > 1).map(([n]) => n);
  expect({ moved, lost, twice }).toEqual({ moved: moves, lost: [], twice: [] });
  expect(stored.size).toBeGreaterThan(100);
});

/** How many statements on sharded collections the router has sent to one shard, and to several. */
async function targeted(): Promise<{ one: number; several: number }> {
  const { shardingStatistics, metrics } = await client.db("admin").command({ serverStatus: 1 });
  const counts = Object.values<Record<string, number>>(shardingStatistics.numHostsTargeted);
  const sum = (name: string) => counts.reduce((all, one) => all + (one[name] ?? 0), 0);
  // `findAndModify` is not among them, and has a count of its own for those without the shard key.
  const untargeted = Object.entries<number>(metrics.query).flatMap(([name, count]) =>
    /NonTargeted|WithoutShardKey|Broadcast/.test(name) ? [count] : [],
  );
  const several = untargeted.reduce((all, one) => all + one, sum("allShards") + sum("manyShards"));
  return { one: sum("oneShard"), several };
}

async function asksOneShard<T>(what: string, work: () => Promise<T>): Promise<T> {
  const before = await targeted();
  const result = await work();
  expect([what, (await targeted()).several - before.several]).toEqual([what, 0]);
  return result;
}

/** A user with each kind of id on each shard. */
async function someoneOnEachShard(): Promise<string[]> {
  const found = new Map<string, string>();
  for (let n = 0; found.size < 4; n++) {
    const user = n % 2 === 0 ? newId() : `user-${n}`;
    const plan = await usersOf(client.db("belfry"))
      .find({ _id: storedUserId(user) })
      .explain();
    const [shard] = plan.queryPlanner.winningPlan.shards;
    found.set(`${shard.shardName} ${n % 2}`, user);
  }
  return [...found.values()];
}

test("every request and every step of a delivery about one user asks one shard", async () => {
  // Without workers and devices, which look for work on all shards; and the statistics, which do so by the clock, only once.
  vi.useFakeTimers({ toFake: ["setInterval"] });
  onTestFinished(() => void vi.useRealTimers());
  const { url } = await startService({ DB_URI: uri, ROLES: "api", EMAIL: "user@receiver.example" });
  await eventually(async () => (await call(url, "GET", "/v1/stats")).body.samples.length > 0, "the sample");
  const db = client.db("belfry");
  const claims = createClaims(db, "email", { retentionDays: 90, routed: true });
  const digests = createDigestStore({
    client,
    db,
    transactions: true,
    now: Date.now,
    storedAt: Date.now,
    newId,
    retentionDays: 90,
    tally: createTally(newId(), 90),
  });
  const lease = () => ({ token: newId(), until: Date.now() + 60_000 });
  const settled = { state: "sent" as const, tries: 1, attempts: [] };
  for (const user of await someoneOnEachShard()) {
    const of = `/v1/users/${user}`;
    const request = async (method: string, path: string, body?: unknown) => {
      const answer = await asksOneShard(`${method} ${path}`, () => call(url, method, path, body));
      expect(answer.status, `${method} ${path} ${JSON.stringify(answer.body)}`).toBeLessThan(300);
      return answer.body;
    };
    const create = async () => {
      await request("POST", "/v1/notifications", { recipients: [user], type: "new_login" });
      return (await request("GET", `${of}/inbox`)).items[0].id as string;
    };
    /** A claim looks for candidates on every shard, and asks for nothing else there. */
    const claim = async (): Promise<HeldDelivery> => {
      const before = await targeted();
      const [held] = await claims.claim(1, lease(), Date.now());
      expect((await targeted()).several - before.several).toBe(1);
      return held as HeldDelivery;
    };
    const item = await create();
    await request("POST", `${of}/inbox/${item}/read`);
    await request("POST", `${of}/inbox/${item}/archive`);
    await request("PATCH", `${of}/preferences`, { "*": { sms: false } });
    await request("PUT", of, { email: "someone@receiver.example" });
    const delivery = await claim();
    await asksOneShard("begin", () => claims.begin(delivery, "again"));
    await asksOneShard("renew", () => claims.renew([delivery], Date.now() + 90_000));
    expect(await asksOneShard("settle", () => claims.settle([{ delivery, ...settled }], Date.now()))).toEqual(
      {
        lost: 0,
      },
    );
    await request("GET", `/v1/notifications/${item}?user_id=${user}`);
    const other = await create();
    const waits = await claim();
    await asksOneShard("release", () => claims.release([waits], Date.now(), Date.now()));
    const joining = {
      delivery: await claim(),
      hold: { scope: "types.new_login", due: Date.now() + 3_600_000 },
      decision: { at: Date.now(), verdict: "hold" as const, rule: "digest" as const },
    };
    expect(await asksOneShard("join", () => digests.join([joining]))).toEqual(["held"]);
    await request("POST", "/v1/notifications/recall", { id: other, user_id: user });
    const before = await targeted();
    expect((await call(url, "DELETE", of)).status).toBe(204);
    // Its deliveries become those of nobody, who may be on the other shard; each statement names one of the two.
    expect((await targeted()).several).toBe(before.several);
    expect(await deliveriesOf(db).countDocuments({ user: storedUserId(user) })).toBe(0);
  }
  expect((await targeted()).one).toBeGreaterThan(100);
  // Three each: two mails and a digest.
  expect(await deliveriesOf(db).countDocuments({ user: "" })).toBe(12);
});

test("a service on a cluster sends each mail once, from every shard, and its ledger balances", async () => {
  const sink = await startSmtp();
  const { url } = await startService({ DB_URI: uri, ...sink.variables, EMAIL: "user@receiver.example" });
  const users = Array.from({ length: 40 }, (_, n) => (n % 2 === 0 ? newId() : `someone-${n}`));
  const created = await Promise.all(
    users.map((user) => call(url, "POST", "/v1/notifications", { recipients: [user], type: "new_login" })),
  );
  expect(created.map((one) => one.status)).toEqual(users.map(() => 201));
  const theirs = { user: { $in: users.map(storedUserId) } };
  const deliveries = client.db("belfry").collection<DeliveryDocument>("deliveries");
  await eventually(
    async () => (await deliveries.countDocuments({ ...theirs, state: "sent" })) === users.length,
    "all are sent",
  );
  expect(new Set(sink.mails.map((one) => one.messageId)).size).toBe(users.length);
  expect(sink.mails).toHaveLength(users.length);
  const plan = await deliveries.find(theirs).explain("executionStats");
  const found = plan.executionStats.executionStages.shards.map((one: { nReturned: number }) => one.nReturned);
  expect(found).toHaveLength(2);
  expect(Math.min(...found)).toBeGreaterThan(0);
  const { body } = await call(url, "GET", "/v1/ledger");
  expect(body.total).toMatchObject({ accepted: users.length + 12, sent: users.length + 4, balanced: true });
  await sink.close();
});

/** One connected device of each user on each instance. */
async function listening(users: string[], urls: string[]) {
  const devices = users.flatMap((user) =>
    urls.map((url) => ({ user, socket: openSocket(url, `/v1/users/${user}/live`) })),
  );
  await eventually(() => devices.every(({ socket }) => socket.messages.length > 0), "all listen");
  return devices;
}

const itemsOf = ({ messages }: SocketDevice) =>
  messages.flatMap((one) =>
    one.type === "changes" ? one.changes.flatMap((it) => ("item" in it ? [it.item.id] : [])) : [],
  );

async function inboxOf(url: string, user: string): Promise<string[]> {
  const { body } = await call(url, "GET", `/v1/users/${user}/inbox`);
  return body.items.map((item: { id: string }) => item.id).reverse();
}

test("devices of all instances miss no change while a shard's primary, the router or the config server is killed", async () => {
  const variables = { DB_URI: uri, ROLES: "api,realtime" };
  const [a, b] = [await startService(variables), await startService(variables)];
  const users = await someoneOnEachShard();
  const devices = await listening(users, [a.url, b.url]);
  /** Stored once at least: after an answer that was lost, it is stored again. */
  const notifyAll = () =>
    Promise.all(
      users.map((user) =>
        eventually(
          async () =>
            (await call(a.url, "POST", "/v1/notifications", { recipients: [user], type: "new_message" }))
              .status === 201,
          "notifications are taken",
          60,
        ),
      ),
    );
  const haveAll = () =>
    eventually(async () => {
      const inboxes = new Map(
        await Promise.all(users.map(async (user) => [user, await inboxOf(b.url, user)] as const)),
      );
      return devices.every(({ user, socket }) => isDeepStrictEqual(itemsOf(socket), inboxes.get(user)));
    }, "each device has what the inbox holds");
  await notifyAll();
  await haveAll();
  for (const kill of [cluster.killPrimary, cluster.killRouter, cluster.killConfig]) {
    const restart = await kill();
    const during = notifyAll();
    await restart();
    await during;
    await notifyAll();
    await haveAll();
  }
});
