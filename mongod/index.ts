import { mkdirSync } from "node:fs";
import { resolve } from "node:path";
import { defaultCacheDir } from "./cache.ts";
import { findMongod, mongodSources } from "./find.ts";
import { dbPathOf, type Exit, launch } from "./launch.ts";
import { lockDataDir, socketOfHolder } from "./lock.ts";
import { stopOrphan } from "./orphan.ts";
import { uriFor } from "./replica-set.ts";
import type { Log } from "./types.ts";

export interface ManagedMongodOptions {
  dataDir: string;
  /** Where fetched binaries are kept; default `belfry` in the user's cache folder. */
  cacheDir?: string | undefined;
  /** Use this mongod and look nowhere else. */
  binary?: string | undefined;
  log: Log;
  /** For what only somebody who looks for a fault wants to know. */
  debug?: Log | undefined;
  /** Allows `failCommand` and the like. */
  testCommands?: boolean | undefined;
  /** WiredTiger's cache; default 0.25. */
  cacheSizeGB?: number | undefined;
  /** How long to wait for another holder of the data folder; default 10,000. */
  waitMs?: number | undefined;
}

export interface ManagedMongod {
  uri: string;
  pid: number;
  version: string;
  /** Where the binary came from. */
  source: string;
  /** Resolves when mongod has ended, for whatever reason. */
  exited: Promise<Exit>;
  /** For tests of what happens then. */
  kill(signal: NodeJS.Signals): void;
  /** Stops mongod (SIGKILL after 10 s) and gives the data folder free. May be called again. */
  close(): Promise<void>;
}

/** The URI of the database that a running service keeps on `dataDir`; undefined when none does. */
export function runningMongodUri(dataDir: string): string | undefined {
  const socket = socketOfHolder(resolve(dataDir));
  return socket === undefined ? undefined : uriFor(socket);
}

/** A real MongoDB, as a replica set of one, on `dataDir`: looked for, or fetched, then started. */
export async function startManagedMongod(options: ManagedMongodOptions): Promise<ManagedMongod> {
  const { log, cacheDir = defaultCacheDir(), waitMs = 10_000 } = options;
  if (process.platform === "win32")
    throw new Error(
      "Belfry runs no MongoDB of its own on Windows: set DB_URI to a running MongoDB, or use WSL.",
    );
  const dataDir = resolve(options.dataDir);
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const lock = await lockDataDir(dataDir, waitMs, log);
  try {
    const binary = await findMongod(
      mongodSources({ binary: options.binary, cacheDir: resolve(cacheDir), log }),
    );
    await stopOrphan(dbPathOf(dataDir), log);
    const mongod = await launch(binary, { ...options, dataDir });
    lock.setSocket(mongod.socket);
    const uri = uriFor(mongod.socket);
    const { version, source, passedOver } = binary;
    options.debug?.("where the mongod is from, and where else it was looked for", { source, passedOver });
    let closing: Promise<void> | undefined;
    return {
      uri,
      pid: mongod.pid,
      version,
      source,
      exited: mongod.exited,
      kill: mongod.kill,
      close() {
        closing ??= mongod.stop().finally(lock.release);
        return closing;
      },
    };
  } catch (error) {
    lock.release();
    throw error;
  }
}
