import { describe, expect, test } from "vitest";
import { createInbox, createLiveInbox } from "../../src/core/inbox.ts";
import { freshDatabase } from "../support/database.ts";
import { nextId, openInboxes } from "../support/inbox.ts";

const { db } = freshDatabase();

function open() {
  const touched: string[][] = [];
  const store = openInboxes(db, 10);
  const live = createLiveInbox(store, (users) => touched.push(users));
  return { store, live, inbox: createInbox(store, live, 100), touched };
}

describe("a user's devices", () => {
  test("are told of every change that changed something, and of no other", async () => {
    const { store, live, inbox, touched } = open();
    const user = nextId();
    const [a, b] = (await store.notify(user, { id: nextId() }, { id: nextId() })) as [string, string];
    const steps: Array<[() => Promise<unknown>, boolean]> = [
      [() => live.change(user, a, "unread"), false],
      [() => live.change(user, a, "archive"), true],
      [() => live.change(user, a, "archive"), false],
      [() => live.change(user, a, "unarchive"), true],
      [() => inbox.markRead(user, a), false],
      [() => inbox.markRead(user, b), true],
      [() => live.readAll(user), false],
      [() => live.change(user, b, "unread"), true],
      [() => live.readAll(user, 1), false],
      [() => live.readAll(user), true],
      [() => live.remove(user, b), true],
      [() => live.remove(user, b).catch(() => {}), false],
      [() => live.read({ user, skip: 0, limit: 1 }), false],
      [() => live.get(user, a), false],
    ];
    for (const [n, [step, changes]] of steps.entries()) {
      touched.length = 0;
      await step();
      expect(touched, `step ${n}`).toEqual(changes ? [[user]] : []);
    }
  });
});

test("each answer tells where the inbox stands after it, and nothing of the store's own", async () => {
  const { store, live } = open();
  const [id] = (await store.notify("standing")) as [string];
  const item = (await live.get("standing", id)).item;
  expect(await live.get("standing", id)).toEqual({ rev: 1, unread: 1, total: 1, item });
  const read = { ...item, is_new: false, rev: 2 };
  expect(await live.change("standing", id, "read")).toEqual({ rev: 2, unread: 0, total: 1, item: read });
  expect(await live.readAll("standing")).toEqual({ rev: 2, unread: 0, total: 1, changed: 0 });
  expect(await live.remove("standing", id)).toEqual({ rev: 3, unread: 0, total: 0 });
});

test("what names an item that the user has not is not found, on every way", async () => {
  const { live, inbox, touched } = open();
  const id = nextId();
  for (const ask of [
    () => live.get("nobody", id),
    () => live.change("nobody", id, "read"),
    () => live.remove("nobody", id),
    () => inbox.markRead("nobody", id),
  ])
    await expect(ask()).rejects.toMatchObject({ code: "not_found", message: expect.stringContaining(id) });
  expect(touched).toEqual([]);
});

test("what an older client reads is told to devices as any other change", async () => {
  const { store, inbox } = open();
  const [id] = (await store.notify("dialect")) as [string];
  await inbox.markRead("dialect", id);
  expect((await store.since("dialect", 1)).changes).toMatchObject([
    { change: "read", item: { id, rev: 2, created_rev: 1, is_new: false } },
  ]);
});
