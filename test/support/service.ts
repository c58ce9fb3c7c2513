import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { pino } from "pino";
import { type App, startApp } from "../../src/app.ts";
import { loadConfig } from "../../src/config/load.ts";
import { closeAfterTest } from "./closing.ts";
import { eventually } from "./eventually.ts";

export { eventually };

export type Variables = Record<string, string>;

/** Belfry inside the test's process, on a free port; closed after the test. */
export async function startService(variables: Variables): Promise<App & { url: string }> {
  const { config } = loadConfig({ PORT: "0", RETRY_DELAY_MS: "100", ...variables });
  const app = await startApp(config, pino({ level: process.env.TEST_LOG ?? "silent" }));
  closeAfterTest(() => app.close());
  return app as App & { url: string };
}

export interface ServiceProcess {
  url: string;
  child: ChildProcess;
  /** Everything it wrote, both streams. */
  output: () => string;
  /** Resolves with the exit code, or the signal's name. */
  ended: Promise<number | string>;
  kill(signal: NodeJS.Signals): void;
  close(): Promise<unknown>;
}

/** Where services are spawned unless a test says where: the `.env` of whoever works on Belfry is not there. */
let emptyFolder: string | undefined;
process.once("exit", () => {
  if (emptyFolder !== undefined) rmSync(emptyFolder, { recursive: true });
});

const main = fileURLToPath(new URL("../../dist/main.js", import.meta.url));

export interface SpawnOptions {
  cwd?: string;
  /** The built program of another version. */
  main?: string | undefined;
}

/** Belfry as an operator runs it: the built program in a process of its own, killed after the test. Resolves when it is ready. */
export async function spawnService(
  variables: Variables,
  options: SpawnOptions = {},
): Promise<ServiceProcess> {
  const service = spawnMain(variables, options);
  const { child, output } = service;
  const ready = new Promise<string>((resolve) => {
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on("line", (line) => {
      const url = /"url":"([^"]+)"/.exec(line)?.[1];
      if (url) resolve(url);
    });
  });
  const url = await Promise.race([ready, service.ended.then(() => undefined)]);
  if (url === undefined) throw new Error(`the service did not start:\n${output()}`);
  return Object.assign(service, { url });
}

/** The program without waiting for it to be ready: for starts that are meant to fail. */
export function spawnMain(variables: Variables, options: SpawnOptions = {}): Omit<ServiceProcess, "url"> {
  const { PATH = "", HOME = "" } = process.env;
  emptyFolder ??= mkdtempSync(join(tmpdir(), "belfry-start-"));
  const child = spawn(process.execPath, [options.main ?? main], {
    env: { PATH, HOME, PORT: "0", LOG_FORMAT: "json", ...variables },
    cwd: options.cwd ?? emptyFolder,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  child.stdout.on("data", (chunk) => {
    text += chunk;
  });
  child.stderr.on("data", (chunk) => {
    text += chunk;
  });
  const ended = once(child, "exit").then(([code, signal]) => (code ?? signal) as number | string);
  const service = {
    child,
    output: () => text,
    ended,
    kill: (signal: NodeJS.Signals) => void child.kill(signal),
    close: () => {
      child.kill("SIGKILL");
      return ended;
    },
  };
  closeAfterTest(() => service.close());
  return service;
}
