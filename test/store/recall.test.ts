import { ObjectId } from "mongodb";
import { beforeEach, describe, expect, test } from "vitest";
import type { HeldDelivery, Settlement } from "../../src/model/delivery.ts";
import { createClaims } from "../../src/store/claims.ts";
import { deliveriesOf, newDelivery } from "../../src/store/deliveries.ts";
import { prepareCollections } from "../../src/store/indexes.ts";
import { createOperatorDeliveries } from "../../src/store/operator-deliveries.ts";
import { createRecallStore } from "../../src/store/recall.ts";
import { createReceiptStore } from "../../src/store/receipts.ts";
import { freshDatabase } from "../support/database.ts";

const { db } = freshDatabase();
const deliveries = deliveriesOf(db);
const claims = createClaims(db, "email", { retentionDays: 90, routed: false });
const operator = createOperatorDeliveries(db);
const now = Date.now();
const recalls = createRecallStore({
  db,
  remove: async () => undefined,
  inboxLimit: 100,
  retentionDays: 90,
  now: () => now,
});
let id: string;

beforeEach(async () => {
  await deliveries.deleteMany({});
  id = new ObjectId().toHexString();
  const planned = { id, channel: "email", content: { key: "new_login", at: now }, key: "order-1" } as const;
  await deliveries.insertOne(
    newDelivery(planned, { notification: id, user: "alex" }, new Date(now), undefined),
  );
});

const stored = () => deliveries.findOne({ _id: new ObjectId(id) });
const recall = async () => (await recalls.recall(["alex"], { id }))[0];

async function claimed(): Promise<HeldDelivery> {
  const [held] = await claims.claim(1, { token: new ObjectId().toHexString(), until: now + 1_000 }, now);
  if (!held) throw new Error("nothing to claim");
  return held;
}

const settled = (delivery: HeldDelivery, fields: Partial<Settlement>): Settlement => ({
  delivery,
  attempts: [],
  state: "pending",
  tries: 1,
  due: now,
  ...fields,
});

describe("a recall", () => {
  test("of a waiting delivery stops it: no claim, retry or redrive moves it again", async () => {
    expect(await recall()).toStrictEqual({
      user: "alex",
      notification: id,
      channel: "email",
      delivery: id,
      result: "stopped",
    });
    expect(await stored()).toMatchObject({
      state: "recalled",
      recalledAt: new Date(now),
      expireAt: expect.any(Date),
    });
    expect(
      await claims.claimById([id], { token: new ObjectId().toHexString(), until: now + 1_000 }, now),
    ).toEqual([]);
    expect(await operator.retry(id, now)).toBe(false);
    expect(await operator.redrive([id], now)).toBe(0);
    expect(await recall()).toMatchObject({ result: "stopped" });
  });

  test("finds all notifications of the user with the caller's key, and nobody else's", async () => {
    const planned = (key: string) => {
      const one = new ObjectId().toHexString();
      return { id: one, channel: "email", content: { key: "new_login", at: now }, key } as const;
    };
    const others = [
      ["alex", "order-1"],
      ["alex", "order-10"],
      ["bob", "order-1"],
    ] as const;
    await deliveries.insertMany(
      others.map(([user, key]) => {
        const one = planned(key);
        return newDelivery(one, { notification: one.id, user }, new Date(now), undefined);
      }),
    );
    expect(await recalls.recall(["alex"], { key: "order-1" })).toMatchObject([
      { result: "stopped" },
      { result: "stopped" },
    ]);
    expect(await deliveries.countDocuments({ state: "pending" })).toBe(2);
  });

  test("of what is being sent says so; a try that fails is the last", async () => {
    const held = await claimed();
    expect(await recall()).toMatchObject({ result: "in_flight" });
    expect(await stored()).toMatchObject({ state: "sending" });
    const attempt = { at: now, provider: "smtp", outcome: "retry" as const, ms: 1 };
    expect(await claims.settle([settled(held, { attempts: [attempt] })], now)).toEqual({ lost: 0 });
    expect(await stored()).toMatchObject({
      state: "recalled",
      tries: 1,
      attempts: [{ outcome: "retry" }],
      expireAt: expect.any(Date),
    });
    expect(await stored()).not.toHaveProperty("lease");
    expect(await recall()).toMatchObject({ result: "stopped" });
    expect(await recall()).not.toHaveProperty("sentAt");
  });

  test("of what is being sent does not change that it was sent", async () => {
    const held = await claimed();
    await recall();
    const attempt = { at: now + 5, provider: "smtp", outcome: "sent" as const, ms: 1 };
    expect(await claims.settle([settled(held, { state: "sent", attempts: [attempt] })], now)).toEqual({
      lost: 0,
    });
    expect(await recall()).toMatchObject({ result: "too_late", sentAt: now + 5 });
  });

  test("settles a batch in which one delivery was recalled", async () => {
    const other = new ObjectId().toHexString();
    const planned = { id: other, channel: "email", content: { key: "new_login", at: now } } as const;
    await deliveries.insertOne(
      newDelivery(planned, { notification: other, user: "bob" }, new Date(now), undefined),
    );
    const lease = { token: new ObjectId().toHexString(), until: now + 1_000 };
    const both = await claims.claim(2, lease, now);
    await recall();
    expect(
      await claims.settle(
        both.map((one) => settled(one, {})),
        now,
      ),
    ).toEqual({ lost: 0 });
    expect(await stored()).toMatchObject({ state: "recalled" });
    expect(await deliveries.findOne({ _id: new ObjectId(other) })).toMatchObject({ state: "pending" });
  });

  test("holds when a worker gives the delivery back, or dies with it", async () => {
    const held = await claimed();
    await recall();
    await claims.release([held], now, now);
    expect(await stored()).toMatchObject({ state: "recalled", expireAt: expect.any(Date) });

    await deliveries.updateOne(
      { _id: new ObjectId(id) },
      { $set: { state: "pending" }, $unset: { recalledAt: 1, expireAt: 1 } },
    );
    await claimed();
    await recall();
    expect(await claims.sweep(now + 2_000)).toBe(1);
    expect(await stored()).toMatchObject({ state: "recalled", expireAt: expect.any(Date) });
  });

  test("of a failed delivery keeps it from being sent again", async () => {
    await claims.settle([settled(await claimed(), { state: "failed", reason: "exhausted" })], now);
    expect(await recall()).toMatchObject({ result: "nothing" });
    expect(await stored()).toMatchObject({ state: "failed" });
    expect(await operator.retry(id, now)).toBe(false);
    expect(await operator.redrive([id], now)).toBe(0);
    expect(await operator.candidates({ states: ["failed"] }, undefined, 10)).toEqual([]);
  });

  test("tells when an earlier attempt was never answered, and a late report of it counts", async () => {
    const attempt = { at: now - 9, provider: "mailgun", outcome: "unknown" as const, ms: 1 };
    await claims.settle([settled(await claimed(), { attempts: [attempt] })], now);
    expect(await recall()).toMatchObject({ result: "stopped", sentAt: now - 9 });
    const receipts = createReceiptStore(db, 90);
    await receipts.move("alex", { delivery: id, channel: "email", outcome: { state: "delivered" } }, now);
    expect(await recall()).toMatchObject({ result: "too_late", sentAt: now - 9 });
  });

  test("uses the indexes: by id and by key", async () => {
    await prepareCollections(db);
    for (const named of [{ key: "order-1" }, { notification: new ObjectId(id) }]) {
      const plan = await deliveries.find({ user: { $in: ["alex"] }, ...named }).explain("executionStats");
      expect(plan.executionStats.totalKeysExamined).toBeLessThanOrEqual(2);
      expect(plan.executionStats.totalDocsExamined).toBe(1);
    }
  });
});
