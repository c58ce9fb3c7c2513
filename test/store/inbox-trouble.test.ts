import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Db, MongoClient } from "mongodb";
import { afterAll, afterEach, beforeAll, expect, onTestFinished, test } from "vitest";
import { type ManagedMongod, startManagedMongod } from "../../mongod/index.ts";
import type { InboxItem } from "../../src/model/live.ts";
import { createInboxReader, usersOf } from "../../src/store/inbox.ts";
import { createChangesReader } from "../../src/store/inbox-changes.ts";
import { createInboxWriter } from "../../src/store/inbox-writes.ts";
import { createUserWrites } from "../../src/store/user-writes.ts";
import { failCommands } from "../support/database.ts";
import { openInboxes, several, storedAt } from "../support/inbox.ts";

// This file has its own MongoDB, because injected failures must not break another file's tests.
const folder = mkdtempSync(join(tmpdir(), "belfry-inbox-"));
let mongod: ManagedMongod;
let client: MongoClient;
let db: Db;
beforeAll(async () => {
  mongod = await startManagedMongod({ dataDir: folder, testCommands: true, log: () => {} });
  client = new MongoClient(mongod.uri);
  db = client.db("inbox_trouble");
});
afterAll(async () => {
  await client.close();
  await mongod.close();
  rmSync(folder, { recursive: true });
});
afterEach(() => failCommands(client, { times: 1 }, { failCommands: [] }).then((off) => off()));

/** A second connection to the same database; only it gets the injected failures. */
function named(appName: string): Db {
  const opened = new MongoClient(mongod.uri, { appName });
  onTestFinished(() => opened.close());
  return opened.db(db.databaseName);
}

test("a retry after a lost answer makes one change and returns the same answer", async () => {
  const inbox = openInboxes(db, 10);
  const ids = await inbox.notify(
    "lost",
    ...several(4).map((one) => ({ ...one, data: { a: "$rev", "b.c": 1 } })),
  );
  const writer = openInboxes(named("lost-answers"), 10);
  const [a, b, c] = ids as [string, string, string];
  /** The server applies the write and reports that it may not last; the driver retries once. */
  const losing = async <Answer>(change: () => Promise<Answer>): Promise<Answer> => {
    await client.db("admin").command({
      configureFailPoint: "failCommand",
      mode: { times: 1 },
      data: {
        failCommands: ["findAndModify"],
        appName: "lost-answers",
        writeConcernError: { code: 91, errmsg: "lost", errorLabels: ["RetryableWriteError"] },
      },
    });
    return change();
  };
  const { item: before } = (await inbox.get("lost", a)) as { item: InboxItem };
  expect(await losing(() => writer.change("lost", a, "archive"))).toEqual({
    rev: 2,
    unread: 3,
    unseen: 3,
    total: 4,
    changed: 1,
    item: { ...before, is_new: false, archived: true, rev: 2 },
  });
  expect(await losing(() => writer.remove("lost", b))).toEqual({ rev: 3, unread: 2, unseen: 2, total: 3 });
  for (const upTo of [1, 0, 1])
    expect(await losing(() => writer.seen("lost", upTo))).toEqual({ rev: 4, unread: 2, unseen: 0, total: 3 });
  expect(await losing(() => writer.readAll("lost"))).toEqual({
    rev: 5,
    unread: 0,
    unseen: 0,
    total: 3,
    changed: 2,
  });
  expect(await losing(() => writer.change("lost", c, "read"))).toMatchObject({ rev: 5, changed: 0 });
  expect(await inbox.list("lost")).toMatchObject({ rev: 5, unread: 0, unseen: 0, total: 3 });

  // Here the moment at which the inbox began is unknown.
  const item = { id: "old", timestamp: storedAt, is_new: true, user_id: "older", key: "old" };
  await usersOf(db).insertOne({ _id: "older", notifications: [item] });
  await expect(losing(() => writer.change("older", "old", "read"))).rejects.toMatchObject({
    code: "database_unavailable",
  });
  expect(await writer.change("older", "old", "read")).toMatchObject({ rev: 1, unread: 0, changed: 0 });
});

test("a change that waits long for the majority is made once and answered normally", async () => {
  const inbox = openInboxes(db, 10);
  const [a, b] = (await inbox.notify("slow", ...several(2))) as [string, string];
  const writer = openInboxes(named("slow-majority"), 10);
  // MongoDB's answer when a write was applied but its time ran out before the majority had it.
  const late = { code: 50, errmsg: "operation exceeded time limit" };
  const data = { failCommands: ["findAndModify"], appName: "slow-majority", writeConcernError: late };
  await client.db("admin").command({ configureFailPoint: "failCommand", mode: { times: 2 }, data });
  expect(await writer.change("slow", a, "read")).toMatchObject({ rev: 2, changed: 1, item: { id: a } });
  expect(await writer.remove("slow", b)).toEqual({ rev: 3, unread: 0, unseen: 0, total: 1 });
  expect(await inbox.list("slow")).toMatchObject({ rev: 3, unread: 0, unseen: 0, total: 1 });
});

test.each([
  ["the server shuts down", 91],
  ["a shard has no primary", 133],
  ["a router waits for a shard in vain", 202],
  ["a router's cursor is gone", 43],
])("rejects with database_unavailable while %s, and works again afterwards", async (_, errorCode) => {
  const inbox = openInboxes(db, 10);
  const user = `trouble ${errorCode}`;
  const [id] = (await inbox.notify(user)) as [string];
  const troubled = named("inbox-trouble");
  const writer = createInboxWriter(troubled, 10, () => storedAt * 1000, createUserWrites(troubled, true));
  const reader = createInboxReader(troubled, 10);
  const changesSince = createChangesReader(troubled, 10);
  const heal = await failCommands(client, "alwaysOn", {
    failCommands: ["find", "findAndModify"],
    errorCode,
    appName: "inbox-trouble",
  });
  const asked = await Promise.allSettled([
    writer.change(user, id, "read"),
    writer.remove(user, id),
    writer.readAll(user),
    writer.seen(user),
    reader.get(user, id),
    reader.read({ user, skip: 0, limit: 1 }),
    changesSince([{ user, since: 0 }]),
  ]).finally(heal);
  for (const one of asked)
    expect(one).toMatchObject({ status: "rejected", reason: { code: "database_unavailable" } });
  expect(await changesSince([{ user, since: 0 }])).toMatchObject([{ unread: 1, unseen: 1, total: 1 }]);
});

test("rejects with user_document_conflict when a schema rule protects the document, which stays unchanged", async () => {
  const inbox = openInboxes(db, 10);
  const [id] = (await inbox.notify("ruled")) as [string];
  await db.command({ collMod: "users", validator: { rev: { $not: { $gte: 2 } } } });
  onTestFinished(async () => void (await db.command({ collMod: "users", validator: {} })));
  const refused = { code: "user_document_conflict" };
  await expect(inbox.change("ruled", id, "read")).rejects.toMatchObject(refused);
  await expect(inbox.remove("ruled", id)).rejects.toMatchObject(refused);
  await expect(inbox.readAll("ruled")).rejects.toMatchObject(refused);
  await expect(inbox.seen("ruled")).rejects.toMatchObject(refused);
  expect(await inbox.list("ruled")).toMatchObject({ rev: 1, unread: 1, unseen: 1, total: 1 });
});

test("a commit with an unknown result does not bring back a deleted item", async () => {
  const inbox = openInboxes(db, 10);
  const [id] = (await inbox.notify("again")) as [string];
  await inbox.remove("again", id);
  const unsure = openInboxes(named("unsure-commit"), 10);
  await failCommands(
    client,
    { times: 1 },
    {
      failCommands: ["update"],
      errorCode: 91,
      appName: "unsure-commit",
    },
  );
  await unsure.notify("again", { id });
  expect(await inbox.list("again")).toEqual({ rev: 2, unread: 0, unseen: 0, total: 0, items: [] });
});
