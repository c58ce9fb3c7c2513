import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Cpu, watchCpu } from "../machine.ts";
import { fanOut } from "./fan-out.ts";
import { idle } from "./idle.ts";
import { latency } from "./latency.ts";
import { stall } from "./stall.ts";
import { storm } from "./storm.ts";

const scenarios = { latency, fanOut, idle, storm, stall };
type Scenarios = typeof scenarios;
export type ScenarioName = keyof Scenarios;
export type TaskOf<S extends ScenarioName> = Parameters<Scenarios[S]>[0];
export type ResultOf<S extends ScenarioName> = Awaited<ReturnType<Scenarios[S]>>;

const settleMs = 300;

/** Plays a scenario in a process of its own: all its sockets, and who makes the changes, on one clock. */
export async function inCrowd<S extends ScenarioName>(
  scenario: S,
  task: TaskOf<S>,
  pids: Record<string, number>,
): Promise<ResultOf<S> & { cpu: Cpu }> {
  const child: ChildProcess = fork(fileURLToPath(import.meta.url), [scenario]);
  const ended = once(child, "exit");
  const cpuSince = watchCpu({ ...pids, crowd: child.pid as number });
  child.send(task);
  const answer = await Promise.race([
    once(child, "message").then(([message]) => message),
    ended.then(() => ({ error: "its process ended" })),
  ]);
  const cpu = cpuSince();
  child.kill("SIGKILL");
  await ended;
  // The server notices that all its sockets are gone.
  await sleep(settleMs);
  if (answer.error) throw new Error(`${scenario}: ${answer.error}`);
  return { ...answer, cpu };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const play = scenarios[process.argv[2] as ScenarioName] as (task: unknown) => Promise<object>;
  process.once("message", (task) => {
    play(task).then(
      (result) => process.send?.(result),
      (error: Error) => process.send?.({ error: error.stack }),
    );
  });
}
