import { describe, expect, test } from "vitest";
import { createInbox } from "../../src/core/inbox.ts";
import { freshDatabase } from "../support/database.ts";
import { nextId, openInboxes } from "../support/inbox.ts";

const { db } = freshDatabase();

function open() {
  const touched: string[][] = [];
  const store = openInboxes(db, 10);
  return { store, inbox: createInbox(store, (users) => touched.push(users)), touched };
}

describe("a user's devices", () => {
  test("are notified of every effective change and of no other", async () => {
    const { store, inbox, touched } = open();
    const user = nextId();
    const [a, b] = (await store.notify(user, { id: nextId() }, { id: nextId() })) as [string, string];
    const steps: Array<[() => Promise<unknown>, boolean]> = [
      [() => inbox.change(user, a, "unread"), false],
      [() => inbox.change(user, a, "archive"), true],
      [() => inbox.change(user, a, "archive"), false],
      [() => inbox.change(user, a, "unarchive"), true],
      [() => inbox.change(user, a, "read"), false],
      [() => inbox.change(user, b, "read"), true],
      [() => inbox.readAll(user), false],
      [() => inbox.change(user, b, "unread"), true],
      [() => inbox.seen(user), true],
      [() => inbox.readAll(user, 1), false],
      [() => inbox.readAll(user), true],
      [() => inbox.remove(user, b), true],
      [() => inbox.remove(user, b).catch(() => {}), false],
      [() => inbox.read({ user, skip: 0, limit: 1 }), false],
      [() => inbox.get(user, a), false],
    ];
    for (const [n, [step, changes]] of steps.entries()) {
      touched.length = 0;
      await step();
      expect(touched, `step ${n}`).toEqual(changes ? [[user]] : []);
    }
  });
});

test("each answer has the inbox's rev and counts, and no internal fields", async () => {
  const { store, inbox } = open();
  const [id] = (await store.notify("standing")) as [string];
  const item = (await inbox.get("standing", id)).item;
  expect(await inbox.get("standing", id)).toEqual({ rev: 1, unread: 1, unseen: 1, total: 1, item });
  const read = { ...item, is_new: false, rev: 3 };
  expect(await inbox.seen("standing")).toEqual({ rev: 2, unread: 1, unseen: 0, total: 1 });
  expect(await inbox.change("standing", id, "read")).toEqual({
    rev: 3,
    unread: 0,
    unseen: 0,
    total: 1,
    item: read,
  });
  expect(await inbox.readAll("standing")).toEqual({ rev: 3, unread: 0, unseen: 0, total: 1, changed: 0 });
  expect(await inbox.remove("standing", id)).toEqual({ rev: 4, unread: 0, unseen: 0, total: 0 });
});

test("every call rejects with not_found for an item that the user does not have", async () => {
  const { inbox, touched } = open();
  const id = nextId();
  for (const ask of [
    () => inbox.get("nobody", id),
    () => inbox.change("nobody", id, "read"),
    () => inbox.remove("nobody", id),
    () => inbox.change("nobody", id, "read"),
  ])
    await expect(ask()).rejects.toMatchObject({ code: "not_found", message: expect.stringContaining(id) });
  expect(touched).toEqual([]);
});

test("devices are notified when an older client marks items as read", async () => {
  const { store, inbox } = open();
  const [id] = (await store.notify("dialect")) as [string];
  await inbox.change("dialect", id, "read");
  expect((await store.since("dialect", 1)).changes).toMatchObject([
    { change: "read", item: { id, rev: 2, created_rev: 1, is_new: false } },
  ]);
});
