import { expect, test } from "vitest";
import { usersOf } from "../../src/store/inbox.ts";
import { freshDatabase } from "../support/database.ts";
import { counted, nextId, openInboxes } from "../support/inbox.ts";

// An inbox is limited by bytes, too: a MongoDB document has at most 16 MB.

const { db } = freshDatabase();
const kilobytes = (count: number) => ({ id: nextId(), data: { text: "x".repeat(count * 1024) } });
const megabyte = 1024 * 1024;

async function sizeOf(user: string): Promise<{ document: number; items: number }> {
  const [found] = await usersOf(db)
    .aggregate([
      { $match: { _id: user } },
      { $project: { _id: 0, document: { $bsonSize: "$$ROOT" }, items: { $size: "$notifications" } } },
    ])
    .toArray();
  return found as { document: number; items: number };
}

test("trims the oldest of 1,500 items of 25 KB, with exact counts, and a device keeps up", async () => {
  const inbox = openInboxes(db, 1_000);
  const user = "large";
  const ids: string[] = [];
  for (let batch = 0; batch < 15; batch++) {
    const items = Array.from({ length: 100 }, () => kilobytes(25));
    ids.push(...(await inbox.notify(user, ...items)));
    const { document, items: kept } = await sizeOf(user);
    expect(document).toBeLessThan(12 * megabyte);
    const view = await inbox.read({ user, skip: 0, limit: 100 });
    expect([view.total, view.unread]).toStrictEqual([kept, kept]);
    expect(view.items.map((one) => one.id)).toStrictEqual(ids.slice(-Math.min(100, kept)).reverse());
  }
  expect((await sizeOf(user)).items).toBeGreaterThan(200);
  // Everything that changes the whole inbox still fits.
  const { items } = await sizeOf(user);
  const all = await inbox.readAll(user);
  expect([all.unread, all.total]).toStrictEqual([0, items]);
  const archived = await inbox.change(user, ids.at(-1) as string, "archive");
  expect(archived).toMatchObject({ total: all.total });
  expect(await inbox.remove(user, ids.at(-2) as string)).toMatchObject({ total: all.total - 1 });
});

test("rev grows by one with each append, also when it trims", async () => {
  const inbox = openInboxes(db, 1_000);
  await inbox.notify("rev", kilobytes(1));
  const began = (await usersOf(db).findOne({ _id: "rev" }))?.rev as number;
  for (let n = 1; n <= 20; n++) {
    await inbox.notify("rev", ...Array.from({ length: 30 }, () => kilobytes(25)));
    const stored = await usersOf(db).findOne({ _id: "rev" }, { projection: { rev: 1 } });
    expect(counted({ rev: stored?.rev }, began)).toStrictEqual({ rev: n });
  }
  expect((await sizeOf("rev")).document).toBeLessThan(9 * megabyte);
});

test("keeps a single item that exceeds the inbox's size limit", async () => {
  const inbox = openInboxes(db, 1_000);
  await inbox.notify("one", ...Array.from({ length: 330 }, () => kilobytes(25)));
  const [id] = await inbox.notify("one", kilobytes(7 * 1024));
  const view = await inbox.read({ user: "one", skip: 0, limit: 1 });
  expect([view.total, view.items[0]?.id]).toStrictEqual([1, id]);
});

test("fits the inbox into the space that the product's own fields leave", async () => {
  const inbox = openInboxes(db, 1_000);
  const orders = "x".repeat(13 * megabyte);
  await usersOf(db).insertOne({ _id: "shop", orders } as never);
  const ids: string[] = [];
  for (let n = 0; n < 40; n++)
    ids.push(...(await inbox.notify("shop", ...Array.from({ length: 4 }, () => kilobytes(25)))));
  const { document, items } = await sizeOf("shop");
  expect(document).toBeLessThan(16 * megabyte - 512 * 1024);
  const view = await inbox.read({ user: "shop", skip: 0, limit: 100 });
  expect(view.total).toBe(items);
  expect(items).toBeGreaterThan(20);
  expect(view.items.map((one) => one.id)).toStrictEqual(ids.slice(-items).reverse());
  const kept = await usersOf(db).findOne({ _id: "shop" }, { projection: { notifications: 0 } });
  expect((kept as unknown as { orders: string }).orders).toBe(orders);
});

test("trims an inbox of small items by number only", async () => {
  const inbox = openInboxes(db, 10);
  for (let n = 0; n < 14; n++) await inbox.notify("small", kilobytes(1));
  expect(await sizeOf("small")).toMatchObject({ items: 10 });
});
