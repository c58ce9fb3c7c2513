import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Db, ObjectId } from "mongodb";
import { plainLoop, typeKey, words } from "./broadcast-plain.ts";
import { type Service, startService } from "./service.ts";
import { setUp } from "./stage.ts";

// A broadcast to many users against the driver's own loop, its heap, and single sends while it runs.

const userCount = Number(process.env.BENCH_USERS ?? 1_000_000);
const rounds = Number(process.env.BENCH_ROUNDS ?? 3);
/** A folder that the service writes a CPU profile to. */
const profile = process.env.BENCH_PROFILE;
const singlesPerSecond = Number(process.env.BENCH_SINGLES ?? 20);
const idleSeconds = 15;
const batches = [250, 500, 1_000, 2_000];
const sample = Math.min(20_000, userCount);

const { say, folder, client, uriOf, strike } = await setUp("broadcast");
try {
  const types = join(folder, "types.json");
  // Due tomorrow: what is measured is the storing, on both sides.
  writeFileSync(types, JSON.stringify({ [typeKey]: { inbox: true, channels: { email: { after: "1d" } } } }));
  const db = client.db("bench_broadcast");
  const variables = {
    DB_URI: uriOf(db.databaseName),
    NOTIFICATION_TYPES_FILE: types,
    // Without live connections: a change stream would read every write.
    ROLES: process.env.BENCH_ROLES ?? "api,worker",
  };
  // The first start makes the indexes.
  await (await startService(variables, folder)).stop();

  const plain: number[] = [];
  const ours: number[] = [];
  let best = 0;
  const heaps: number[] = [];
  for (let round = 1; round <= rounds; round++) {
    if (best === 0) {
      let fastest = 0;
      for (const batch of batches) {
        await fill(db, sample);
        const rate = await plainLoop(db, batch);
        say(`plain loop, batches of ${batch}: ${Math.round(rate)} users/s`);
        if (rate > fastest) [fastest, best] = [rate, batch];
      }
    }
    await fill(db, userCount);
    plain.push(await plainLoop(db, best));
    await fill(db, sample);
    const service = await startService(
      variables,
      folder,
      profile ? ["--cpu-prof", `--cpu-prof-dir=${profile}`] : [],
    );
    // Compiles the code, opens the connections.
    await broadcast(service, sample);
    await fill(db, userCount);
    const { seconds, heap } = await broadcast(service, userCount);
    ours.push(userCount / seconds);
    heaps.push(...heap);
    say(
      `round ${round}: plain ${Math.round(plain.at(-1) ?? 0)} users/s, broadcast ${Math.round(ours.at(-1) ?? 0)} users/s`,
    );
    say(`heap: ${describeHeap(heap)}`);
    if (round === rounds) {
      await sends(service, 3);
      const idle = await sends(service, idleSeconds);
      let running = true;
      const during = sends(service, () => running);
      await sleep(500);
      const second = await broadcast(service, userCount);
      running = false;
      const busy = await during;
      say(`single sends, idle: ${describe(idle)}`);
      say(
        `single sends during a broadcast (${Math.round(userCount / second.seconds)} users/s): ${describe(busy)}`,
      );
      say(`p99 during a broadcast: ${(percentile(busy, 99) / percentile(idle, 99)).toFixed(2)} × idle`);
    }
    await service.stop();
  }
  const [mine, theirs] = [median(ours), median(plain)];
  say(
    `median of ${rounds}: broadcast ${Math.round(mine)} users/s, plain loop ${Math.round(theirs)} users/s: ${(mine / theirs).toFixed(2)} ×`,
  );
} catch (error) {
  process.stderr.write(`${(error as Error).stack}\n`);
  process.exitCode = 1;
} finally {
  await strike();
}

/** Stores `count` users without an inbox. */
async function fill(db: Db, count: number): Promise<void> {
  for (const name of ["deliveries", "jobs", "ledger"]) await db.collection(name).deleteMany({});
  const users = db.collection("users");
  await users.deleteMany({});
  for (let at = 0; at < count; at += 10_000)
    await users.insertMany(
      Array.from({ length: Math.min(10_000, count - at) }, (_, index) => ({
        _id: new ObjectId(`64b0000000000000${(at + index).toString(16).padStart(8, "0")}`),
        email: `user${at + index}@belfry.invalid`,
        plan: index % 2 === 0 ? "pro" : "free",
      })),
    );
}

async function post<Answer>(service: Service, path: string, body: object): Promise<Answer> {
  const response = await fetch(service.url + path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(await response.text());
  return (await response.json()) as Answer;
}

/** Until it is done, with the heap in MB each half second. */
async function broadcast(service: Service, expected: number): Promise<{ seconds: number; heap: number[] }> {
  const began = performance.now();
  const notification = { type: typeKey, ...words };
  const { id } = await post<{ id: string }>(service, "/v1/broadcasts", { notification, to: { all: true } });
  const heap: number[] = [];
  for (let look = 0; ; look++) {
    await sleep(500);
    // Less often: each scrape counts all pending deliveries.
    if (look % 4 === 0) heap.push(await heapOf(service));
    const found = (await (await fetch(`${service.url}/v1/broadcasts/${id}`)).json()) as {
      status: string;
      notified: number;
      updated_at: string;
      created_at: string;
    };
    if (found.status === "failed" || found.status === "canceled") throw new Error(JSON.stringify(found));
    if (found.status !== "done") continue;
    if (found.notified < expected) throw new Error(`only ${found.notified} of ${expected} were notified`);
    // The service's own times: this loop looks only every half second.
    const seconds = (Date.parse(found.updated_at) - Date.parse(found.created_at)) / 1_000;
    return { seconds: Math.min(seconds, (performance.now() - began) / 1_000), heap };
  }
}

/** In MB. */
async function heapOf(service: Service): Promise<number> {
  const metrics = await (await fetch(`${service.url}/metrics`)).text();
  return Number(/^\w*nodejs_heap_size_used_bytes(?:\{[^}]*\})? (\S+)$/m.exec(metrics)?.[1]) / 1_048_576;
}

/** Single sends at a steady rate, for some seconds or while it is asked for. Milliseconds of each. */
async function sends(service: Service, until: number | (() => boolean)): Promise<number[]> {
  const end = performance.now() + (typeof until === "number" ? until * 1_000 : Number.POSITIVE_INFINITY);
  const times: Array<Promise<number>> = [];
  while (performance.now() < end && (typeof until === "number" || until())) {
    const user = `64b0000000000000${Math.floor(Math.random() * userCount)
      .toString(16)
      .padStart(8, "0")}`;
    const began = performance.now();
    times.push(
      post(service, "/v1/notifications", { recipients: [user], type: typeKey, title: "For you" }).then(
        () => performance.now() - began,
      ),
    );
    await sleep(1_000 / singlesPerSecond);
  }
  return Promise.all(times);
}

function percentile(values: number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil((sorted.length * percent) / 100) - 1)] ?? Number.NaN;
}
function median(values: number[]): number {
  return percentile(values, 50);
}

function describe(values: number[]): string {
  const [p50, p99] = [50, 99].map((one) => percentile(values, one).toFixed(1));
  return `${values.length} sends, p50 ${p50} ms, p99 ${p99} ms, longest ${Math.max(...values).toFixed(1)} ms`;
}

/** The lowest of each quarter: what is left after a garbage collection. */
function describeHeap(heap: number[]): string {
  const quarter = Math.max(1, Math.floor(heap.length / 4));
  const floors = [0, 1, 2, 3].map((at) => Math.min(...heap.slice(at * quarter, (at + 1) * quarter)));
  return `lowest of each quarter ${floors.map((one) => one.toFixed(0)).join(", ")} MB; highest ${Math.max(...heap).toFixed(0)} MB`;
}
