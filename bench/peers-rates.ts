import { Agent, request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { Contender } from "./contenders.ts";
import { fill, userCount, userId } from "./data.ts";
import { load, type Operation } from "./load.ts";
import { type Cpu, residentMb, watchCpu } from "./machine.ts";
import type { Sink } from "./sink.ts";
import type { Stage } from "./stage.ts";

export const steps = ["new_login 1", "new_message 128", "new_login 128", "drain"] as const;

export interface RateStep {
  name: (typeof steps)[number];
  /** Creates accepted or, for `drain`, mails delivered. */
  rate: number;
  /** Milliseconds of a create. */
  p50?: number;
  p99?: number;
  failed?: number;
  /** Mails delivered meanwhile. */
  mailed?: number;
  cpu: Cpu;
}

/** MB, by process. */
export interface MemoryUse {
  idle: Record<string, number>;
  loaded: Record<string, number>;
}

interface Options {
  stage: Stage;
  sink: Sink;
  seconds: number;
  backlog: number;
  /** Makes the contender on that database. */
  create: (database: string) => Promise<Contender>;
}

const warmSeconds = 1;
const settleMs = 400;
const drainLimitMs = 150_000;

/** One contender, once through everything. */
export async function measureRates(options: Options): Promise<{ steps: RateStep[]; memory: MemoryUse }> {
  const { stage, sink, seconds, backlog, create } = options;
  const made: RateStep[] = [];

  const contender = await onEmpty(10);
  const residents = () =>
    Object.fromEntries(
      [...contender.programs, { name: "mongod", pid: stage.mongod.pid }].map((one) => [
        one.name,
        residentMb(one.pid),
      ]),
    );
  const memory: MemoryUse = { idle: {}, loaded: {} };
  try {
    await contender.start();
    await sleep(5_000);
    memory.idle = residents();
    await accept("new_login 128", warmSeconds);
    for (const name of steps.slice(0, 3)) {
      await settled();
      made.push(await accept(name, seconds));
    }
    memory.loaded = residents();
  } finally {
    await contender.stop();
  }

  const draining = await onEmpty(0);
  try {
    await draining.startWithoutWorker();
    await post(draining.url, backlog);
    await draining.stop();
    const receipts = sink.expect(backlog);
    await draining.start();
    const cpuSince = watchCpu(pidsOf(draining));
    const { first, last } = await withinLimit(receipts);
    made.push({
      name: "drain",
      rate: ((backlog - 1) * 1000) / (last - first),
      cpu: cpuSince(),
    });
  } finally {
    await draining.stop();
  }
  return { steps: made, memory };

  async function onEmpty(items: number): Promise<Contender> {
    const database = `peers_${Date.now()}`;
    await fill(stage.client.db(database), items);
    return create(database);
  }

  function pidsOf(one: Contender): Record<string, number> {
    return {
      ...Object.fromEntries(one.programs.map(({ name, pid }) => [name, pid])),
      mongod: stage.mongod.pid,
      sink: sink.pid,
    };
  }

  async function accept(name: (typeof steps)[number], time: number): Promise<RateStep> {
    const [operation, connections] = name.split(" ") as [Operation, string];
    // Nobody waits for that many: the sink begins to count.
    void sink.expect(Number.MAX_SAFE_INTEGER);
    const cpuSince = watchCpu(pidsOf(contender));
    const figures = await load(contender.url, operation, Number(connections), time);
    const cpu = cpuSince();
    return { name, ...figures, mailed: await sink.taken(), cpu };
  }

  /** Until no mail has come for a while. */
  async function settled(): Promise<void> {
    for (let before = -1, now = await sink.taken(); now !== before; now = await sink.taken()) {
      before = now;
      await sleep(settleMs);
    }
  }
}

/** A mail that never comes must not stop the whole run silently. */
async function withinLimit<T>(waiting: Promise<T>): Promise<T> {
  const timer = new AbortController();
  const late = sleep(drainLimitMs, undefined, { signal: timer.signal }).then(() => {
    throw new Error(`the backlog was not delivered within ${drainLimitMs / 1000} s`);
  });
  try {
    return await Promise.race([waiting, late]);
  } finally {
    timer.abort();
    late.catch(() => {});
  }
}

/** Creates of a `new_login` for the users in turn, 64 at a time. */
async function post(url: string, count: number): Promise<void> {
  const inFlight = 64;
  const agent = new Agent({ keepAlive: true, maxSockets: inFlight });
  let next = 0;
  const loop = async () => {
    for (let index = next++; index < count; index = next++) {
      const status = await create(url, agent, userId(index % userCount));
      if (status !== 201) throw new Error(`a create was answered with ${status}`);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, loop));
  agent.destroy();
}

/** Resolves to the status, or nothing when the connection ended before an answer. */
export function create(url: string, agent: Agent, user: string, key?: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    const headers = {
      "content-type": "application/json",
      ...(key !== undefined && { "idempotency-key": key }),
    };
    const asked = request(
      `${url}/create`,
      { method: "POST", agent, timeout: 30_000, headers },
      (response) => {
        response.resume();
        response.on("close", () => resolve(response.complete ? response.statusCode : undefined));
      },
    );
    asked.on("timeout", () => asked.destroy());
    asked.on("error", () => resolve(undefined));
    asked.end(JSON.stringify({ user_id: user, key: "new_login" }));
  });
}
