import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, statSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { installPackage } from "../test/support/debian.ts";
import { freePort } from "../test/support/free-port.ts";
import { createProgram, type Program } from "./program.ts";
import { statusOf } from "./service.ts";

export type Name = "Belfry" | "BullMQ" | "Agenda";

/** The processes of each; the first one takes requests. */
export const processes: Record<Name, [string, ...string[]]> = {
  Belfry: ["belfry"],
  BullMQ: ["api", "worker", "redis"],
  Agenda: ["api", "worker"],
};
export const names = Object.keys(processes) as Name[];

const root = fileURLToPath(new URL("../../", import.meta.url));
const peers = join(root, "bench/peers");
/** The lines that somebody writes and maintains. */
const sources: Record<Exclude<Name, "Belfry">, string[]> = {
  BullMQ: ["bullmq/api.js", "bullmq/worker.js", "bullmq/redis.conf"],
  Agenda: ["agenda/api.js", "agenda/worker.js"],
};
const shared = ["shared/service.js", "shared/mailer.js"];

/** Lines that are neither empty nor a comment. */
export function linesOf(text: string): number {
  return text.split("\n").filter((line) => !/^\s*($|\/\/|\/?\*|#)/.test(line)).length;
}
export const linesToWrite = (name: Exclude<Name, "Belfry">): number =>
  [...shared, ...sources[name]].reduce(
    (sum, file) => sum + linesOf(readFileSync(join(peers, file), "utf8")),
    0,
  );

export interface Setting {
  uri: string;
  smtpPort: number;
  folder: string;
  /** After this long without a sign of life, a dead worker's jobs go to another. Agenda's default is ten minutes. */
  lockMs?: number;
}

export interface Contender {
  name: Name;
  url: string;
  programs: Program[];
  start(): Promise<void>;
  /** Only what takes requests: mails stay in the queue. */
  startWithoutWorker(): Promise<void>;
  stop(): Promise<void>;
}

/** The defaults of Belfry, for all. */
const connections = "16";
const concurrency = "32";

const mailVariables = (smtpPort: number) => ({
  EMAIL: "someone@belfry.invalid",
  SMTP_HOST: "127.0.0.1",
  SMTP_PORT: String(smtpPort),
  SMTP_EMAIL: "sender@belfry.invalid",
  SMTP_NAME: "Sender",
  SMTP_CONNECTIONS: connections,
});

export async function createContender(name: Name, setting: Setting): Promise<Contender> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const common = { DB_URI: setting.uri, PORT: port, ...mailVariables(setting.smtpPort) };
  const cwd = mkdtempSync(join(setting.folder, `${name.toLowerCase()}-`));
  const node = (program: string, args: string[], env: Record<string, string>, path?: string) =>
    createProgram({
      name: program,
      command: process.execPath,
      args,
      env,
      cwd,
      isReady: async (output) =>
        path === undefined ? output.includes("ready\n") : (await statusOf(url + path)) === 200,
    });

  if (name === "Belfry") {
    const args = ["--max-semi-space-size=16", join(root, "dist/main.js")];
    const env = {
      ...common,
      DELIVERY_CONCURRENCY: concurrency,
      LEASE_MS: String(setting.lockMs ?? 30_000),
      LOG_LEVEL: "warn",
      LOG_FORMAT: "json",
    };
    const whole = node("belfry", args, env, "/readyz");
    const api = node("belfry", args, { ...env, ROLES: "api" }, "/readyz");
    return {
      name,
      url,
      programs: [whole],
      start: whole.start,
      startWithoutWorker: api.start,
      stop: async () => void (await Promise.all([whole.stop(), api.stop()])),
    };
  }

  const redisPort = await freePort();
  const env = {
    ...common,
    CONCURRENCY: concurrency,
    REDIS_PORT: redisPort,
    LOCK_MS: String(setting.lockMs ?? 600_000),
  };
  const folder = join(peers, name.toLowerCase());
  const api = node("api", [join(folder, "api.js")], env, `/list?user_id=${"0".repeat(24)}`);
  const worker = node("worker", [join(folder, "worker.js")], env);
  const redis = createProgram({
    name: "redis",
    command: "redis-server",
    args: [join(folder, "redis.conf"), "--bind", "127.0.0.1", "--port", redisPort, "--dir", cwd],
    env: {},
    cwd,
    isReady: () => answersPing(Number(redisPort)),
  });
  const programs = name === "BullMQ" ? [api, worker, redis] : [api, worker];
  const startAll = async (...all: Program[]) => {
    for (const one of all) await one.start();
  };
  return {
    name,
    url,
    programs,
    start: () => startAll(...(name === "BullMQ" ? [redis] : []), api, worker),
    startWithoutWorker: () => startAll(...(name === "BullMQ" ? [redis] : []), api),
    async stop() {
      for (const one of [api, worker, redis]) await one.stop();
    },
  };
}

function answersPing(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => socket.write("PING\r\n"));
    socket.on("data", (answer) => {
      // While it reads its data it answers -LOADING.
      resolve(answer.toString().startsWith("+PONG"));
      socket.destroy();
    });
    socket.on("error", () => resolve(false));
  });
}

/** The peers' packages, in a folder of their own, and Debian's Redis. */
export async function installPeers(say: (line: string) => void): Promise<void> {
  if (!isInstalled()) {
    say("npm ci in bench/peers");
    const args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
    execFileSync("npm", args, { cwd: peers, stdio: "inherit" });
  }
  if (redisVersion() !== undefined) return;
  const why = await installPackage("redis-server");
  if (redisVersion() === undefined)
    throw new Error(`Redis is missing (${why}): apt-get install redis-server (Debian, Ubuntu)`);
}

/** npm writes the hidden lockfile last. */
function isInstalled(): boolean {
  const installed = join(peers, "node_modules/.package-lock.json");
  return (
    existsSync(installed) && statSync(installed).mtimeMs >= statSync(join(peers, "package-lock.json")).mtimeMs
  );
}

const redisVersion = () =>
  /v=(\S+)/.exec(spawnSync("redis-server", ["--version"], { encoding: "utf8" }).stdout ?? "")?.[1];

/** What was measured, by name. */
export function versions(): Record<string, string> {
  const { dependencies } = JSON.parse(readFileSync(join(peers, "package.json"), "utf8"));
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  return { Belfry: version, Redis: redisVersion() ?? "unknown", ...dependencies };
}
