import { ObjectId } from "mongodb";
import { expect, test } from "vitest";
import { DatabaseError } from "../../src/store/connect.ts";
import { deliveriesOf, newDelivery } from "../../src/store/deliveries.ts";
import { createEraser } from "../../src/store/erase.ts";
import { newId } from "../../src/store/ids.ts";
import { prepareCollections } from "../../src/store/indexes.ts";
import { pendingMigrations } from "../../src/store/migration-runner.ts";
import { createTransactions } from "../../src/store/transactions.ts";
import { freshDatabase } from "../support/database.ts";

const { client, db } = freshDatabase();
const deliveries = deliveriesOf(db);

function delivery(notification: string, user: string, channel: "email" | "sms") {
  const content = { key: "new_login", at: 0 };
  return newDelivery({ id: newId(), channel, content }, { notification, user }, new Date(), undefined);
}

test("builds index `once` on an existing database, and names duplicates at the start", async () => {
  const [notification, user] = [newId(), newId()];
  const first = delivery(notification, user, "email");
  await deliveries.insertMany([
    first,
    delivery(notification, user, "sms"),
    delivery(notification, newId(), "email"),
  ]);
  const second = delivery(notification, user, "email");
  await deliveries.insertOne(second);

  const refused = await prepareCollections(db).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(DatabaseError);
  const { message } = refused as Error;
  expect(message).toContain(`notification ${notification} on email: ${first._id}, ${second._id}`);
  expect(message).toContain("deleteOne");

  await deliveries.deleteOne({ _id: second._id });
  await prepareCollections(db);
  await expect(deliveries.insertOne(second)).rejects.toMatchObject({
    code: 11000,
    keyPattern: { user: 1, notification: 1, channel: 1, target: 1 },
  });
  expect(await deliveries.countDocuments()).toBe(3);
});

test("a start does not wait for an open transaction when all indexes are there and none is replaced", async () => {
  await prepareCollections(db);
  await client.withSession(async (session) => {
    // As a process that was killed leaves it.
    session.startTransaction();
    await deliveries.insertOne(delivery(newId(), newId(), "email"), { session });
    const start = Date.now();
    await prepareCollections(db);
    expect(await pendingMigrations(db)).toEqual([]);
    expect(Date.now() - start).toBeLessThan(5_000);
    await session.abortTransaction();
  });
}, 30_000);

test("every unique index of deliveries begins with user", async () => {
  await prepareCollections(db);
  const unique = (await deliveries.indexes()).filter((index) => index.unique);
  expect(unique.map(({ name, key }) => [name, Object.keys(key)[0]])).toEqual([
    ["once", "user"],
    ["open", "user"],
  ]);
});

test("two targets of one notification stay two deliveries after their user was erased", async () => {
  const inTransaction = createTransactions({ client: db.client, now: Date.now });
  const [notification, user] = [newId(), newId()];
  await deliveries.insertMany(
    ["one", "two"].map((target) => ({ ...delivery(notification, user, "email"), target })),
  );
  const writes = ((_user: string, attempt: (options: object) => unknown) => attempt({})) as never;
  await createEraser({ db, writes, retentionDays: 90, now: Date.now, inTransaction })(user);
  const left = await deliveries.find({ notification: new ObjectId(notification) }).toArray();
  expect(left.map((one) => [one.user, (one as { target?: string }).target])).toEqual(
    left.map((one) => ["", one._id.toHexString()]),
  );
  expect(left).toHaveLength(2);
});
