import { randomUUID } from "node:crypto";
import { constants, copyFileSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Log } from "./types.ts";

interface Holder {
  pid: number;
  /** Tells this process from a later one with the same pid; empty where the system cannot say. */
  process: string;
  host: string;
  since: string;
  socket?: string;
}

export interface DataLock {
  /** Adds where the database listens, for whoever finds the folder taken. */
  setSocket(socket: string): void;
  release(): void;
}

/**
 * Makes this process the one holder of a data folder. Waits up to `waitMs` for a living holder (so that a quick
 * restart works), then fails and says who it is. A dead holder's lock is taken over.
 */
export async function lockDataDir(dataDir: string, waitMs: number, log: Log): Promise<DataLock> {
  const file = join(dataDir, "belfry.lock");
  const me: Holder = {
    pid: process.pid,
    process: processIdentity(process.pid) ?? "",
    host: hostname(),
    since: new Date().toISOString(),
  };
  const deadline = Date.now() + waitMs;
  for (let waiting = false; !tryCreate(file, me); ) {
    const text = readOrEmpty(file);
    const holder = parse(text);
    if (!holder && ageOf(file) < 1_000) {
      await sleep(20); // just created, and about to be written
      continue;
    }
    if (!holder || !isAlive(holder)) {
      takeAway(file, text);
      continue;
    }
    if (Date.now() >= deadline) {
      throw new Error(`${describe(dataDir, holder)}; stop it, or choose another data folder`);
    }
    if (!waiting)
      log(`${describe(dataDir, holder)}; waiting up to ${Math.round(waitMs / 1000)} s for it to stop`);
    waiting = true;
    await sleep(50);
  }
  return {
    setSocket(socket) {
      const next = `${file}.${randomUUID()}`;
      writeFileSync(next, JSON.stringify({ ...me, socket }), { mode: 0o600 });
      renameSync(next, file);
    },
    release: () => rmSync(file, { force: true }),
  };
}

/** Where the database on a data folder listens; undefined when no living process holds the folder. */
export function socketOfHolder(dataDir: string): string | undefined {
  const holder = parse(readOrEmpty(join(dataDir, "belfry.lock")));
  return holder && isAlive(holder) ? holder.socket : undefined;
}

function tryCreate(file: string, holder: Holder) {
  try {
    writeFileSync(file, JSON.stringify(holder), { flag: "wx", mode: 0o600 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/**
 * Removes a dead holder's lock. Renaming first: of two processes which both saw the dead one, the slower would else
 * delete the lock which the faster has just made. It gives that one back.
 */
function takeAway(file: string, seen: string) {
  const aside = `${file}.${randomUUID()}`;
  try {
    renameSync(file, aside);
    if (readOrEmpty(aside) !== seen) copyFileSync(aside, file, constants.COPYFILE_EXCL);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOENT" && code !== "EEXIST") throw error;
  } finally {
    rmSync(aside, { force: true });
  }
}

/**
 * A pid of another host (or of a container with its own host name) says nothing here; such a lock counts as stale,
 * and mongod's own kernel lock on its files still refuses a second one.
 */
function isAlive(holder: Holder) {
  if (holder.host !== hostname()) return false;
  const now = processIdentity(holder.pid);
  return now !== undefined && now === holder.process;
}

/** Boot and start time of a running process, "" where only its existence can be told, undefined when it is gone. */
export function processIdentity(pid: number): string | undefined {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return undefined;
  }
  if (process.platform !== "linux") return "";
  try {
    // The name, in brackets, may hold blanks; after it come state (field 3) … start time in ticks (field 22).
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").pop()?.split(" ") ?? [];
    if (fields[0] === "Z" || fields[0] === "X") return undefined;
    return `${readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()}/${fields[19]}`;
  } catch {
    return undefined;
  }
}

function describe(dataDir: string, { pid, host, since }: Holder) {
  return `The data folder ${dataDir} is in use by process ${pid} on ${host} since ${since}`;
}

function readOrEmpty(file: string) {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

function ageOf(file: string) {
  return Date.now() - (statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
}

function parse(text: string): Holder | undefined {
  try {
    return JSON.parse(text) as Holder;
  } catch {
    return undefined;
  }
}
