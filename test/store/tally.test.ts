import { ObjectId } from "mongodb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { channelNames } from "../../src/channels/index.ts";
import type { PlannedNotification } from "../../src/model/notification.ts";
import { createCommitter } from "../../src/store/commit.ts";
import { type Connection, connect } from "../../src/store/connect.ts";
import { prepareCollections } from "../../src/store/indexes.ts";
import { createLedgerReader } from "../../src/store/ledger.ts";
import { beginLedger, clockErrorMs, createTally, sinceId } from "../../src/store/tally.ts";
import { freshDatabase } from "../support/database.ts";

const { uri, db } = freshDatabase();
let connection: Connection;
let prepared: { bulkWrites: boolean };
beforeAll(async () => {
  connection = await connect(uri);
  prepared = await prepareCollections(connection.db);
});
afterAll(() => connection.client.close());

const newId = () => new ObjectId().toHexString();

function planned(user = newId()): PlannedNotification {
  const content = { key: "new_login", at: Date.now() };
  return {
    id: newId(),
    user,
    item: { id: newId(), timestamp: 1, is_new: true, user_id: user, key: "new_login" },
    deliveries: [
      { id: newId(), channel: "email", content },
      { id: newId(), channel: "sms", content },
    ],
  };
}

test("version 8 stores a batch and its count in one command", () => {
  expect(prepared.bulkWrites).toBe(Number.parseInt(connection.serverVersion, 10) >= 8);
});

describe.each([
  ["in one command", { bulkWrites: true, transactions: true }],
  ["in two, as a server before version 8 takes it", { bulkWrites: false, transactions: true }],
  ["on a standalone server", { bulkWrites: true, transactions: false }],
])("counted %s", (_name, capabilities) => {
  test("counts exactly the stored deliveries, and nothing for a refused notification", async (context) => {
    if (capabilities.bulkWrites && !prepared.bulkWrites) context.skip("this server has no bulkWrite");
    await Promise.all(["users", "deliveries", "ledger"].map((name) => db.collection(name).deleteMany({})));
    // In the future: otherwise MongoDB's TTL monitor would remove the count before it is read.
    const at = Date.parse("2097-01-31T12:34:56.789Z");
    const commit = createCommitter({
      ...connection,
      ...capabilities,
      inboxLimit: 100,
      newUser: {},
      tally: createTally("me", 90),
      now: () => at,
    });
    const taken = await commit(
      Array.from({ length: 20 }, () => planned()),
      new Map(),
    );
    expect(taken.filter((one) => one !== undefined)).toStrictEqual([]);
    if (capabilities.transactions) {
      // A document of the product team's own, which cannot take an inbox item.
      const odd = newId();
      await db.collection("users").insertOne({ _id: new ObjectId(odd), notifications: "none" });
      const [good, bad] = await commit([planned(), planned(odd)], new Map());
      expect([good, bad]).toStrictEqual([
        undefined,
        expect.objectContaining({ code: "user_document_conflict" }),
      ]);
    }
    const count = capabilities.transactions ? 21 : 20;
    expect(await db.collection("deliveries").countDocuments()).toBe(2 * count);
    expect(await db.collection("ledger").find().toArray()).toStrictEqual([
      {
        _id: "2097-01-31T12:34:00.000Z/me.0",
        accepted: { email: count, sms: count },
        expireAt: new Date("2097-05-01T12:34:00.000Z"),
      },
    ]);
  });
});

test("a delivery stored right after counting began, by a clock slightly behind, is on both sides", async () => {
  await Promise.all(["deliveries", "ledger"].map((name) => db.collection(name).deleteMany({})));
  const before = Date.now();
  await beginLedger(db);
  const after = Date.now();
  const since = await db.collection<{ _id: string; at: Date }>("ledger").findOne({ _id: sinceId });
  const begun = since?.at.getTime() as number;
  // MongoDB uses this machine's clock, with the same resolution.
  expect(begun).toBeGreaterThanOrEqual(before - clockErrorMs - 1);
  expect(begun).toBeLessThanOrEqual(after - clockErrorMs + 1);
  const commit = createCommitter({
    ...connection,
    ...prepared,
    inboxLimit: 100,
    newUser: {},
    tally: createTally("behind", 90),
    now: () => begun,
  });
  expect(await commit([planned()], new Map())).toStrictEqual([undefined]);
  const read = createLedgerReader({
    ...connection,
    channels: channelNames(),
    retentionDays: 90,
    now: Date.now,
  });
  const { accepted, states } = await read(begun, after + 1);
  expect(accepted).toMatchObject({ email: 1, sms: 1 });
  expect(states.map(({ channel, count }) => `${channel} ${count}`).sort()).toStrictEqual([
    "email 1",
    "sms 1",
  ]);
});
