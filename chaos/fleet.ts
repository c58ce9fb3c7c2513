import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export type Role = "api" | "worker";
export type Variables = Record<string, string>;

/** One process of the service: the built program, as an operator runs it. */
export interface Member {
  role: Role;
  /** Whether it is ready and nobody has killed it. */
  up: boolean;
  /** Of an API. */
  url: string;
  /** `kill -9`; resolves when it is gone. */
  kill(): Promise<void>;
  signal(signal: NodeJS.Signals): void;
  /** Starts it again; resolves when it is ready. Rejects with its output when it ends instead. */
  start(): Promise<void>;
  /** The end of what it wrote. */
  output(): string;
}

/** The repository's root, from these sources and from what they are compiled to. */
export const root = (() => {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json"))) folder = dirname(folder);
  return folder;
})();

const main = join(root, "dist", "main.js");
const outputKept = 20_000;

export interface Fleet {
  members: Member[];
  add(role: Role, count: number): Promise<Member[]>;
  /** Where requests can go now. */
  urls(): string[];
  close(): Promise<void>;
}

/** Several processes of the service over one database. */
export function createFleet(variables: Variables, cwd: string): Fleet {
  const members: Member[] = [];
  return {
    members,
    async add(role, count) {
      const added = Array.from({ length: count }, () => createMember(role, variables, cwd));
      members.push(...added);
      await Promise.all(added.map((one) => one.start()));
      return added;
    },
    urls: () => members.filter((one) => one.role === "api" && one.up).map((one) => one.url),
    async close() {
      await Promise.all(members.map((one) => one.kill()));
    },
  };
}

function createMember(role: Role, variables: Variables, cwd: string): Member {
  const { PATH = "", HOME = "" } = process.env;
  let child: ChildProcess | undefined;
  let text = "";
  const killWithUs = () => void child?.kill("SIGKILL");

  return {
    role,
    up: false,
    url: "",
    async kill() {
      this.up = false;
      const running = child;
      child = undefined;
      process.off("exit", killWithUs);
      if (!running || running.exitCode !== null || running.signalCode !== null) return;
      running.kill("SIGKILL");
      await once(running, "exit");
    },
    signal: (signal) => void child?.kill(signal),
    async start() {
      const started = spawn(process.execPath, [main], {
        env: { PATH, HOME, PORT: "0", LOG_FORMAT: "json", ROLES: role, ...variables },
        cwd,
        stdio: ["ignore", "pipe", "pipe"],
      });
      child = started;
      process.on("exit", killWithUs);
      const keep = (chunk: Buffer) => {
        text = (text + chunk).slice(-outputKept);
      };
      started.stdout.on("data", keep);
      started.stderr.on("data", keep);
      const ready = new Promise<string>((resolve) => {
        createInterface({ input: started.stdout }).on("line", (line) => {
          const url = /"url":"([^"]+)"/.exec(line)?.[1];
          if (url !== undefined) resolve(url);
        });
      });
      const url = await Promise.race([ready, once(started, "exit").then(() => undefined)]);
      if (url === undefined) throw new Error(`a process of the service ended at its start:\n${text}`);
      this.url = url;
      this.up = true;
    },
    output: () => text,
  };
}
