import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { dieWithParent } from "../../mongod/launch.ts";

const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** One server program that a test starts, kills and starts again on the same port. It ends with the test's process. */
export function serverProcess(command: readonly string[]) {
  let child: ChildProcess | undefined;
  return {
    pid: () => child?.pid,
    start(): void {
      const [file = "", ...args] = [...dieWithParent(), ...command];
      const started = spawn(file, args, { stdio: "ignore" });
      running.add(started);
      started.once("exit", () => running.delete(started));
      child = started;
    },
    async kill(): Promise<void> {
      if (!child || !running.has(child)) return;
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    },
  };
}
