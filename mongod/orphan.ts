import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { processIdentity } from "./lock.ts";
import type { Log } from "./types.ts";

const STOP_MS = 10_000;

/**
 * Ends a mongod which a killed service left running on our files. Called by the holder of the folder's lock, so it has
 * no living master. Stopping beats adopting: about 0.2 s, and then only one way for a database to have been started.
 */
export async function stopOrphan(dbPath: string, log: Log) {
  const pid = orphanOn(dbPath);
  if (!pid) return;
  log(`a mongod (process ${pid}) of an earlier run is still on ${dbPath}; stopping it`);
  const identity = processIdentity(pid);
  const deadline = Date.now() + STOP_MS;
  for (let signal: NodeJS.Signals | 0 = "SIGTERM"; processIdentity(pid) === identity; await sleep(10)) {
    try {
      process.kill(pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
    signal = Date.now() > deadline ? "SIGKILL" : 0;
  }
}

/** mongod keeps its pid in this file and empties it on a clean stop; the pid may by now be someone else's. */
function orphanOn(dbPath: string) {
  try {
    const pid = Number(readFileSync(join(dbPath, "mongod.lock"), "utf8"));
    return pid && commandLine(pid).includes(`--dbpath ${dbPath} `) ? pid : undefined;
  } catch {
    return undefined;
  }
}

function commandLine(pid: number) {
  if (process.platform === "linux") return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
  return execFileSync("ps", ["-ww", "-o", "command=", "-p", `${pid}`], { encoding: "utf8" });
}
