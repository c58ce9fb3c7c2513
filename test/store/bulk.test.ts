import { beforeAll, beforeEach, expect, inject, test } from "vitest";
import { createClaims } from "../../src/store/claims.ts";
import {
  type DeliveryDocument,
  deliveriesOf,
  newDelivery,
  nextDue,
  pendingDue,
} from "../../src/store/deliveries.ts";
import { newId } from "../../src/store/ids.ts";
import { prepareCollections } from "../../src/store/indexes.ts";
import { freshDatabase } from "../support/database.ts";

// Deliveries of a broadcast wait behind all others.

const { db, client } = freshDatabase();
const deliveries = deliveriesOf(db);
const claims = createClaims(db, "email", { retentionDays: 90, routed: false });
const now = Date.now();
const lease = () => ({ token: newId(), until: now + 30_000 });

beforeAll(async () => void (await prepareCollections(db)));
beforeEach(async () => void (await deliveries.deleteMany({})));

function delivery(due: number, bulk: boolean): DeliveryDocument {
  const content = { key: "new_login", at: now };
  const planned = { id: newId(), channel: "email", content, due, ...(bulk && { bulk: true as const }) };
  return newDelivery(planned, { notification: newId(), user: newId() }, new Date(now), undefined);
}
const some = (count: number, due: (at: number) => number, bulk: boolean) =>
  Array.from({ length: count }, (_, at) => delivery(due(at), bulk));

test("a claim takes others first, however long a broadcast has waited, and then the broadcast, each in the order in which they are due", async () => {
  const bulk = some(20, (at) => now - 60_000 + at, true);
  const single = some(5, (at) => now - at, false);
  await deliveries.insertMany([...bulk, ...single]);
  const idsOf = (list: Array<{ _id: { toHexString(): string } }>) => list.map((one) => one._id.toHexString());
  const claim = async (limit: number) => (await claims.claim(limit, lease(), now)).map(({ id }) => id);
  expect(await claim(8)).toStrictEqual([...idsOf(single).reverse(), ...idsOf(bulk.slice(0, 3))]);
  expect(await claim(100)).toStrictEqual(idsOf(bulk.slice(3)));
});

test("the next due time is the earlier of the two", async () => {
  await deliveries.insertMany([delivery(now + 5_000, true), delivery(now + 9_000, false)]);
  expect(await nextDue(db, "email")).toBe(now + 5_000);
  await deliveries.insertOne(delivery(now + 2_000, false));
  expect(await nextDue(db, "email")).toBe(now + 2_000);
  expect(await nextDue(db, "sms")).toBeUndefined();
});

test("a broadcast is not announced as backlog", async () => {
  const single = delivery(now - 1, false);
  await deliveries.insertMany([delivery(now - 1, true), single]);
  const pages = [];
  for await (const page of pendingDue(db, ["email"], now)) pages.push(...page);
  expect(pages).toStrictEqual([{ id: single._id.toHexString(), channel: "email" }]);
});

// A mongos has no profile.
test.skipIf(inject("isSharded"))("neither a claim nor an idle poll reads the backlog", async () => {
  await deliveries.insertMany([
    ...some(3_000, (at) => now - at, true),
    ...some(3_000, (at) => now + 60_000 + at, true),
    ...some(3_000, (at) => now + 60_000 + at, false),
  ]);
  await db.command({ profile: 2 });
  await claims.claim(100, lease(), now);
  await nextDue(db, "email");
  await db.command({ profile: 0 });
  const finds = await db
    .collection("system.profile")
    .find({ ns: deliveries.namespace, "command.find": "deliveries", "command.sort": { $exists: true } })
    .toArray();
  expect(finds.map((one) => [one.planSummary, one.hasSortStage ?? false])).toStrictEqual([
    ["IXSCAN { channel: 1, bulk: 1, due: 1 }", false],
    ["IXSCAN { channel: 1, bulk: 1, due: 1 }, IXSCAN { channel: 1, bulk: 1, due: 1 }", false],
  ]);
  expect(finds[0]?.keysExamined).toBeLessThanOrEqual(103);
  expect(finds[1]?.keysExamined).toBeLessThanOrEqual(4);
});

test("a start does not wait for an open transaction, which a killed process may have left", async () => {
  const session = client.startSession();
  session.startTransaction();
  await deliveries.insertOne(delivery(now, false), { session });
  await prepareCollections(db);
  await session.abortTransaction();
  await session.endSession();
}, 10_000);
