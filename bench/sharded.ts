import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MongoClient, ObjectId } from "mongodb";
import { prepareCollections } from "../src/store/indexes.ts";
import { shardSteps } from "../src/store/shard.ts";
import { type Cluster, startCluster } from "../test/support/cluster.ts";
import { median, percentile } from "./figures.ts";
import { inCrowd } from "./live/crowd.ts";
import { create } from "./live/writer.ts";
import { startService, stopServices } from "./service.ts";
import { measureClaims, type ShardedBench } from "./sharded-claims.ts";
import { inWords, type Step, writeReport } from "./sharded-report.ts";

/** `BENCH_ONLY=live` takes the parts whose names contain it. Only a whole run is written. */
const only = process.env.BENCH_ONLY;
const wanted = (part: string) => only === undefined || part.includes(only);

const users = 500;
const folder = mkdtempSync(join(tmpdir(), "belfry-sharded-"));
const say = (line: string) => process.stdout.write(`${line}\n`);
const steps: Step[] = [];
const note = (step: Step) => {
  steps.push(step);
  say(inWords(step).join("  "));
};

const clusters: ShardedBench[] = [];
try {
  for (const shards of [1, 2, 4]) clusters.push(await open(shards));
  if (wanted("claims")) for (const step of await measureClaims(clusters, say)) note(step);
  const [one, two] = clusters as [ShardedBench, ShardedBench];
  await clusters.pop()?.close();
  if (wanted("creates")) for (const each of [one, two]) await measureCreates(each);
  await clusters.shift()?.close();
  if (wanted("transactions")) await measureTransactions(two.client);
  if (wanted("live")) await measureLive(two.cluster);
  if (only === undefined) for (const file of writeReport(steps)) say(`wrote ${file}`);
} finally {
  await stopServices();
  for (const each of clusters) await each.close();
  rmSync(folder, { recursive: true, force: true });
}

async function open(shards: number): Promise<ShardedBench> {
  const cluster = await startCluster({ shards: Array.from({ length: shards }, () => 1) });
  const client = new MongoClient(cluster.uri);
  const db = client.db("bench");
  for (const { run } of await shardSteps(db)) await run();
  await prepareCollections(db);
  const close = async () => {
    await client.close();
    await cluster.close();
  };
  return { shards, cluster, client, close };
}

/** Creates with a mail: one after the other, and 64 at once. */
async function measureCreates({ cluster, shards }: ShardedBench): Promise<void> {
  const variables = { DB_URI: `${cluster.uri}bench`, ROLES: "api", EMAIL: "user@receiver.example" };
  const service = await startService(variables, folder);
  const one = (n: number) => create(service.url, n % 10_000, { n }, "new_login");
  for (let n = 0; n < 200; n++) await one(n);
  const times: number[] = [];
  for (let n = 0; n < 200; n++) {
    const at = performance.now();
    await one(n);
    times.push(performance.now() - at);
  }
  const rates: number[] = [];
  for (let round = 0; round < 3; round++) {
    const began = performance.now();
    let next = 0;
    await Promise.all(
      Array.from({ length: 64 }, async () => {
        while (next < 1_500) await one(next++);
      }),
    );
    rates.push(1_500 / ((performance.now() - began) / 1000));
  }
  note({
    name: "a create with a mail",
    shards,
    p50: percentile(times, 0.5),
    p99: percentile(times, 0.99),
    atOnce: 64,
    rate: median(rates),
  });
  await service.stop();
}

/** The writes of a create with a delivery, in one transaction: all on one shard, and the user's part on another than the count. */
async function measureTransactions(client: MongoClient): Promise<void> {
  const db = client.db("bench");
  const shardOf = async (user: ObjectId): Promise<string> => {
    const plan = await db.collection("users").find({ _id: user }).explain();
    return plan.queryPlanner.winningPlan.shards[0].shardName;
  };
  const databases = client.db("config").collection<{ _id: string; primary: string }>("databases");
  const primary = (await databases.findOne({ _id: "bench" }))?.primary;
  const near: ObjectId[] = [];
  const far: ObjectId[] = [];
  while (near.length < 50 || far.length < 50) {
    const user = new ObjectId();
    ((await shardOf(user)) === primary ? near : far).push(user);
  }
  const store = async (user: ObjectId, slot: number) => {
    await client.withSession((session) =>
      session.withTransaction(async () => {
        await db
          .collection("deliveries")
          .insertOne({ user, notification: new ObjectId(), state: "sent" }, { session });
        const count = { $inc: { n: 1 } };
        await db
          .collection("ledger")
          .updateOne({ _id: `${slot}` as never }, count, { upsert: true, session });
        await db.collection("users").updateOne({ _id: user }, count, { upsert: true, session });
      }),
    );
  };
  for (const [name, them] of [
    ["one shard", near],
    ["two shards", far],
  ] as const) {
    for (const user of them.slice(0, 50)) await store(user, 0);
    const times: number[] = [];
    for (let n = 0; n < 150; n++) {
      const began = performance.now();
      await store(them[n % 50] as ObjectId, 0);
      times.push(performance.now() - began);
    }
    const began = performance.now();
    await Promise.all(
      Array.from({ length: 8 }, async (_, slot) => {
        for (let n = 0; n < 50; n++) await store(them[(slot + 8 * n) % 48] as ObjectId, slot);
      }),
    );
    const rate = 400 / ((performance.now() - began) / 1_000);
    note({
      name: `a transaction on ${name}`,
      p50: percentile(times, 0.5),
      p99: percentile(times, 0.99),
      atOnce: 8,
      rate,
    });
  }
}

/** From the 201 to a socket at the other instance. */
async function measureLive(cluster: Cluster): Promise<void> {
  const variables = {
    DB_URI: `${cluster.uri}bench`,
    ROLES: "api,realtime",
    LIVE_CONNECTIONS_PER_ADDRESS: "1000000",
  };
  const [near, far] = await Promise.all([startService(variables, folder), startService(variables, folder)]);
  const target = { kind: "belfry" as const, near: near.url, far: far.url, pid: near.pid };
  const pids = {
    near: near.pid,
    far: far.pid,
    ...Object.fromEntries(cluster.pids().map((pid, at) => [`server ${at}`, pid])),
  };
  const atRate = (rate: number, seconds: number) =>
    inCrowd("latency", { target, rate, seconds, users }, pids);
  // The first seconds after a start are slower.
  await atRate(100, 5);
  for (const rate of [5, 100, 250, 1_000]) {
    const { figures, cpu } = await atRate(rate, Math.max(20, 150 / rate));
    const spent = Object.entries(cpu).reduce(
      (sum, [name, percent]) => (name === "others" ? sum : sum + percent),
      0,
    );
    note({ name: `live, ${rate} changes a second`, ...(figures as Required<typeof figures>), spent });
  }
  await Promise.all([near.stop(), far.stop()]);
}
