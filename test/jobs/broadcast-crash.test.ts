import { setTimeout as sleep } from "node:timers/promises";
import { ObjectId } from "mongodb";
import { expect, test } from "vitest";
import { freshDatabase } from "../support/database.ts";
import { sized } from "../support/form.ts";
import { call } from "../support/http.ts";
import { eventually, spawnService } from "../support/service.ts";

const { uri, db } = freshDatabase();
const users = db.collection<{ _id: ObjectId | string; notifications?: object[] }>("users");
const deliveries = db.collection("deliveries");
const variables = { DB_URI: uri, LEASE_MS: "2000", EMAIL: "" };
const kills = sized(20, 3);
const count = kills * 1_500;

test(`a process that is killed ${kills} times during a broadcast notifies nobody twice, and leaves nobody out`, {
  timeout: 600_000,
}, async () => {
  await users.insertMany(
    Array.from({ length: count }, (_, at) => ({
      _id: at % 3 ? new ObjectId() : `user ${at}`,
      email: "a@example.com",
    })),
  );
  let service = await spawnService(variables);
  const { body } = await call(service.url, "POST", "/v1/broadcasts", {
    notification: { type: "new_message", title: "Hello", channels: { inbox: {}, email: { after: "1d" } } },
    to: { all: true },
  });
  const show = async () => (await call(service.url, "GET", `/v1/broadcasts/${body.id}`)).body;
  for (let kill = 0; kill < kills; kill++) {
    const before = await db.collection("deliveries").estimatedDocumentCount();
    await eventually(
      async () => (await deliveries.estimatedDocumentCount()) > before || (await show()).status === "done",
      "it goes on",
      120,
    );
    await sleep(Math.random() * 500);
    service.kill("SIGKILL");
    await service.ended;
    service = await spawnService(variables);
  }
  await eventually(async () => (await show()).status === "done", "it ends", 120);
  expect(await show()).toMatchObject({ notified: count, failed: 0, total: count });
  expect(await users.countDocuments({ notifications: { $size: 1 } })).toBe(count);
  expect(await users.countDocuments()).toBe(count);
  expect(await deliveries.countDocuments()).toBe(count);
  expect(await deliveries.distinct("state")).toStrictEqual(["pending"]);
  const { body: ledger } = await call(service.url, "GET", "/v1/ledger");
  expect([ledger.total.accepted, ledger.balanced]).toStrictEqual([count, true]);
});
