import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { MongoClient } from "mongodb";
import { defaultCacheDir } from "../../mongod/cache.ts";
import { findMongod, mongodSources } from "../../mongod/find.ts";
import { eventually } from "./eventually.ts";
import { freePort } from "./free-port.ts";
import { serverProcess } from "./server-process.ts";

/** Some mongods on loopback. */
export interface ReplicaSet {
  /** `name/host:port,…`, as `addShard` takes it. */
  seeds: string;
  uri: string;
  /** `kill -9` of whoever is the primary; answers with what starts it again and waits until it has caught up. */
  killPrimary(): Promise<() => Promise<void>>;
  /** The ids of the members that run. */
  pids(): number[];
  close(): Promise<void>;
}

export interface ReplicaSetOptions {
  /** Default 3. */
  members?: number;
  name?: string;
  /** How long the others wait before they elect a new primary; MongoDB's default is 10,000. */
  electionMs?: number;
  /** Further flags of mongod. */
  flags?: string[];
  /** The program with its loader; looked for when absent. */
  command?: string[];
}

export async function startReplicaSet(folder: string, options: ReplicaSetOptions = {}): Promise<ReplicaSet> {
  const { members = 3, name = "chaos", electionMs = 1_000, flags = [] } = options;
  const command = options.command ?? (await foundMongod());
  const ports = await freePorts(members);
  const mongods = new Map(
    ports.map((port) => {
      const data = join(folder, `mongod-${port}`);
      mkdirSync(data, { recursive: true });
      const own = {
        "--dbpath": data,
        "--port": `${port}`,
        "--bind_ip": "127.0.0.1",
        "--replSet": name,
        "--wiredTigerCacheSizeGB": "0.25",
        "--oplogSize": "256",
        "--setParameter": "diagnosticDataCollectionEnabled=false",
      };
      const args = [...Object.entries(own).flat(), ...flags, "--quiet", "--nounixsocket"];
      return [port, serverProcess([...command, ...args])] as const;
    }),
  );
  const close = async () => {
    await Promise.all([...mongods.values()].map((mongod) => mongod.kill()));
  };

  try {
    for (const mongod of mongods.values()) mongod.start();
    const hosts = ports.map((port) => `127.0.0.1:${port}`);
    await Promise.all(ports.map((port) => eventually(() => stateOf(port), `mongod ${port} answers`, 60)));
    await ask(ports[0] as number, {
      replSetInitiate: {
        _id: name,
        ...(flags.includes("--configsvr") && { configsvr: true }),
        members: hosts.map((host, _id) => ({ _id, host })),
        settings: {
          electionTimeoutMillis: electionMs,
          heartbeatIntervalMillis: Math.min(500, electionMs / 2),
        },
      },
    });
    await eventually(() => primary(ports), "there is a primary", 60);
    await Promise.all(ports.map(ready));
    return {
      seeds: `${name}/${hosts.join(",")}`,
      uri: `mongodb://${hosts.join(",")}/?replicaSet=${name}`,
      async killPrimary() {
        const port = await eventually(() => primary(ports), "there is a primary", 60);
        const mongod = mongods.get(port);
        await mongod?.kill();
        return async () => {
          mongod?.start();
          await eventually(() => primary(ports), "there is a primary", 60);
          await ready(port);
        };
      },
      pids: () => [...mongods.values()].flatMap((mongod) => mongod.pid() ?? []),
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

async function foundMongod(): Promise<string[]> {
  const binary = process.env.MONGOD_BINARY;
  return (await findMongod(mongodSources({ binary, cacheDir: defaultCacheDir(), log: () => {} }))).command;
}

export async function freePorts(count: number): Promise<number[]> {
  const chosen = new Set<number>();
  while (chosen.size < count) chosen.add(Number(await freePort()));
  return [...chosen];
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

/** Asks one server, whatever its state. */
export async function ask(port: number, command: object) {
  const client = new MongoClient(`mongodb://127.0.0.1:${port}/?directConnection=true`, {
    serverSelectionTimeoutMS: 1_000,
  });
  try {
    return await client.db("admin").command(command);
  } finally {
    await client.close();
  }
}
