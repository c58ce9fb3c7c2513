import { execFile, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const script = fileURLToPath(new URL("../../bench/load.lua", import.meta.url));

export type Operation = "new_message" | "new_login" | "list";

export interface Load {
  rate: number;
  /** Milliseconds. */
  p50: number;
  p99: number;
  /** Answers that are not 2xx, and broken connections. */
  failed: number;
}

/** wrk is C and takes a third of a core where a generator in Node would take what the service needs. */
export function needWrk(say: (line: string) => void): void {
  const there = () => spawnSync("wrk", ["-v"]).error === undefined;
  if (there()) return;
  const apt = spawnSync("apt-get", ["--version"]).error === undefined;
  if (apt && process.getuid?.() === 0) {
    say("wrk is not installed; apt-get install wrk");
    spawnSync("apt-get", ["update", "-qq"]);
    spawnSync("apt-get", ["install", "-y", "-qq", "--no-install-recommends", "wrk"], { stdio: "inherit" });
  }
  if (!there())
    throw new Error(
      "The load generator wrk is missing: apt-get install wrk (Debian, Ubuntu), brew install wrk",
    );
}

export async function load(
  url: string,
  operation: Operation,
  connections: number,
  seconds: number,
): Promise<Load> {
  const args = [
    "-t1",
    `-c${connections}`,
    `-d${seconds}s`,
    "--timeout",
    "10s",
    "-s",
    script,
    url,
    "--",
    operation,
  ];
  const { stdout } = await promisify(execFile)("wrk", args);
  const line = stdout.split("\n").find((one) => one.startsWith("{"));
  if (!line) throw new Error(`wrk said:\n${stdout}`);
  const figures = JSON.parse(line);
  return {
    rate: figures.requests / figures.seconds,
    p50: figures.p50,
    p99: figures.p99,
    failed: figures.non2xx + figures.socketErrors,
  };
}
