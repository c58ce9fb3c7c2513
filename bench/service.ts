import { spawn } from "node:child_process";
import { once } from "node:events";
import { get } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const main = fileURLToPath(new URL("../main.js", import.meta.url));
/** As `npm start` has them. */
const startOptions = ["--max-semi-space-size=16"];

export interface Service {
  url: string;
  pid: number;
  /** From the spawn to the first 200 of `/readyz`. */
  readyMs: number;
  stop(): Promise<void>;
}

const running = new Set<Service>();

/** For a benchmark that fails half-way. */
export async function stopServices(): Promise<void> {
  await Promise.all([...running].map((one) => one.stop()));
}

/** Belfry as an operator runs it. `cwd`: a folder without a `.env`. */
export async function startService(
  variables: Record<string, string>,
  cwd: string,
  nodeOptions: string[] = [],
): Promise<Service> {
  const port = await freePort();
  const { PATH = "", HOME = "", XDG_CACHE_HOME, MONGOD_BINARY } = process.env;
  const began = performance.now();
  const child = spawn(process.execPath, [...startOptions, ...nodeOptions, main], {
    env: {
      PATH,
      HOME,
      ...(XDG_CACHE_HOME && { XDG_CACHE_HOME }),
      ...(MONGOD_BINARY && { MONGOD_BINARY }),
      PORT: `${port}`,
      LOG_LEVEL: "warn",
      LOG_FORMAT: "json",
      ...variables,
    },
    cwd,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  const keep = (chunk: Buffer) => {
    output = (output + chunk).slice(-4000);
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  const ended = once(child, "exit");
  const url = `http://127.0.0.1:${port}`;
  while ((await statusOf(`${url}/readyz`)) !== 200) {
    if (child.exitCode !== null) throw new Error(`the service ended:\n${output}`);
    await sleep(5);
  }
  const service: Service = {
    url,
    pid: child.pid as number,
    readyMs: Math.round(performance.now() - began),
    async stop() {
      running.delete(service);
      child.kill("SIGTERM");
      await ended;
    },
  };
  running.add(service);
  return service;
}

export function statusOf(url: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    get(url, { agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode);
    }).on("error", () => resolve(undefined));
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
