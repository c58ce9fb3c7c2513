import { expect, test } from "vitest";
import { prepareCollections } from "../src/store/indexes.ts";
import { failCommands, ownDatabase } from "./support/database.ts";
import { call } from "./support/http.ts";
import { eventually, type ServiceProcess, spawnService } from "./support/service.ts";

const { uri, client, db } = await ownDatabase();
const records = db.collection<{ _id: string; run: number; state: string }>("migrations");
const ofUsers = "drop index preferences of users";

test("two instances that start on an older database: one is killed in the middle of a migration, the other takes over and is ready then", async () => {
  await prepareCollections(db);
  await db.collection("deliveries").createIndex({ channel: 1, due: 1 }, { name: "due" });
  await db.collection("users").createIndex({ _id: 1, preferences_rev: 1 }, { name: "preferences" });
  const slow = {
    failCommands: ["dropIndexes"],
    namespace: `${db.databaseName}.users`,
    blockConnection: true,
    blockTimeMS: 20_000,
    appName: "belfry",
  };
  await failCommands(client, { times: 1 }, slow);
  const both = await Promise.all([1, 2].map(() => spawnService({ DB_URI: uri, LEASE_MS: "2000" })));
  const runs = ({ output }: ServiceProcess) => output().includes(`"migration":"${ofUsers}"`);
  const [running] = await eventually(() => {
    const found = both.filter(runs);
    return found.length > 0 && found;
  }, "one runs the second migration");
  const waiting = both.find((one) => one !== running) as ServiceProcess;
  for (const { url } of both) {
    expect(await call(url, "GET", "/readyz?verbose")).toMatchObject({
      status: 503,
      body: { status: "migrating", checks: { mongodb: "ok", migrations: "pending" } },
    });
    expect((await call(url, "GET", "/livez")).status).toBe(200);
    expect((await call(url, "POST", "/create", { user_id: "a".repeat(24), key: "new_message" })).status).toBe(
      201,
    );
  }
  expect(runs(waiting)).toBe(false);
  await eventually(async () => {
    const { body } = await call(waiting.url, "GET", "/readyz?verbose");
    return body.migrations[0]?.name === ofUsers && body.migrations[0].state === "running";
  }, "the other shows what it waits for");
  await eventually(() => waiting.output().includes("migrations are under way"), "and logs it");

  (running as ServiceProcess).kill("SIGKILL");
  await eventually(async () => (await call(waiting.url, "GET", "/readyz")).status === 200, "it is ready");
  expect((await call(waiting.url, "GET", "/readyz?verbose")).body).not.toHaveProperty("migrations");
  expect(await records.find({}, { projection: { run: 1, state: 1 } }).toArray()).toEqual([
    { _id: "drop index due of deliveries", run: 1, state: "done" },
    { _id: ofUsers, run: 2, state: "done" },
  ]);
  expect(await db.collection("users").indexExists("preferences")).toBe(false);
});
