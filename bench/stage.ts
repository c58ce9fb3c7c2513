import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MongoClient } from "mongodb";
import { cores, cpuModel } from "./machine.ts";
import { type Mongod, startMongod } from "./mongod.ts";
import { stopServices } from "./service.ts";

/** What every benchmark's results begin with. */
export interface Facts {
  /** ISO 8601. */
  measuredAt: string;
  node: string;
  mongod: string;
  cores: number;
  cpu: string;
}

export interface Stage {
  /** Prints a line of progress, with the seconds since the begin. */
  say: (line: string) => void;
  /** For temporary files. */
  folder: string;
  mongod: Mongod;
  client: MongoClient;
  /** A connection string for a database of that name. */
  uriOf: (database: string) => string;
  facts: Facts;
  /** Ends the services, `mongod` and all that it kept. */
  strike(): Promise<void>;
}

/** What every benchmark runs in: a folder, and a MongoDB of its own. */
export async function setUp(name: string): Promise<Stage> {
  if (process.platform !== "linux") throw new Error("The benchmark reads /proc: it runs on Linux only.");
  const began = performance.now();
  const say = (line: string) =>
    process.stdout.write(`${((performance.now() - began) / 1000).toFixed(0).padStart(4)} s  ${line}\n`);
  const folder = mkdtempSync(join(tmpdir(), `belfry-${name}-`));
  const mongod = await startMongod(folder, say);
  const client = new MongoClient(mongod.uri);
  return {
    say,
    folder,
    mongod,
    client,
    uriOf(database) {
      const uri = new URL(mongod.uri);
      uri.pathname = `/${database}`;
      return uri.href;
    },
    facts: {
      measuredAt: new Date().toISOString(),
      node: process.versions.node,
      mongod: mongod.version,
      cores,
      cpu: cpuModel,
    },
    async strike() {
      await stopServices();
      await client.close();
      await mongod.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
