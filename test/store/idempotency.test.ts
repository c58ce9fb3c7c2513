import { ObjectId } from "mongodb";
import { beforeAll, describe, expect, test } from "vitest";
import { createIdempotency, keyLeaseMs, keyWindowMs, type Opened } from "../../src/core/idempotency.ts";
import { createIdempotencyStore } from "../../src/store/idempotency.ts";
import { newId } from "../../src/store/ids.ts";
import { prepareCollections } from "../../src/store/indexes.ts";
import { freshDatabase } from "../support/database.ts";

const { db } = freshDatabase();
const store = createIdempotencyStore(db, true);
const keys = db.collection<{ _id: string; expireAt: Date }>("idempotency");
beforeAll(async () => void (await prepareCollections(db)));

// In the future: otherwise MongoDB's TTL monitor, which uses its own clock, would remove a key during a test.
let at = Date.parse("2096-01-01T00:00:00Z");
const open = createIdempotency({ idempotency: store, newTimedId: newId, now: () => at });
const key = (owner = "open") => ({ owner, key: newId() });

type Ours = Exclude<Opened, { failures: unknown }>;
function ours(opened: Opened): Ours {
  if ("failures" in opened) throw new Error("it was answered before");
  return opened;
}
const failures = [{ at: 1, code: "user_document_conflict" as const }];

describe("an idempotency key", () => {
  test("goes to one of 50 concurrent requests; the others must wait and then get its answer", async () => {
    const one = key();
    const all = await Promise.allSettled(Array.from({ length: 50 }, () => open(one, "same", 2)));
    const [won, ...more] = all.filter((result) => result.status === "fulfilled");
    expect(more).toStrictEqual([]);
    const refused = all.filter((result) => result.status === "rejected");
    expect(new Set(refused.map(({ reason }) => reason.code))).toStrictEqual(
      new Set(["idempotency_in_progress"]),
    );
    const mine = ours((won as PromiseFulfilledResult<Opened>).value);
    expect([mine.ids.length, mine.resumed]).toStrictEqual([2, false]);
    await mine.finish(failures);
    expect(await open(one, "same", 2)).toStrictEqual({ ids: mine.ids, failures });
  });

  test("is refused for another request of the same owner, before and after the answer", async () => {
    const one = key("first");
    const mine = ours(await open(one, "this", 1));
    await expect(open(one, "that", 1)).rejects.toMatchObject({ code: "idempotency_mismatch" });
    await mine.finish([]);
    await expect(open(one, "that", 1)).rejects.toMatchObject({ code: "idempotency_mismatch" });
    expect(ours(await open({ ...one, owner: "second" }, "that", 1)).ids).not.toStrictEqual(mine.ids);
    expect(await open(one, "this", 1)).toMatchObject({ ids: mine.ids });
  });

  test("passes with its ids to one of 20 requests when its lease expires, and the late holder changes nothing", async () => {
    const one = key();
    const late = ours(await open(one, "same", 3));
    at += 1_500;
    const inProgress = { code: "idempotency_in_progress", retryAfterSeconds: 9 };
    await expect(open(one, "same", 3)).rejects.toMatchObject(inProgress);
    at += keyLeaseMs - 1_501;
    await expect(open(one, "same", 3)).rejects.toMatchObject({ ...inProgress, retryAfterSeconds: 1 });
    at += 1;
    const all = await Promise.allSettled(Array.from({ length: 20 }, () => open(one, "same", 3)));
    const [won, ...more] = all.filter((result) => result.status === "fulfilled");
    expect(more).toStrictEqual([]);
    const next = ours((won as PromiseFulfilledResult<Opened>).value);
    expect([next.ids, next.resumed]).toStrictEqual([late.ids, true]);
    await late.finish([]);
    await late.giveUp();
    await expect(open(one, "same", 3)).rejects.toMatchObject({ code: "idempotency_in_progress" });
    await next.finish(failures);
    expect(await open(one, "same", 3)).toStrictEqual({ ids: late.ids, failures });
  });

  test("stays with a holder that extends its lease, but not with one that has lost it", async () => {
    const one = key();
    const holder = ours(await open(one, "same", 1));
    for (let n = 0; n < 3; n++) {
      at += keyLeaseMs - 1;
      await holder.extend();
    }
    at += keyLeaseMs - 1;
    await expect(open(one, "same", 1)).rejects.toMatchObject({ code: "idempotency_in_progress" });
    at += 1;
    const next = ours(await open(one, "same", 1));
    at += keyLeaseMs - 1;
    await holder.extend();
    at += 1;
    expect(ours(await open(one, "same", 1)).ids).toStrictEqual(next.ids);
  });

  test("can be taken again at once with the same ids after it was given up", async () => {
    const one = key();
    const first = ours(await open(one, "same", 1));
    await first.giveUp();
    const second = ours(await open(one, "same", 1));
    expect([second.ids, second.resumed]).toStrictEqual([first.ids, true]);
  });

  test("expires after 24 hours, even if MongoDB has not removed it yet", async () => {
    const one = key();
    const first = ours(await open(one, "this", 1));
    await first.finish([]);
    at += keyWindowMs - 1;
    await expect(open(one, "that", 1)).rejects.toMatchObject({ code: "idempotency_mismatch" });
    at += 1;
    const all = await Promise.allSettled(Array.from({ length: 20 }, () => open(one, "that", 1)));
    expect(all.filter((result) => result.status === "fulfilled")).toHaveLength(1);
    // MongoDB removes the key by this field, at its time.
    const index = (await keys.indexes()).find((each) => each.expireAfterSeconds !== undefined);
    expect([index?.key, index?.expireAfterSeconds]).toStrictEqual([{ expireAt: 1 }, 0]);
    const newest = await keys.find().sort({ expireAt: -1 }).limit(1).next();
    expect(newest?.expireAt.getTime()).toBe(at + keyWindowMs);
  });
});

test("a resumed request finds what is stored by deliveries, items and removed items", async () => {
  const people = { item: newId(), removed: newId(), delivery: newId(), none: newId(), stranger: "nobody" };
  const ids = Object.fromEntries(Object.keys(people).map((name) => [name, newId()]));
  const users = db.collection("users");
  await users.insertMany([
    { _id: new ObjectId(people.item), notifications: [{ id: newId() }, { id: ids.item }] },
    { _id: new ObjectId(people.removed), removedNotifications: [{ id: ids.removed, rev: 2 }] },
    { _id: new ObjectId(people.delivery), notifications: "not an array" },
    { _id: new ObjectId(people.none), notifications: [{ id: newId() }, null, 7] },
  ]);
  await db
    .collection("deliveries")
    .insertMany([
      { notification: new ObjectId(ids.delivery), channel: "email" },
      { notification: new ObjectId(ids.delivery), channel: "sms" },
      { notification: new ObjectId() },
    ]);
  const wanted = Object.entries(people).map(([name, user]) => ({ user, id: ids[name] as string }));
  const { item, removed, delivery } = ids;
  expect(await store.stored(wanted)).toStrictEqual({
    stored: new Set([item, removed, delivery]),
    delivered: new Set(),
  });
  // Without transactions the item may be missing.
  expect(await createIdempotencyStore(db, false).stored(wanted)).toStrictEqual({
    stored: new Set([item, removed]),
    delivered: new Set([delivery]),
  });
});
