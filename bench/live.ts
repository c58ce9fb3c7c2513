import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { collectOnSignal } from "../test/support/memory.ts";
import { fill } from "./data.ts";
import { startBare } from "./live/bare.ts";
import { inCrowd, type ScenarioName, type TaskOf } from "./live/crowd.ts";
import type { BareTarget, BelfryTarget } from "./live/device.ts";
import { crowds, describe, judge, type LiveStep, names, rates, type Side, write } from "./live-report.ts";
import { residentMb } from "./machine.ts";
import { calmness, isCalm, others, table } from "./report.ts";
import { type Service, startService } from "./service.ts";
import { setUp } from "./stage.ts";

/** Below 1 all counts are smaller: to see that it works. */
const scale = Number(process.env.BENCH_SCALE ?? 1);
const rounds = Number(process.env.BENCH_ROUNDS ?? 3);
/** `BENCH_ONLY=storm` takes the steps whose names contain it. */
const only = process.env.BENCH_ONLY;
/** Anything else is printed and not written. */
const whole = scale === 1 && rounds === 3 && only === undefined;
/** How many disturbed steps may be measured once more. */
let repeats = 4;

const scaled = (count: number) => Math.max(1, Math.round(count * scale));
const seconds = scaled(4);
/** Each has a socket on both instances. */
const listeners = scaled(500);
/** Below what one user's inbox takes, so that latency is not that of a queue. */
const stallRate = 2_000;
/** Who does not read for two heartbeats is cut off. */
const stallHeartbeatSeconds = 60;
const connections = scaled(10_000);
const idleSeconds = scaled(10);
/** Twice while idle connections are measured. */
const idleHeartbeatSeconds = idleSeconds / 2;

interface Servers {
  belfry: BelfryTarget;
  reference: BareTarget;
  /** For the processor time of each. */
  pids: Record<Side, Record<string, number>>;
}

needDescriptors(connections + 500);
const { say, folder, mongod, client, uriOf, facts, strike } = await setUp("live");
const database = client.db("bench_live");
const steps: LiveStep[] = [];
try {
  await fill(database, 10);
  await measureMemory();
  await withServers(idleHeartbeatSeconds, (servers) =>
    compare(names.idle, 1, "idle", servers, { connections, seconds: idleSeconds }),
  );
  // By themselves: what the memory of 5,000 connections has left could be taken instead of more.
  await withServers(stallHeartbeatSeconds, (servers) =>
    measureStall(names.firstStall, "reference", 1, servers),
  );
  await withServers(stallHeartbeatSeconds, async (servers) => {
    await measureStall(names.firstStall, "belfry", 1, servers);
    for (let round = 1; round <= rounds; round++)
      for (const side of ["reference", "belfry"] as const)
        await measureStall(names.stall, side, round, servers);
  });
  await withServers(25, inRounds(measureRound));

  const results = { ...facts, scale, rounds, steps };
  say("done\n");
  const verdicts = judge(results);
  process.stdout.write(`${table(verdicts)}\n\n${calmness(results)}\n`);
  if (!whole) process.stdout.write("Nothing written: not the whole run.\n");
  else if (steps.filter(isCalm).length < steps.length / 2)
    process.stdout.write("Nothing written: the machine was too busy.\n");
  else for (const file of write(results, verdicts)) process.stdout.write(`wrote ${file}\n`);
} catch (error) {
  process.stderr.write(`${(error as Error).stack}\n`);
  process.exitCode = 1;
} finally {
  await strike();
}

function inRounds(measure: (round: number, servers: Servers) => Promise<void>) {
  return async (servers: Servers) => {
    for (let round = 1; round <= rounds; round++) await measure(round, servers);
  };
}

/** Both sides are Belfry; in the reference all read. */
async function measureStall(
  name: string,
  side: Side,
  round: number,
  { belfry: target, pids }: Servers,
): Promise<void> {
  const task = { target, rate: stallRate, changes: scaled(20_000), stalled: side === "belfry" };
  await step(name, side, round, "stall", task, pids.belfry);
}

async function measureRound(round: number, servers: Servers): Promise<void> {
  for (const rate of rates)
    await compare(names.latency(rate), round, "latency", servers, { rate, seconds, users: listeners });
  for (const sockets of crowds)
    await compare(names.fanOut(sockets), round, "fanOut", servers, { sockets: scaled(sockets), changes: 20 });
  await compare(names.storm, round, "storm", servers, { sockets: scaled(5_000) });
}

/** The reference, then Belfry: within a minute of each other. */
async function compare<S extends "latency" | "fanOut" | "storm" | "idle">(
  name: string,
  round: number,
  scenario: S,
  servers: Servers,
  load: Omit<TaskOf<S>, "target">,
): Promise<void> {
  for (const side of ["reference", "belfry"] as const) {
    const task = { ...load, target: servers[side] } as TaskOf<S>;
    await step(name, side, round, scenario, task, servers.pids[side]);
  }
}

/** A step that something else on the machine has disturbed is measured once more; the calmer one counts. */
async function step<S extends ScenarioName>(
  name: string,
  side: Side,
  round: number,
  scenario: S,
  task: TaskOf<S>,
  pids: Record<string, number>,
): Promise<void> {
  if (only !== undefined && !name.includes(only)) return;
  const measured: LiveStep[] = [];
  const ticking = setInterval(() => say(`${headOf({ name, side, round })}…`), 3_000);
  do {
    const result = await inCrowd(scenario, task, { ...pids, mongod: mongod.pid });
    const one = { name, side, round, ...result };
    say(tell(one));
    measured.push(one);
    // Of idle connections, and of a first load, the first one is what memory tells of.
  } while (
    scenario !== "idle" &&
    name !== names.firstStall &&
    measured.length < 2 &&
    !measured.some(isCalm) &&
    repeats-- > 0
  );
  clearInterval(ticking);
  steps.push(measured.reduce((best, each) => (others(each) < others(best) ? each : best)));
}

/** What listening costs a process to which nobody listens: the reference is the same one without that role. */
async function measureMemory(): Promise<void> {
  if (only !== undefined && !names.memory.includes(only)) return;
  const roles = { belfry: "api,worker,realtime", reference: "api,worker" };
  say(`${names.memory}: ${idleSeconds} s`);
  const services = await Promise.all(Object.values(roles).map((ROLES) => start({ ROLES })));
  await sleep(idleSeconds * 1000);
  for (const [index, side] of (Object.keys(roles) as Side[]).entries()) {
    const { pid } = services[index] as Service;
    const one = { name: names.memory, side, round: 1, figures: { mb: residentMb(pid) }, cpu: {} };
    say(tell(one));
    steps.push(one);
  }
  await Promise.all(services.map((one) => one.stop()));
}

/** Two instances of Belfry on one database, and the bare server. */
async function withServers(
  heartbeatSeconds: number,
  measure: (servers: Servers) => Promise<void>,
): Promise<void> {
  const variables = {
    ROLES: "api,realtime",
    LIVE_HEARTBEAT_SECONDS: `${Math.ceil(heartbeatSeconds)}`,
    NODE_OPTIONS: collectOnSignal,
  };
  const [near, far] = await Promise.all([start(variables), start(variables)]);
  const bare = await startBare(heartbeatSeconds);
  try {
    await measure({
      belfry: { kind: "belfry", near: near.url, far: far.url, pid: near.pid },
      reference: { kind: "bare", url: bare.url, pid: bare.pid },
      pids: { belfry: { belfry: near.pid, "belfry 2": far.pid }, reference: { bare: bare.pid } },
    });
  } finally {
    await bare.stop();
  }
  await Promise.all([near.stop(), far.stop()]);
}

function start(variables: Record<string, string>): Promise<Service> {
  const limits = { LIVE_CONNECTIONS_PER_USER: "100000", LIVE_CONNECTIONS_PER_ADDRESS: "1000000" };
  return startService({ DB_URI: uriOf(database.databaseName), ...limits, ...variables }, folder);
}

/** Each process has its own; Node takes all that it may. */
function needDescriptors(count: number): void {
  const [, limit] = /Max open files +(\d+)/.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
  if (Number(limit ?? count) < count)
    throw new Error(`${limit} files may be open and ${count} are needed: ulimit -n ${count}`);
}

function headOf({ name, side, round }: Pick<LiveStep, "name" | "side" | "round">): string {
  return `${round}/${rounds}  ${name.padEnd(40)}${side.padEnd(10)}`;
}

function tell(step: LiveStep): string {
  const used = Object.entries(step.cpu).map(([process, percent]) => `${process} ${percent} %`);
  return `${headOf(step)}${describe(step.figures)}${used.length > 0 ? `  (${used.join(", ")})` : ""}`;
}
