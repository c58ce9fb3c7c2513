import { spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { becomePrimary, SET_NAME } from "./replica-set.ts";
import { listening, placeForSocket } from "./socket.ts";
import type { Binary } from "./types.ts";

const LOG_BYTES = 8 << 20;
const READY_MS = 120_000; // after a crash, recovery from a big journal takes its time
const STOP_MS = 10_000;
const SETPRIV = "/usr/bin/setpriv";

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface Running {
  pid: number;
  /** Path of the Unix socket. */
  socket: string;
  exited: Promise<Exit>;
  kill(signal: NodeJS.Signals): void;
  stop(): Promise<void>;
}

export interface LaunchOptions {
  dataDir: string;
  testCommands?: boolean | undefined;
  cacheSizeGB?: number | undefined;
}

export function dbPathOf(dataDir: string) {
  return join(dataDir, "mongodb");
}

/** Starts mongod on the data folder and comes back when it is a writable primary. */
export async function launch(binary: Binary, options: LaunchOptions): Promise<Running> {
  const { dataDir, testCommands = false, cacheSizeGB = 0.25 } = options;
  const dbPath = dbPathOf(dataDir);
  const logFile = join(dataDir, "mongod.log");
  mkdirSync(dbPath, { recursive: true, mode: 0o700 });
  if (existsSync(logFile) && statSync(logFile).size > LOG_BYTES) renameSync(logFile, `${logFile}.1`);
  const logStart = existsSync(logFile) ? statSync(logFile).size : 0;
  const socket = await placeForSocket(dataDir);
  const flags = {
    "--dbpath": dbPath,
    "--bind_ip": socket.path, // no TCP port
    "--networkMessageCompressors": "disabled", // CVE-2025-14847 reads memory through zlib before any login
    "--replSet": SET_NAME,
    "--wiredTigerCacheSizeGB": `${cacheSizeGB}`,
    "--oplogSize": "512", // MB; the default is 5 % of the disk. A change stream here only says "look now"
    "--slowms": "1000",
  };
  const parameters = [
    "diagnosticDataCollectionEnabled=false", // memory, and a write each second, for MongoDB's support only
    ...(testCommands ? ["enableTestCommands=1"] : []),
  ].flatMap((parameter) => ["--setParameter", parameter]);
  const command = [...dieWithParent(), ...binary.command, ...Object.entries(flags).flat(), ...parameters];
  const [file = "", ...args] = [...command, "--quiet", "--nounixsocket"];
  // The log is its standard output, so complaints about options and libraries land there as well.
  const log = openSync(logFile, "a", 0o600);
  // Detached: a Ctrl-C in the terminal is for the service, which drains before it stops its database.
  const child = spawn(file, args, { detached: true, stdio: ["ignore", log, log] });
  closeSync(log);
  const died = new AbortController();
  const exited = new Promise<Exit>((resolve) => {
    child.once("exit", (code, signal) => resolve({ code, signal }));
    child.once("error", () => resolve({ code: null, signal: null }));
  }).then((exit) => {
    died.abort(
      new Error(
        `mongod ended at once (${exit.signal ?? `code ${exit.code}`}): ${complaint(logFile, logStart)}`,
      ),
    );
    process.off("exit", stopWithUs);
    socket.remove();
    return exit;
  });
  const stopWithUs = () => child.kill("SIGTERM");
  process.on("exit", stopWithUs);

  const running: Running = {
    pid: child.pid ?? 0,
    socket: socket.path,
    exited,
    kill: (signal) => child.kill(signal),
    async stop() {
      child.kill("SIGTERM");
      const late = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
      await exited;
      clearTimeout(late);
    },
  };
  const tooLate = setTimeout(
    () => died.abort(new Error(`mongod is not ready after ${READY_MS / 1000} s`)),
    READY_MS,
  );
  try {
    await listening({ path: socket.path }, died.signal);
    await becomePrimary(socket.path, died.signal);
    return running;
  } catch (error) {
    // A lost connection is often heard of before the end of the process that explains it.
    await Promise.race([exited, sleep(200)]);
    const cause = died.signal.reason ?? error;
    await running.stop();
    throw cause;
  } finally {
    clearTimeout(tooLate);
  }
}

/**
 * Linux can end a child when its parent dies, kill -9 included (prctl PR_SET_PDEATHSIG, kept across exec). Where the
 * small tool for it is missing, the next start finds the orphan.
 */
export function dieWithParent() {
  return process.platform === "linux" && existsSync(SETPRIV) ? [SETPRIV, "--pdeathsig", "TERM", "--"] : [];
}

/** The reason out of mongod's log (JSON lines, or plain text from the loader): its last errors since this start. */
function complaint(logFile: string, from: number) {
  const lines = readFileSync(logFile).subarray(from).toString().trim().split("\n");
  const errors = lines.flatMap((line) => {
    try {
      const { s, msg, attr } = JSON.parse(line);
      return s === "E" || s === "F" ? [`${msg} ${JSON.stringify(attr ?? {})}`] : [];
    } catch {
      return [line];
    }
  });
  return `${errors.slice(-3).join("; ").slice(-800) || "no reason given"} (see ${logFile})`;
}
