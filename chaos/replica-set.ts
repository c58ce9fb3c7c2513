import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { MongoClient } from "mongodb";
import { defaultCacheDir } from "../mongod/cache.ts";
import { findMongod, mongodSources } from "../mongod/find.ts";
import { eventually } from "../test/support/eventually.ts";
import { freePort } from "../test/support/free-port.ts";

const members = 3;
const setName = "chaos";

/** Three mongods on loopback. */
export interface ReplicaSet {
  uri: string;
  /** `kill -9` of whoever is the primary; answers with what starts it again and waits until it has caught up. */
  killPrimary(): Promise<() => Promise<void>>;
  close(): Promise<void>;
}

/** `electionMs`: how long the others wait before they elect a new primary; MongoDB's default is 10,000. */
export async function startReplicaSet(folder: string, electionMs: number): Promise<ReplicaSet> {
  const binary = process.env.MONGOD_BINARY;
  const sources = mongodSources({
    ...(binary !== undefined && { binary }),
    cacheDir: defaultCacheDir(),
    log: () => {},
  });
  const { command } = await findMongod(sources);
  const chosen = new Set<number>();
  while (chosen.size < members) chosen.add(Number(await freePort()));
  const ports = [...chosen];
  const running = new Map<number, ChildProcess>();

  function start(port: number): void {
    const data = join(folder, `mongod-${port}`);
    mkdirSync(data, { recursive: true });
    const flags = {
      "--dbpath": data,
      "--port": `${port}`,
      "--bind_ip": "127.0.0.1",
      "--replSet": setName,
      "--wiredTigerCacheSizeGB": "0.25",
      "--oplogSize": "256",
      "--setParameter": "diagnosticDataCollectionEnabled=false",
    };
    const [file = "", ...args] = [...command, ...Object.entries(flags).flat(), "--quiet", "--nounixsocket"];
    running.set(port, spawn(file, args, { stdio: "ignore" }));
  }

  async function kill(port: number): Promise<void> {
    const child = running.get(port);
    running.delete(port);
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  }

  const killWithUs = () => {
    for (const child of running.values()) child.kill("SIGKILL");
  };
  process.on("exit", killWithUs);
  const close = async () => {
    process.off("exit", killWithUs);
    await Promise.all(ports.map(kill));
  };

  try {
    for (const port of ports) start(port);
    const hosts = ports.map((port) => `127.0.0.1:${port}`);
    await Promise.all(ports.map((port) => eventually(() => stateOf(port), `mongod ${port} answers`, 60)));
    await ask(ports[0] as number, {
      replSetInitiate: {
        _id: setName,
        members: hosts.map((host, _id) => ({ _id, host })),
        settings: { electionTimeoutMillis: electionMs },
      },
    });
    await eventually(() => primary(ports), "there is a primary", 60);
    await Promise.all(ports.map(ready));
    return {
      uri: `mongodb://${hosts.join(",")}/?replicaSet=${setName}`,
      async killPrimary() {
        const port = await eventually(() => primary(ports), "there is a primary", 60);
        await kill(port);
        return async () => {
          start(port);
          await eventually(() => primary(ports), "there is a primary", 60);
          await ready(port);
        };
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }

  async function ready(port: number): Promise<void> {
    await eventually(
      async () => ["primary", "secondary"].includes((await stateOf(port)) ?? ""),
      `mongod ${port} is up to date`,
      60,
    );
  }
}

async function primary(ports: number[]): Promise<number | undefined> {
  const states = await Promise.all(ports.map(stateOf));
  return ports[states.indexOf("primary")];
}

async function stateOf(port: number): Promise<"primary" | "secondary" | "other" | undefined> {
  const hello = await ask(port, { hello: 1 }).catch(() => undefined);
  if (!hello) return undefined;
  return hello.isWritablePrimary ? "primary" : hello.secondary ? "secondary" : "other";
}

async function ask(port: number, command: object) {
  const client = new MongoClient(`mongodb://127.0.0.1:${port}/?directConnection=true`, {
    serverSelectionTimeoutMS: 1_000,
  });
  try {
    return await client.db("admin").command(command);
  } finally {
    await client.close();
  }
}
