import { randomBytes } from "node:crypto";
import { type Db, MongoClient } from "mongodb";
import { afterAll, inject } from "vitest";
import { eventually } from "./eventually.ts";

export interface TestDatabase {
  /** For `DB_URI`: names a database that nobody else uses. */
  uri: string;
  client: MongoClient;
  db: Db;
}

/** A database of this test file's own on the run's MongoDB, dropped at its end. Call at the top of the file. */
export function freshDatabase(): TestDatabase {
  const name = `test_${randomBytes(6).toString("hex")}`;
  const uri = new URL(inject("mongoUri"));
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
  mode: "alwaysOn" | { times: number },
  data: {
    failCommands: string[];
    errorCode?: number;
    closeConnection?: boolean;
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

/**
 * The same on the MongoDB that all files share, which can be told one thing at a time: waits until no other file's test has
 * told it something. A test that forgot to end it gives way after a minute.
 */
export async function failCommandsInTurn(
  client: MongoClient,
  ...failure: [Parameters<typeof failCommands>[1], Parameters<typeof failCommands>[2]]
): Promise<() => Promise<void>> {
  const turns = client.db("test_turns").collection<{ _id: string; until: Date }>("turns");
  await eventually(
    async () => {
      await turns.deleteOne({ _id: "failCommand", until: { $lt: new Date() } });
      return turns.insertOne({ _id: "failCommand", until: new Date(Date.now() + 60_000) }).catch(() => false);
    },
    "the other files' tests are done with failCommand",
    60,
  );
  const end = await failCommands(client, ...failure);
  let ended = false;
  return async () => {
    if (ended) return;
    ended = true;
    await end();
    await turns.deleteOne({ _id: "failCommand" });
  };
}
