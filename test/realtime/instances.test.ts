import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MongoClient } from "mongodb";
import { afterAll, afterEach, beforeAll, expect, onTestFinished, test } from "vitest";
import { type ManagedMongod, startManagedMongod } from "../../mongod/index.ts";
import { change, livePath, notify, someone } from "../http/live/calls.ts";
import { openSocket, type SocketDevice } from "../http/live/clients.ts";
import { failCommands } from "../support/database.ts";
import { call } from "../support/http.ts";
import { startReplicaSet } from "../support/replica-set.ts";
import { eventually, startService } from "../support/service.ts";
import { startStandalone } from "../support/standalone.ts";

// Two instances on one database, and what MongoDB can do to them.

// A MongoDB of this file's own: what is broken on purpose here must not break another file's tests.
const folder = mkdtempSync(join(tmpdir(), "belfry-instances-"));
let mongod: ManagedMongod;
let client: MongoClient;
let uri: string;
beforeAll(async () => {
  mongod = await startManagedMongod({ dataDir: folder, testCommands: true, log: () => {} });
  client = new MongoClient(mongod.uri);
  uri = mongod.uri.replace("/?", "/instances?");
});
afterAll(async () => {
  await client.close();
  await mongod.close();
  rmSync(folder, { recursive: true });
});
afterEach(() => failCommands(client, { times: 1 }, { failCommands: [] }).then((off) => off()));

/** Two instances, and a device of the user's on each. */
async function two(dbUri: string) {
  const [a, b] = [await startService({ DB_URI: dbUri }), await startService({ DB_URI: dbUri })];
  const user = someone();
  const [here, there] = [openSocket(a.url, livePath(user)), openSocket(b.url, livePath(user))];
  await eventually(() => here.messages.length === 1 && there.messages.length === 1, "both listen");
  return { a: a.url, b: b.url, user, here, there };
}

const revOf = ({ messages }: SocketDevice) => (messages.at(-1) as { rev?: number } | undefined)?.rev ?? 0;
/** How many changes it has heard of, by their `rev`; the first came alone. */
const heard = (device: SocketDevice) => {
  const first = device.messages.find((one) => one.type === "changes")?.rev;
  return first === undefined ? 0 : revOf(device) - first + 1;
};
const knows = (changes: number, ...devices: SocketDevice[]) =>
  eventually(
    () => devices.every((device) => heard(device) === changes),
    `each device hears of ${changes} changes`,
  );

const metricOf = async (url: string, name: string) =>
  new RegExp(`^belfry_live_${name} (.*)$`, "m").exec(await (await fetch(`${url}/metrics`)).text())?.[1];

test("without hints an instance serves its own devices at once, others when they are back", async () => {
  const { a, b, user, here, there } = await two(uri);
  const id = await notify(a, user);
  await knows(1, here, there);
  expect([await metricOf(b, "following"), await metricOf(b, "connections")]).toEqual(["1", "1"]);
  const broken = {
    failCommands: ["insert", "find", "getMore"],
    namespace: "instances.hints",
    closeConnection: true,
    appName: "belfry",
  };
  const breakHints = async () => {
    const heal = await failCommands(client, "alwaysOn", broken);
    await eventually(
      async () => (await metricOf(a, "following")) === "0" && (await metricOf(b, "following")) === "0",
      "neither follows the other",
    );
    return heal;
  };
  const heal = await breakHints();
  await notify(a, user);
  await knows(2, here);
  await change(a, user, id, "archive");
  await knows(3, here);
  await change(a, user, id, "delete");
  await knows(4, here);
  await knows(1, there);
  await heal();
  await knows(4, there);

  const healAgain = await breakHints();
  expect((await call(a, "DELETE", `/v1/users/${encodeURIComponent(user)}`)).status).toBe(204);
  const erased = { type: "resync", rev: 0, unread: 0, unseen: 0, total: 0 };
  await eventually(() => here.messages.at(-1)?.type === "resync", "its own device hears of the erasure");
  expect(here.messages.at(-1)).toEqual(erased);
  await knows(4, there);
  await healAgain();
  await eventually(() => there.messages.at(-1)?.type === "resync", "the other's, too");
});

test("devices hear of a change of which no hint told", async () => {
  const { a, user, here, there } = await two(uri);
  await notify(a, user);
  await knows(1, here, there);
  // By a program that tells nobody.
  const users = client.db("instances").collection<{ _id: string; rev: number }>("users");
  await users.updateOne({ _id: user }, { $inc: { rev: 1 } });
  await knows(2, here, there);
});

test("devices wait while the inbox cannot be read, then get everything", async () => {
  // These notifications are of the type `direct`, which reads no preferences.
  const { a, b, user, here, there } = await two(uri);
  // What creates a user looks for it.
  await notify(a, user);
  await knows(1, here, there);
  const heal = await failCommands(client, "alwaysOn", {
    failCommands: ["find"],
    namespace: "instances.users",
    errorCode: 189,
    appName: "belfry",
  });
  await notify(a, user);
  await notify(b, user);
  await heal();
  await knows(3, here, there);
  const seen = ({ messages }: SocketDevice) =>
    messages.flatMap((one) => (one.type === "changes" ? one.changes.map(({ change }) => change) : []));
  expect([seen(here), seen(there)]).toEqual([
    ["new", "new", "new"],
    ["new", "new", "new"],
  ]);
});

test("a killed primary delays devices by seconds, and loses no change", { timeout: 240_000 }, async () => {
  const place = mkdtempSync(join(tmpdir(), "belfry-instances-set-"));
  const set = await startReplicaSet(place);
  onTestFinished(async () => {
    await set.close();
    rmSync(place, { recursive: true });
  });
  const { a, b, user, here, there } = await two(set.uri);
  await notify(a, user);
  await knows(1, here, there);
  await set.killPrimary();
  const title = { title: "after the kill", receiver_user_id: user };
  await eventually(
    async () => (await call(a, "POST", "/notification/", title)).status === 201,
    "notifications are taken again",
    60,
  );
  await notify(b, user);
  const { body } = await call(a, "GET", `/v1/users/${encodeURIComponent(user)}/inbox`);
  expect(body.total).toBeGreaterThanOrEqual(3);
  await eventually(
    () => revOf(here) === body.rev && revOf(there) === body.rev,
    "each device hears of the last",
  );
  const ids = ({ messages }: SocketDevice) =>
    messages.flatMap((one) =>
      one.type === "changes" ? one.changes.flatMap((it) => ("item" in it ? [it.item.id] : [])) : [],
    );
  const inbox = body.items.map((item: { id: string }) => item.id).reverse();
  expect([ids(here), ids(there)]).toEqual([inbox, inbox]);
});

test("on a standalone server the other instance's devices get changes, too", async () => {
  const standalone = await startStandalone();
  onTestFinished(() => standalone.close());
  const { a, user, here, there } = await two(standalone.uri);
  const id = await notify(a, user);
  await knows(1, here, there);
  await change(a, user, id, "read");
  await knows(2, here, there);
  expect(await metricOf(a, "following")).toBe("1");
});
