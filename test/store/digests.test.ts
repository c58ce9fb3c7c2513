import { ObjectId } from "mongodb";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { HeldDelivery } from "../../src/model/delivery.ts";
import type { Hold } from "../../src/model/digest.ts";
import { createClaims } from "../../src/store/claims.ts";
import { type Connection, connect } from "../../src/store/connect.ts";
import { deliveriesOf, newDelivery } from "../../src/store/deliveries.ts";
import type { Joining } from "../../src/store/digest-opening.ts";
import { createDigestStore } from "../../src/store/digests.ts";
import { newId } from "../../src/store/ids.ts";
import { prepareCollections } from "../../src/store/indexes.ts";
import { createLimitStore } from "../../src/store/limits.ts";
import { bucketsOf, createTally } from "../../src/store/tally.ts";
import { freshDatabase } from "../support/database.ts";
import { sized } from "../support/form.ts";

const { uri, db } = freshDatabase();
const deliveries = deliveriesOf(db);
const claims = createClaims(db, "email", { retentionDays: 90, routed: false });
let connection: Connection;
beforeAll(async () => {
  connection = await connect(uri);
  await prepareCollections(db);
});
afterAll(() => connection.client.close());
beforeEach(async () => {
  await Promise.all([deliveries.deleteMany({}), bucketsOf(db).deleteMany({ accepted: { $exists: true } })]);
});

const digestStore = () =>
  createDigestStore({
    client: connection.client,
    db: connection.db,
    transactions: true,
    now: Date.now,
    storedAt: Date.now,
    newId,
    retentionDays: 90,
    tally: createTally(newId(), 90),
  });

/** Deliveries that a worker has claimed. */
async function claimed(user: string, count: number): Promise<HeldDelivery[]> {
  const token = newId();
  const made = Array.from({ length: count }, () => ({
    id: newId(),
    channel: "email",
    content: { key: "comment", at: Date.now() },
  }));
  await deliveries.insertMany(
    made.map((one) =>
      newDelivery(one, { notification: one.id, user }, new Date(), { token, until: Date.now() + 60_000 }),
    ),
  );
  return made.map((one) => ({ ...one, notification: one.id, user, tries: 0, token }));
}
const joining = (delivery: HeldDelivery, hold: Partial<Hold> = {}): Joining => ({
  delivery,
  hold: { scope: "types.comment", due: Date.now() + 3_600_000, ...hold },
  decision: { at: Date.now(), verdict: "hold", rule: "digest" },
});
const digestsOf = () => deliveries.find({ digest: { $exists: true } }).toArray();
async function membersOf(store: ReturnType<typeof digestStore>, user: string, id: string) {
  const ids: string[] = [];
  for await (const page of store.members(user, id)) ids.push(...page.map((one) => one.id));
  return ids;
}

test("joins by two workers race with claims: each is in one digest, and none joins a claimed one", async () => {
  const users = ["a", "b", "c"];
  const rounds = sized(24, 12);
  const stores = [digestStore(), digestStore()];
  const atClaim = new Map<string, string[]>();
  let done = false;
  const claim = async () => {
    while (!done) {
      const lease = { token: newId(), until: Date.now() + 60_000 };
      for (const { id, user } of await claims.claim(5, lease, Date.now()))
        atClaim.set(id, await membersOf(stores[0] as (typeof stores)[0], user, id));
    }
  };
  const join = async (store: (typeof stores)[0]) => {
    for (let round = 0; round < rounds; round++) {
      const batch = (await Promise.all(users.map((user) => claimed(user, 1 + (round % 12))))).flat();
      const joined = await store.join(batch.map((one) => joining(one, { due: Date.now() })));
      expect(new Set(joined)).toEqual(new Set(["held"]));
    }
  };
  const claiming = [claim(), claim()];
  await Promise.all(stores.map(join));
  done = true;
  await Promise.all(claiming);

  const all = await deliveries.find({ digest: { $exists: false } }).toArray();
  expect(all).toHaveLength(2 * 3 * (rounds / 12) * 78);
  expect(all.every(({ state, into }) => state === "held" && into)).toBe(true);
  expect(atClaim.size).toBeGreaterThan(10);
  for (const { _id, user, digest } of await digestsOf()) {
    const now = await membersOf(stores[0] as (typeof stores)[0], user as string, _id.toHexString());
    expect(now).toEqual(atClaim.get(_id.toHexString()) ?? now);
    expect(digest?.count).toBe(now.length);
  }
  const counted = await bucketsOf(db)
    .find({ accepted: { $exists: true } })
    .toArray();
  const digests = await deliveries.countDocuments({ digest: { $exists: true } });
  expect(counted.reduce((sum, { accepted }) => sum + (accepted.email ?? 0), 0)).toBe(digests);
});

test("a delivery whose lease is lost does not join, and its digest does not count it", async () => {
  const store = digestStore();
  const [kept, lost] = (await claimed("a", 2)) as [HeldDelivery, HeldDelivery];
  await deliveries.updateOne({ _id: new ObjectId(lost.id) }, { $set: { "lease.token": new ObjectId() } });
  expect(await store.join([joining(kept), joining(lost)])).toEqual(["held", "lost"]);
  expect(await digestsOf()).toMatchObject([{ digest: { count: 1 } }]);
  expect(await store.join([joining(lost)])).toEqual(["lost"]);
});

test("`by` with 10 kB, dots and dollars has a digest of its own, and is shown cut", async () => {
  const store = digestStore();
  const batch = await claimed("a", 4);
  const long = "x".repeat(10_000);
  const values = [`${long}1`, `${long}2`, "$a.b", "$a.b"];
  await store.join(batch.map((one, at) => joining(one, { by: values[at] as string })));
  const found = await digestsOf();
  expect(found.map(({ digest }) => [digest?.by?.length, digest?.count]).sort()).toEqual([
    [200, 1],
    [200, 1],
    [4, 2],
  ]);
});

test("a digest is opened for one first delivery, however many come at once", async () => {
  const stores = [digestStore(), digestStore()];
  const batch = await claimed("a", 20);
  const joined = await Promise.all(
    batch.map((one, at) => (stores[at % 2] as (typeof stores)[0]).join([joining(one, { first: true })])),
  );
  expect(joined.flat().filter((one) => one === "first")).toHaveLength(1);
  // The first, asked again after a crash.
  const first = batch[joined.findIndex(([one]) => one === "first")] as HeldDelivery;
  expect(await (stores[0] as (typeof stores)[0]).join([joining(first, { first: true })])).toEqual(["first"]);
});

test("40 deliveries at once count towards a limit of 3, each once however often it is asked for", async () => {
  const limits = db.collection("limits");
  const stores = [createLimitStore(db, Date.now, Date.now), createLimitStore(db, Date.now, Date.now)];
  const ids = Array.from({ length: 40 }, newId);
  const ask = (delivery: string, at: number) =>
    (stores[at % 2] as (typeof stores)[0]).count({
      delivery,
      user: "a/b",
      key: "k",
      limit: 3,
      since: 0,
      until: Date.now() + 60_000,
    });
  const first = await Promise.all(ids.map(ask));
  const allowed = ids.filter((_, at) => first[at] === undefined);
  expect(allowed).toHaveLength(3);
  const again = await Promise.all(ids.map(ask));
  expect(ids.filter((_, at) => again[at] === undefined)).toEqual(allowed);
  const [known, unknown] = await (stores[0] as (typeof stores)[0]).counted([
    { user: "a/b", key: "k" },
    { user: "a/b", key: "other" },
  ]);
  expect([known?.length, unknown]).toEqual([3, []]);
  expect(await limits.countDocuments()).toBe(1);
});
