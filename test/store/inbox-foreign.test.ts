import type { Document } from "mongodb";
import { describe, expect, test } from "vitest";
import { inboxItemDto } from "../../src/model/inbox-dto.ts";
import { fromNothing, type InboxQuery } from "../../src/model/live.ts";
import { freshDatabase } from "../support/database.ts";
import { idsOf, openInboxes, storedAt } from "../support/inbox.ts";

const { db } = freshDatabase();
const open = (limit: number) => openInboxes(db, limit);
const users = db.collection<{ _id: string; [field: string]: unknown }>("users");

describe("documents that are the product team's own", () => {
  const item = (id: string, more: object = {}) => ({
    id,
    timestamp: storedAt,
    is_new: true,
    user_id: "foreign",
    key: "old",
    ...more,
  });
  const none = { rev: 0, unread: 0, unseen: 0, total: 0 };

  test.each([
    ["missing", {}],
    ["null", { notifications: null }],
    ["a text", { notifications: "none" }],
    ["an object", { notifications: { id: "a" } }],
    ["a number", { notifications: 5 }],
    [
      "a list of what is no item",
      { notifications: [null, 1, "a", [item("a")], { id: "a" }, { is_new: true }] },
    ],
  ])("an inbox that is %s counts as empty and is not changed", async (name, document) => {
    const inbox = open(10);
    const user = `foreign ${name}`;
    await users.insertOne({ _id: user, rev: "a text", ...document });
    const stored = await users.findOne({ _id: user });
    expect(await inbox.list(user)).toEqual({ ...none, items: [] });
    expect(await inbox.pages([{ user, skip: 0, limit: 10 }])).toMatchObject([{ items: [] }]);
    expect(await inbox.get(user, "a")).toBeUndefined();
    expect(await inbox.change(user, "a", "archive")).toBeUndefined();
    expect(await inbox.remove(user, "a")).toBeUndefined();
    expect(await inbox.readAll(user)).toEqual({ ...none, changed: 0 });
    expect(await inbox.seen(user)).toEqual(none);
    expect(await inbox.since(user, 0)).toEqual({ ...none, since: 0, changes: [], resync: false });
    expect(await users.findOne({ _id: user })).toEqual(stored);
  });

  test("reads and deletes items among foreign elements, which stay", async () => {
    const inbox = open(10);
    const others = [null, 7, "a", { id: "a" }, [item("a")], { is_new: true }];
    const odd = { archived: "yes", created_rev: "then", rev: [], changed: "now" };
    await users.insertOne({
      _id: "among",
      notifications: [...others, item("a"), item("b", odd), item("c")],
    });
    expect(await inbox.list("among")).toMatchObject({
      rev: 0,
      unread: 3,
      unseen: 0,
      total: 3,
      items: [
        { id: "c" },
        { id: "b", archived: false, created_rev: 0, rev: 0, changed: storedAt },
        { id: "a" },
      ],
    });
    // A reader of the whole inbox also gets items that we never changed.
    const everything = { rev: 0, since: fromNothing, resync: false };
    expect(await inbox.since("among", fromNothing)).toMatchObject({
      ...everything,
      changes: ["a", "b", "c"].map((id) => ({ change: "new", item: { id, rev: 0 } })),
    });
    expect(await inbox.change("among", "b", "archive")).toMatchObject({
      rev: 1,
      unread: 2,
      unseen: 0,
      total: 3,
      item: { archived: true, created_rev: 0, rev: 1 },
    });
    expect(await inbox.remove("among", "a")).toEqual({ rev: 2, unread: 1, unseen: 0, total: 2 });
    expect(await inbox.readAll("among")).toEqual({ rev: 3, unread: 0, unseen: 0, total: 2, changed: 1 });
    const stored = (await users.findOne({ _id: "among" })) as Document;
    expect(stored.notifications.slice(0, 6)).toEqual(others);
    expect(idsOf(stored.notifications.slice(6))).toEqual(["b", "c"]);
    // Every device knows items that we never changed.
    expect((await inbox.since("among", 1)).changes).toMatchObject([
      { change: "deleted", id: "a" },
      { change: "read", item: { id: "c", rev: 3, created_rev: 0 } },
    ]);
  });

  test("shows, marks as read and deletes an item with unexpected fields", async () => {
    const inbox = open(10);
    const odd = [
      { timestamp: 1e20, changed: -1e20 },
      { timestamp: Number.NaN, key: 7 },
      { timestamp: new Date(), user_id: null },
      { timestamp: "1698138241", key: null, rev: 1e300 },
    ];
    await users.insertOne({ _id: "odd", notifications: odd.map((more, n) => item(`${n}`, more)) });
    const { items } = await inbox.list("odd");
    expect(items).toMatchObject([
      { id: "3", timestamp: 0, key: "", rev: 0, created_rev: 0 },
      { id: "2", timestamp: 0, changed: 0 },
      { id: "1", timestamp: 0, key: "" },
      { id: "0", timestamp: 0, changed: 0 },
    ]);
    expect(items.map(inboxItemDto).map((one) => one.created_at)).toEqual(
      odd.map(() => "1970-01-01T00:00:00.000Z"),
    );
    expect(await inbox.readAll("odd")).toEqual({ rev: 1, unread: 0, unseen: 0, total: 4, changed: 4 });
    for (const { id } of items) await inbox.remove("odd", id);
    expect(await inbox.list("odd")).toEqual({ rev: 5, unread: 0, unseen: 0, total: 0, items: [] });
  });

  test.each([
    ["no number", Number.NaN],
    ["negative", -4],
    ["null", null],
  ])("a rev that is %s counts as missing until the first change", async (name, rev) => {
    const inbox = open(10);
    const user = `rev ${name}`;
    await users.insertOne({ _id: user, rev, notifications: [item("a")] });
    expect(await inbox.list(user)).toMatchObject({ rev: 0, total: 1 });
    const stored = await users.findOne({ _id: user });
    await inbox.change(user, "a", "unread");
    expect(await users.findOne({ _id: user })).toEqual(stored);
    const [id] = await inbox.notify(user);
    expect(await inbox.list(user)).toMatchObject({
      rev: 1,
      items: [
        { id, rev: 1 },
        { id: "a", rev: 0 },
      ],
    });
    expect(await inbox.change(user, "a", "read")).toMatchObject({ rev: 2 });
    expect((await inbox.stored(user))?.rev).toBe(2);
  });

  test.each([
    ["a text", "12-a"],
    ["a time", new Date(0)],
    ["a list", [5]],
    ["an object", { n: 5 }],
  ])("a rev that is %s is foreign: the inbox can be read, and nothing is overwritten", async (name, rev) => {
    const inbox = open(10);
    const user = `not our rev ${name}`;
    await users.insertOne({ _id: user, rev, notifications: [item("a")] });
    const stored = await users.findOne({ _id: user });
    expect(await inbox.list(user)).toMatchObject({ rev: 0, total: 1, items: [{ id: "a", rev: 0 }] });
    expect(await inbox.since(user, 0)).toMatchObject({ rev: 0, total: 1, changes: [], resync: false });
    expect(await inbox.change(user, "a", "unread")).toMatchObject({ rev: 0, changed: 0 });
    for (const change of [
      () => inbox.change(user, "a", "read"),
      () => inbox.remove(user, "a"),
      () => inbox.readAll(user),
    ])
      await expect(change()).rejects.toMatchObject({ code: "user_document_conflict" });
    expect(await users.findOne({ _id: user })).toEqual(stored);
  });

  test.each([
    ["missing", {}],
    ["null", { seen_rev: null }],
    ["no number", { seen_rev: Number.NaN }],
    ["negative", { seen_rev: -4 }],
    ["too large", { seen_rev: 1e300 }],
  ])("a seen_rev that is %s counts as 0 until the inbox is seen", async (name, document) => {
    const inbox = open(10);
    const user = `seen_rev ${name}`;
    await users.insertOne({ _id: user, ...document, notifications: [item("a")] });
    // An item that never got a rev from us counts as seen.
    expect(await inbox.list(user)).toMatchObject({ unread: 1, unseen: 0 });
    expect(await inbox.seen(user)).toMatchObject({ rev: 0, unread: 1, unseen: 0 });
    await inbox.notify(user);
    expect(await inbox.list(user)).toMatchObject({ rev: 1, unread: 2, unseen: 1 });
    expect(await inbox.seen(user)).toMatchObject({ rev: 2, unread: 2, unseen: 0 });
    expect(await inbox.list(user)).toMatchObject({ rev: 2, unread: 2, unseen: 0 });
    expect((await inbox.stored(user))?.seen_rev).toBe(1);
  });

  test.each([
    ["a text", "12-a"],
    ["a time", new Date(0)],
    ["a list", [5]],
    ["an object", { n: 5 }],
  ])("a seen_rev that is %s is foreign: it counts as 0 and is not overwritten", async (name, seen_rev) => {
    const inbox = open(10);
    const user = `not our seen_rev ${name}`;
    await users.insertOne({ _id: user, seen_rev });
    await inbox.notify(user);
    expect(await inbox.list(user)).toMatchObject({ unread: 1, unseen: 1 });
    const stored = await users.findOne({ _id: user });
    await expect(inbox.seen(user)).rejects.toMatchObject({ code: "user_document_conflict" });
    expect(await users.findOne({ _id: user })).toEqual(stored);
  });

  test.each([
    ["texts", { removedNotifications: "x", removedBefore: "y" }],
    [
      "lists of anything",
      { removedNotifications: [null, 1, { id: 5, rev: 9 }, { id: "x", rev: "y" }], removedBefore: [] },
    ],
    ["missing", {}],
  ])("remembered removals that are %s do no harm", async (name, document) => {
    const inbox = open(10);
    const user = `removals ${name}`;
    await users.insertOne({ _id: user, ...document, notifications: [item("a"), item("b")] });
    expect(await inbox.since(user, 0)).toMatchObject({ rev: 0, total: 2, changes: [], resync: false });
    expect(await inbox.remove(user, "a")).toEqual({ rev: 1, unread: 1, unseen: 0, total: 1 });
    expect(await inbox.since(user, 0)).toMatchObject({
      resync: false,
      changes: [{ change: "deleted", id: "a", rev: 1 }],
    });
  });

  test("keeps foreign fields of the same document, whatever their names", async () => {
    const inbox = open(10);
    const own = { removed: true, inbox: "x", name: "$email", "a.b": { $gt: 1 }, tags: [{ id: "a" }] };
    await users.insertOne({ _id: "own", ...own, notifications: [item("a"), item("b")] });
    await inbox.change("own", "a", "archive");
    await inbox.remove("own", "a");
    await inbox.readAll("own");
    expect(await users.findOne({ _id: "own" })).toMatchObject(own);
  });
});

describe("text that looks like MongoDB expressions", () => {
  test("is treated as data in ids, users, filters and contents", async () => {
    const inbox = open(10);
    const odd = "$$ROOT.notifications";
    const data = { $email: "$email", "a.b": { $gt: "" }, $$REMOVE: ["$$REMOVE", "$rev"], $literal: 1 };
    const user = "$email";
    const [id] = (await inbox.notify(
      user,
      { id: "$rev", key: odd, target_id: "$id", data },
      { id: "b" },
    )) as [string];
    const ask = async (query: Partial<InboxQuery>) =>
      idsOf((await inbox.read({ user, skip: 0, limit: 10, ...query })).items);
    expect(await ask({ type: odd })).toEqual([id]);
    expect(await ask({ type: "$key" })).toEqual([]);
    expect(await ask({ type: "$$this.key" })).toEqual([]);
    expect(await ask({ targetId: "$id" })).toEqual([id]);
    expect(await ask({ targetId: "$$this.target_id" })).toEqual([]);
    expect(await ask({ after: { created_rev: 1, id: "$$this.id" } })).toEqual([]);
    for (const nobodys of ["$$this.id", "$id", "$_id", "$email", { $ne: null } as unknown as string]) {
      expect(await inbox.get(user, nobodys)).toBeUndefined();
      expect(await inbox.change(user, nobodys, "read")).toBeUndefined();
      expect(await inbox.remove(user, nobodys)).toBeUndefined();
    }
    expect((await inbox.change(user, id, "archive"))?.item).toMatchObject({ id, key: odd, data });
    expect((await inbox.change(user, id, "unread"))?.item.data).toStrictEqual(data);
    expect((await inbox.since(user, 0)).changes.map((one) => one.change)).toEqual(["new", "new"]);
    await inbox.remove(user, id);
    expect((await inbox.since(user, 1)).changes).toEqual([{ change: "deleted", id, rev: 4 }]);
  });
});
