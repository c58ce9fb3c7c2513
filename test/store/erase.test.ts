import { ObjectId } from "mongodb";
import { beforeAll, expect, test } from "vitest";
import { nobody } from "../../src/model/delivery.ts";
import { createCapturedStore } from "../../src/store/captured.ts";
import { createClaims } from "../../src/store/claims.ts";
import { deliveriesOf, newDelivery } from "../../src/store/deliveries.ts";
import { createEraser } from "../../src/store/erase.ts";
import { newId } from "../../src/store/ids.ts";
import { prepareCollections } from "../../src/store/indexes.ts";
import { createProfileStore } from "../../src/store/profiles.ts";
import { createTransactions } from "../../src/store/transactions.ts";
import { createUserWrites } from "../../src/store/user-writes.ts";
import { freshDatabase } from "../support/database.ts";

const { db } = freshDatabase();
const deliveries = deliveriesOf(db);
const captured = createCapturedStore(db, () => 0);
const writes = createUserWrites(db, true);
const profiles = createProfileStore(db, writes);
const inTransaction = createTransactions({ client: db.client, now: Date.now });
const erase = createEraser({ db, writes, retentionDays: 90, now: Date.now, inTransaction });
beforeAll(async () => void (await prepareCollections(db)));

const message = (id: string, user: string) =>
  ({ id, user_id: user, channel: "sms", to: "+12025550123", text: "hello" }) as const;

test("does not keep a message captured after its user was erased, and keeps its neighbour", async () => {
  const [gone, stays] = [newId(), newId()];
  const pending = [gone, stays].map((user) =>
    newDelivery(
      { id: newId(), channel: "sms", content: { key: "direct", at: 0, body: "hello" } },
      { notification: newId(), user },
      new Date(),
      undefined,
    ),
  );
  await deliveries.insertMany(pending);
  const claims = createClaims(db, "sms", { retentionDays: 90, routed: false });
  const held = await claims.claim(2, { token: newId(), until: Date.now() + 60_000 }, Date.now());
  expect(held.map((one) => one.user).sort()).toEqual([gone, stays].sort());
  await erase(gone);
  expect(await captured.add(held.map((one) => message(one.id, one.user)))).toStrictEqual([
    undefined,
    undefined,
  ]);
  const attempts = [{ at: 0, provider: "capture", outcome: "sent" as const, ms: 1 }];
  const sent = held.map((delivery) => ({ delivery, attempts, state: "sent" as const, tries: 1 }));
  expect(await claims.settle(sent, Date.now())).toEqual({ lost: 1 });
  expect(await captured.list(0, 10)).toMatchObject([{ user_id: stays }]);
});

test("does not suppress a bad address of a user who was erased", async () => {
  const _id = new ObjectId();
  const users = db.collection("users");
  await users.insertOne({ _id, name: "Alex", email: "old@receiver.example", phone: "+12025550123" });
  const suppression = { address: "old@receiver.example", reason: "address", at: new Date() } as const;
  await profiles.suppress(_id.toHexString(), "email", { ...suppression, address: "older@receiver.example" });
  expect(await users.findOne({ _id })).not.toHaveProperty("suppressed");
  await profiles.suppress(_id.toHexString(), "email", suppression);
  expect(await users.findOne({ _id })).toMatchObject({ suppressed: { email: suppression } });
  await erase(_id.toHexString());
  await profiles.suppress(_id.toHexString(), "email", suppression);
  await profiles.suppress(_id.toHexString(), "sms", { ...suppression, address: "+12025550123" });
  expect(await users.findOne({ _id })).toStrictEqual({ _id, name: "Alex" });
});

test("removes where the user had seen the inbox, and keeps a foreign field of that name", async () => {
  const users = db.collection<{ _id: string; [field: string]: unknown }>("users");
  await users.insertMany([
    { _id: "saw", seen_rev: 7 },
    { _id: "foreign", seen_rev: "7-a" },
  ]);
  await erase("saw");
  await erase("foreign");
  expect(await users.find({ _id: { $in: ["saw", "foreign"] } }).toArray()).toStrictEqual([
    { _id: "foreign", seen_rev: "7-a" },
  ]);
});

test("rejects when the time is up, and later calls finish the erasure", async () => {
  const user = newId();
  await deliveries.insertMany(
    Array.from({ length: 1_001 }, () =>
      newDelivery(
        { id: newId(), channel: "email", content: { key: "new_login", at: 0 } },
        { notification: newId(), user },
        new Date(),
        undefined,
      ),
    ),
  );
  const left = () => deliveries.countDocuments({ user: new ObjectId(user) });
  // Each read of this clock advances it by a minute.
  let at = Date.now();
  const slow = createEraser({ db, writes, retentionDays: 90, now: () => (at += 60_000), inTransaction });
  for (const rest of [501, 1]) {
    await expect(slow(user)).rejects.toMatchObject({ code: "database_unavailable" });
    expect(await left()).toBe(rest);
  }
  await erase(user);
  expect(await left()).toBe(0);
  expect(await deliveries.countDocuments({ user: nobody, state: "canceled" })).toBe(1_001);
});
