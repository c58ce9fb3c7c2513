import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ObjectId } from "mongodb";
import { collectOnSignal } from "../test/support/memory.ts";
import { plainLoop, typeKey, words } from "./broadcast-plain.ts";
import {
  type BroadcastResults,
  type BroadcastStep,
  describe,
  judge,
  type StepName,
  timesOf,
  write,
} from "./broadcast-report.ts";
import { empty } from "./data.ts";
import { watchCpu } from "./machine.ts";
import { calmness, isCalm, table } from "./report.ts";
import { type Service, startService } from "./service.ts";
import { setUp } from "./stage.ts";

const savedFrom = 100_000;
const users = Number(process.env.BENCH_USERS ?? savedFrom);
const rounds = Number(process.env.BENCH_ROUNDS ?? 3);
/** A folder that the service writes a CPU profile to. */
const profile = process.env.BENCH_PROFILE;
const singlesPerSecond = Number(process.env.BENCH_SINGLES ?? 20);
const idleSeconds = 60;
const batches = [500, 1_000, 2_000, 4_000];
const sample = Math.min(20_000, users);

const { say, folder, mongod, client, uriOf, facts, strike } = await setUp("broadcast");
const db = client.db("bench_broadcast");
try {
  const types = join(folder, "types.json");
  // Due tomorrow: what is measured is the storing, on both sides.
  writeFileSync(types, JSON.stringify({ [typeKey]: { inbox: true, channels: { email: { after: "1d" } } } }));
  const variables = {
    DB_URI: uriOf(db.databaseName),
    NOTIFICATION_TYPES_FILE: types,
    // Without live connections: the plain loop has none.
    ROLES: "api,worker",
  };
  const nodeOptions = [collectOnSignal, ...(profile ? ["--cpu-prof", `--cpu-prof-dir=${profile}`] : [])];
  const service = await startService(variables, folder, nodeOptions);

  /** The code is compiled and the connections are open. */
  await fill(sample);
  await broadcast(service);
  const tried: BroadcastResults["tried"] = [];
  for (const batch of [0, ...batches]) {
    await fill(sample);
    const rate = await plainLoop(db, batch || 1_000);
    if (batch === 0) continue;
    tried.push({ batch, rate });
    say(`plain loop, batches of ${batch}: ${Math.round(rate)} users/s`);
  }
  const { batch } = tried.reduce((best, one) => (one.rate > best.rate ? one : best));

  const steps: BroadcastStep[] = [];
  /** `work` returns users a second. */
  async function measure(name: StepName, round: number, work: () => Promise<number>): Promise<void> {
    await fill(users);
    const cpuSince = watchCpu({ belfry: service.pid, mongod: mongod.pid });
    const rate = await work();
    const step = { name, round, rate, cpu: cpuSince() };
    say(`round ${round}/${rounds}  ${describe(step)}`);
    steps.push(step);
  }
  const alone = async () => (await broadcast(service)).rate;
  /** The work, and the milliseconds of the single sends beside it. */
  async function withSends(work: () => Promise<number>): Promise<{ rate: number; times: number[] }> {
    let isRunning = true;
    const sending = sends(service, () => isRunning);
    const rate = await work().finally(() => {
      isRunning = false;
    });
    return { rate, times: await sending };
  }
  let during: number[] = [];
  let besidePlain: number[] = [];
  let heap: BroadcastResults["heap"] = [];
  for (let round = 1; round <= rounds; round++) {
    await measure("plain", round, () => plainLoop(db, batch));
    await measure("broadcast", round, alone);
  }
  await sends(service, 3);
  const idle = await sends(service, idleSeconds);
  await measure("beside sends", rounds, async () => {
    const { rate, times } = await withSends(alone);
    during = times;
    return rate;
  });
  await measure("plain, beside sends", rounds, async () => {
    const { rate, times } = await withSends(() => plainLoop(db, batch));
    besidePlain = times;
    return rate;
  });
  await measure("with collections", rounds, async () => {
    const { rate, heapMb } = await broadcast(service, true);
    heap = heapMb;
    return rate;
  });
  await service.stop();

  const results: BroadcastResults = {
    ...facts,
    users,
    rounds,
    singlesPerSecond,
    tried,
    batch,
    steps,
    idle: timesOf(idle),
    during: timesOf(during),
    besidePlain: timesOf(besidePlain),
    heap,
  };
  const verdicts = judge(results);
  process.stdout.write(`${table(verdicts)}\n\n${calmness(results)}\n`);
  if (users < savedFrom || profile) process.stdout.write("Nothing written: not the whole run.\n");
  else if (steps.filter(isCalm).length < steps.length / 2)
    process.stdout.write("Nothing written: the machine was too busy.\n");
  else for (const file of write(results, verdicts)) process.stdout.write(`wrote ${file}\n`);
} catch (error) {
  process.stderr.write(`${(error as Error).stack}\n`);
  process.exitCode = 1;
} finally {
  await strike();
}

function userId(index: number): string {
  return `64b0000000000000${index.toString(16).padStart(8, "0")}`;
}

/** Stores `count` users without an inbox. */
async function fill(count: number): Promise<void> {
  for (const name of ["deliveries", "jobs", "users"]) await empty(db, name);
  for (let at = 0; at < count; at += 10_000)
    await db.collection("users").insertMany(
      Array.from({ length: Math.min(10_000, count - at) }, (_, index) => ({
        _id: new ObjectId(userId(at + index)),
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

/** To all users there are, until it is done. `collects`: with the heap after a collection, twice a second. */
async function broadcast(
  service: Service,
  collects = false,
): Promise<{ rate: number; heapMb: BroadcastResults["heap"] }> {
  const expected = await db.collection("users").countDocuments();
  const notification = { type: typeKey, ...words };
  const { id } = await post<{ id: string }>(service, "/v1/broadcasts", { notification, to: { all: true } });
  const heapMb: BroadcastResults["heap"] = [];
  const began = performance.now();
  for (;;) {
    await sleep(400);
    if (collects) {
      process.kill(service.pid, "SIGUSR2");
      await sleep(100);
      heapMb.push({ second: (performance.now() - began) / 1_000, mb: await heapOf(service) });
    }
    const found = (await (await fetch(`${service.url}/v1/broadcasts/${id}`)).json()) as {
      status: string;
      notified: number;
      updated_at: string;
      created_at: string;
    };
    if (found.status === "failed" || found.status === "canceled") throw new Error(JSON.stringify(found));
    if (found.status !== "done") continue;
    if (found.notified < expected) throw new Error(`only ${found.notified} of ${expected} were notified`);
    // The service's own times: this loop looks only now and then.
    const seconds = (Date.parse(found.updated_at) - Date.parse(found.created_at)) / 1_000;
    return { rate: expected / seconds, heapMb };
  }
}

async function heapOf(service: Service): Promise<number> {
  const metrics = await (await fetch(`${service.url}/metrics`)).text();
  return Number(/^\w*nodejs_heap_size_used_bytes(?:\{[^}]*\})? (\S+)$/m.exec(metrics)?.[1]) / 1e6;
}

/** Single sends at a steady rate, for some seconds or while it is asked for. Milliseconds of each. */
async function sends(service: Service, until: number | (() => boolean)): Promise<number[]> {
  const end = performance.now() + (typeof until === "number" ? until * 1_000 : Number.POSITIVE_INFINITY);
  const times: Array<Promise<number>> = [];
  while (performance.now() < end && (typeof until === "number" || until())) {
    const recipients = [userId(Math.floor(Math.random() * users))];
    const began = performance.now();
    times.push(
      post(service, "/v1/notifications", { recipients, type: typeKey, title: "For you" }).then(
        () => performance.now() - began,
      ),
    );
    await sleep(1_000 / singlesPerSecond);
  }
  return Promise.all(times);
}
