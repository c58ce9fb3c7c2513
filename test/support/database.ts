import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Db, MongoClient } from "mongodb";
import { afterAll, beforeAll, inject } from "vitest";
import { startManagedMongod } from "../../mongod/index.ts";
import { shardSteps } from "../../src/store/shard.ts";

export interface TestDatabase {
  /** For `DB_URI`: names a database that nobody else uses. */
  uri: string;
  client: MongoClient;
  db: Db;
}

/** A database of this test file's own on the run's MongoDB, dropped at its end. Call at the top of the file. */
export function freshDatabase(): TestDatabase {
  const database = databaseOn(inject("mongoUri"));
  beforeAll(async () => {
    if (inject("isSharded")) for (const { run } of await shardSteps(database.db)) await run();
  });
  return database;
}

/** On a MongoDB of the file's own, for those that make it fail: `failCommand` is one setting for a whole server. */
export async function ownDatabase(): Promise<TestDatabase> {
  const folder = mkdtempSync(join(tmpdir(), "belfry-own-"));
  const mongod = await startManagedMongod({ dataDir: folder, testCommands: true, log: () => {} });
  afterAll(async () => {
    await mongod.close();
    rmSync(folder, { recursive: true });
  });
  return databaseOn(mongod.uri);
}

function databaseOn(mongoUri: string): TestDatabase {
  const name = `test_${randomBytes(6).toString("hex")}`;
  const uri = new URL(mongoUri);
  uri.pathname = `/${name}`;
  const client = new MongoClient(uri.href);
  const db = client.db(name);
  afterAll(async () => {
    await db.dropDatabase();
    await client.close();
  });
  return { uri: uri.href, client, db };
}

/** Makes the server fail as told (`failCommand`) until the returned function is called. Only `appName` is hit. */
export async function failCommands(
  client: MongoClient,
  mode: "alwaysOn" | { times: number } | { skip: number },
  data: {
    failCommands: string[];
    errorCode?: number;
    closeConnection?: boolean;
    blockConnection?: boolean;
    blockTimeMS?: number;
    errorLabels?: string[];
    appName?: string;
    /** `database.collection`: only commands on it. */
    namespace?: string;
  },
): Promise<() => Promise<void>> {
  const admin = client.db("admin");
  await admin.command({ configureFailPoint: "failCommand", mode, data });
  return async () => {
    await admin.command({ configureFailPoint: "failCommand", mode: "off" });
  };
}
