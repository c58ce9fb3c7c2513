import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";

const patienceMs = 30_000;
/** A queue that has much to do may take long to stop. */
const stopMs = 20_000;

/** A process that is killed and started again on the same port and data. */
export interface Program {
  name: string;
  readonly pid: number;
  start(): Promise<void>;
  kill(): Promise<void>;
  /** SIGTERM, and `kill -9` when that takes too long. */
  stop(): Promise<void>;
}

interface Options {
  name: string;
  command: string;
  args: string[];
  env: Record<string, string>;
  cwd: string;
  /** Asked again and again with what the process has written since its start. */
  isReady: (output: string) => boolean | Promise<boolean>;
}

export function createProgram({ name, command, args, env, cwd, isReady }: Options): Program {
  const { PATH = "", HOME = "" } = process.env;
  let child: ChildProcess | undefined;
  const killWithUs = () => void child?.kill("SIGKILL");

  async function end(signal: NodeJS.Signals): Promise<void> {
    process.off("exit", killWithUs);
    const running = child;
    child = undefined;
    if (!running || running.exitCode !== null || running.signalCode !== null) return;
    running.kill(signal);
    const timer = setTimeout(() => running.kill("SIGKILL"), stopMs);
    await once(running, "exit");
    clearTimeout(timer);
  }

  return {
    name,
    get pid() {
      return child?.pid ?? 0;
    },
    async start() {
      let output = "";
      const started = spawn(command, args, {
        env: { PATH, HOME, ...env },
        cwd,
        stdio: ["ignore", "pipe", "pipe"],
      });
      child = started;
      process.on("exit", killWithUs);
      for (const stream of [started.stdout, started.stderr])
        stream.on("data", (chunk) => {
          output = (output + chunk).slice(-4_000);
        });
      const deadline = Date.now() + patienceMs;
      while (!(await isReady(output))) {
        if (started.exitCode !== null || Date.now() > deadline)
          throw new Error(`${name} does not start:\n${output}`);
        await sleep(5);
      }
    },
    kill: () => end("SIGKILL"),
    stop: () => end("SIGTERM"),
  };
}
