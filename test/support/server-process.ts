import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { dieWithParent } from "../../mongod/launch.ts";

/** One server program that a test starts, kills and starts again on the same port. It ends with the test's process. */
export function serverProcess(command: readonly string[]) {
  let child: ChildProcess | undefined;
  const killWithUs = () => child?.kill("SIGKILL");
  return {
    pid: () => child?.pid,
    start(): void {
      const [file = "", ...args] = [...dieWithParent(), ...command];
      child = spawn(file, args, { stdio: "ignore" });
      process.on("exit", killWithUs);
    },
    async kill(): Promise<void> {
      process.off("exit", killWithUs);
      if (!child || child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    },
  };
}

export type ServerProcess = ReturnType<typeof serverProcess>;
