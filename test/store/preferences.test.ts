import { ObjectId } from "mongodb";
import { expect, test } from "vitest";
import type { Preferences } from "../../src/model/preferences.ts";
import { createEraser } from "../../src/store/erase.ts";
import { newId } from "../../src/store/ids.ts";
import { usersOf } from "../../src/store/inbox.ts";
import { createPreferenceStore } from "../../src/store/preferences.ts";
import { createUserWrites, type UserWrites } from "../../src/store/user-writes.ts";
import { freshDatabase } from "../support/database.ts";

const { db } = freshDatabase();
const users = usersOf(db);
const writes = createUserWrites(db, true);
const store = createPreferenceStore(db, writes, { email: "new@users.example" });
const stored = (user: string) => users.findOne({ _id: new ObjectId(user) });
const withType = (type: string) => (before: Preferences) => ({
  ...before,
  types: { ...before.types, [type]: false },
});

test("40 changes at once by two processes are all kept, each with a rev of its own", async () => {
  const user = newId();
  const types = Array.from({ length: 40 }, (_, n) => `type.${n}`);
  const other = createPreferenceStore(db, createUserWrites(db, true), {});
  const answers = await Promise.all(
    types.map((type, n) => (n % 2 === 0 ? store : other).change(user, withType(type))),
  );
  const document = await stored(user);
  expect(Object.keys(document?.notificationPreferences?.types ?? {}).sort()).toEqual(types.sort());
  const revs = answers.map(({ rev }) => rev);
  expect(new Set(revs).size).toBe(40);
  expect(document).toMatchObject({ rev: Math.max(...revs), preferences_rev: Math.max(...revs) });
});

test("a missing user is created as by a notification, and an inbox begins", async () => {
  const user = newId();
  const before = Date.now();
  const { rev } = await store.change(user, () => ({ "*": false }));
  expect(rev).toBeGreaterThan(before - 60_000);
  expect(await stored(user)).toEqual({
    _id: new ObjectId(user),
    email: "new@users.example",
    notificationPreferences: { "*": false },
    rev,
    preferences_rev: rev,
    removedBefore: rev - 1,
  });
});

test("equal preferences are not written; none leave no field", async () => {
  const user = newId();
  const { rev } = await store.change(user, () => ({ "*": { email: false, sms: true } }));
  expect((await store.change(user, () => ({ "*": { sms: true, email: false } }))).rev).toBe(rev);
  expect(await store.change(user, () => ({}))).toMatchObject({ preferences: {}, rev: rev + 1 });
  expect(await stored(user)).not.toHaveProperty("notificationPreferences");
});

test("names with dots, dollars and of an object's machinery are stored as they are", async () => {
  const user = newId();
  const preferences: Preferences = JSON.parse(
    '{"types":{"a.b":{"email":false}},"topics":{"$where":false,"a.$b":true,"constructor":false,"__proto__":true}}',
  );
  await store.change(user, () => preferences);
  expect(JSON.stringify((await store.read(user)).preferences)).toBe(JSON.stringify(preferences));
  expect(await store.change(user, withType("$x"))).toMatchObject({
    preferences: { types: { "a.b": { email: false }, $x: false } },
  });
});

test("a change of another program between the read and the write is kept", async () => {
  const user = newId();
  await store.change(user, () => ({ "*": false }));
  let others = 0;
  const late: UserWrites = async (_user, attempt) => {
    if (others++ === 0)
      await users.updateOne({ _id: new ObjectId(user) }, { $set: { "notificationPreferences.*": "daily" } });
    return attempt({});
  };
  const { preferences } = await createPreferenceStore(db, late, {}).change(user, withType("comment"));
  expect(preferences).toEqual({ "*": "daily", types: { comment: false } });
  expect(others).toBe(2);
});

test("a foreign field of that name is refused, and an object of another form counts as none", async () => {
  const [text, odd, number] = [newId(), newId(), newId()].map((id) => new ObjectId(id));
  await db.collection("users").insertMany([
    { _id: text as ObjectId, notificationPreferences: "all" },
    { _id: odd as ObjectId, notificationPreferences: { quiet: "always" } },
    { _id: number as ObjectId, rev: "seven" },
  ]);
  const change = (id: ObjectId | undefined) => store.change(String(id), () => ({ "*": false }));
  await expect(change(text)).rejects.toMatchObject({ code: "user_document_conflict" });
  await expect(change(number)).rejects.toMatchObject({ code: "user_document_conflict" });
  expect(await store.read(String(odd))).toMatchObject({ preferences: {}, rev: 0 });
  expect(await change(odd)).toMatchObject({ preferences: { "*": false } });
});

test("erasing a user removes the preferences and their rev", async () => {
  const user = newId();
  await users.insertOne({ _id: new ObjectId(user), name: "Alex" } as never);
  await store.change(user, () => ({ "*": false }));
  await createEraser({ db, writes, retentionDays: 90, now: Date.now })(user);
  expect(await stored(user)).toEqual({ _id: new ObjectId(user), name: "Alex" });
});
