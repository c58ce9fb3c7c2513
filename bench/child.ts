import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";

/** A server in a process of its own, started with the options of the service, so that both compare. `file`: it sends its port. */
export async function startChild(file: string, argument: string) {
  const child: ChildProcess = fork(file, [argument], { execArgv: ["--max-semi-space-size=16"] });
  const [port] = (await once(child, "message")) as [number];
  return {
    url: `http://127.0.0.1:${port}`,
    pid: child.pid as number,
    async stop() {
      child.disconnect();
      await once(child, "exit");
    },
  };
}
