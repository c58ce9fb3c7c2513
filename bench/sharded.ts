import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MongoClient, ObjectId } from "mongodb";
import { root } from "../chaos/fleet.ts";
import { createClaims } from "../src/store/claims.ts";
import { newId } from "../src/store/ids.ts";
import { prepareCollections } from "../src/store/indexes.ts";
import { shardSteps } from "../src/store/shard.ts";
import { type Cluster, startCluster } from "../test/support/cluster.ts";
import { newDelivery, userId } from "./data.ts";
import { median, percentile } from "./figures.ts";
import { inCrowd } from "./live/crowd.ts";
import { create } from "./live/writer.ts";
import { cores, cpuModel, cpuSeconds } from "./machine.ts";
import { startService, stopServices } from "./service.ts";

/** `BENCH_ONLY=live` takes the parts whose names contain it. Only a whole run is written. */
const only = process.env.BENCH_ONLY;
const wanted = (part: string) => only === undefined || part.includes(only);

const users = 500;
const deliveries = 4_000;
const folder = mkdtempSync(join(tmpdir(), "belfry-sharded-"));
const say = (line: string) => process.stdout.write(`${line}\n`);
const rows: string[][] = [];
const row = (...cells: Array<string | number>) => {
  rows.push(cells.map(String));
  say(cells.join("  "));
};

try {
  for (const shards of [1, 2, 4]) {
    const cluster = await startCluster({ shards: Array.from({ length: shards }, () => 1) });
    try {
      const client = new MongoClient(cluster.uri);
      const db = client.db("bench");
      for (const { run } of await shardSteps(db)) await run();
      await prepareCollections(db);
      if (wanted("transactions") && shards === 2) await measureTransactions(client);
      if (wanted("claims")) await measureClaims(client, cluster, shards);
      if (wanted("creates") && shards < 4) await measureCreates(cluster, shards);
      if (wanted("live") && shards === 2) await measureLive(cluster);
      await client.close();
    } finally {
      await stopServices();
      await cluster.close();
    }
  }
  const file = join(root, "docs", "results", "sharded.md");
  if (only === undefined) {
    writeFileSync(file, report());
    say(`wrote ${file}`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** A backlog, claimed and settled by four workers; the first claims warm up. */
async function measureClaims(client: MongoClient, cluster: Cluster, shards: number): Promise<void> {
  const claims = createClaims(client.db("bench"), "email", 90);
  const collection = client.db("bench").collection("deliveries");
  const batch = 50;
  const fill = async (count: number) => {
    const made = Array.from({ length: count }, (_, n) => newDelivery(userId(n % 10_000), newId()));
    await collection.insertMany(made);
  };
  const drain = () =>
    Promise.all(
      Array.from({ length: 4 }, async () => {
        for (;;) {
          const lease = { token: newId(), until: Date.now() + 60_000 };
          const held = await claims.claim(batch, lease, Date.now() + 1_000);
          if (held.length === 0) return;
          const sent = held.map((delivery) => ({ delivery, state: "sent" as const, tries: 1, attempts: [] }));
          await claims.settle(sent, Date.now());
        }
      }),
    );
  await fill(1_000);
  await drain();
  await fill(deliveries);
  const before = cluster.pids().reduce((sum, pid) => sum + cpuSeconds(pid), 0);
  const began = performance.now();
  await drain();
  const ms = (performance.now() - began) / deliveries;
  const cpu = (cluster.pids().reduce((sum, pid) => sum + cpuSeconds(pid), 0) - before) / deliveries;
  row(
    `claim and settle, per delivery, ${shards} shards`,
    `${ms.toFixed(2)} ms`,
    `${(cpu * 1000).toFixed(2)} ms of the servers' processor time`,
  );
}

/** Creates with a mail: one after the other, and 64 at once. */
async function measureCreates(cluster: Cluster, shards: number): Promise<void> {
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
  row(
    `creates with a mail, ${shards} shards`,
    `one at a time p50 ${percentile(times, 0.5).toFixed(1)} ms, p99 ${percentile(times, 0.99).toFixed(1)} ms`,
    `64 at once ${Math.round(median(rates))}/s`,
  );
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
    const rate = Math.round(400 / ((performance.now() - began) / 1000));
    row(
      `a transaction on ${name}`,
      `one at a time p50 ${percentile(times, 0.5).toFixed(1)} ms, p99 ${percentile(times, 0.99).toFixed(1)} ms`,
      `8 at once ${rate}/s`,
    );
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
  for (const rate of [5, 1_000]) {
    const { figures } = await inCrowd("latency", { target, rate, seconds: rate < 100 ? 15 : 6, users }, {});
    const { near50, near99, far50 = 0, far99 = 0, stored50 = 0, stored99 = 0 } = figures;
    row(
      `live, ${rate} changes a second, ${users} users`,
      `other instance p50 ${far50.toFixed(1)} ms, p99 ${far99.toFixed(1)} ms`,
      `same instance p50 ${near50.toFixed(1)} ms, p99 ${near99.toFixed(1)} ms; stored after p50 ${stored50.toFixed(1)} ms, p99 ${stored99.toFixed(1)} ms`,
    );
  }
  await Promise.all([near.stop(), far.stop()]);
}

function report(): string {
  const lines = rows.map((cells) => `| ${cells.join(" | ")} |`);
  return `# A sharded cluster, measured

\`npm run bench:sharded\`, ${new Date().toISOString().slice(0, 10)}: ${cores} × ${cpuModel}, Node.js ${process.versions.node}. Each shard is one \`mongod\`; all of
them, the router, the config server and the service share these cores.

| | | |
| --- | --- | --- |
${lines.join("\n")}
`;
}
