import type { ClientSession } from "mongodb";
import { expect, onTestFinished, test } from "vitest";
import type { PlannedNotification } from "../../src/model/notification.ts";
import type { Preferences } from "../../src/model/preferences.ts";
import { createAppender } from "../../src/store/append.ts";
import { connect } from "../../src/store/connect.ts";
import { newId } from "../../src/store/ids.ts";
import { failCommands, ownDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";

const { uri, client, db } = await ownDatabase();
const users = db.collection<{
  _id: string;
  notifications?: Array<{ id: string }>;
  notificationPreferences?: Preferences;
}>("users");

const refusing: Preferences = { types: { comment: { inbox: false } } };
const other: Preferences = { types: { other: false } };

/** One notification of an optional type for each of these users. */
const batchFor = (...names: string[]): PlannedNotification[] =>
  names.map((user) => {
    const id = newId();
    const item = { id, timestamp: 1_700_000_000, is_new: true, user_id: user, key: "comment" };
    return { id, user, item, ask: { type: "comment", isOnByDefault: true }, deliveries: [] };
  });

/** Belfry's own connection. `isReplicaSet`: it makes new users in a transaction. */
async function appender(isReplicaSet: boolean) {
  const { client, db } = await connect(uri);
  onTestFinished(() => client.close());
  const inTransaction = (work: (session: ClientSession) => Promise<void>): Promise<void> =>
    client.withSession((session) => session.withTransaction(() => work(session)));
  const options = { db, inboxLimit: 100, newUser: {}, now: Date.now, patienceMs: 10_000 };
  const more = isReplicaSet && { transact: inTransaction };
  return { inTransaction, ...createAppender({ ...options, ...more }) };
}

/** How many items each has. */
async function itemsOf(...names: string[]) {
  const found = await users.find({ _id: { $in: names } }).toArray();
  return names.map((name) => found.find(({ _id }) => _id === name)?.notifications?.length);
}

const names = (run: string) => ["plain", "refuses", "wants", "new"].map((name) => `${run} ${name}`);

async function seed(run: string): Promise<string[]> {
  const [plain, refuses, wants] = names(run) as [string, string, string];
  await users.insertMany([
    { _id: plain },
    { _id: refuses, notificationPreferences: refusing },
    { _id: wants, notificationPreferences: other },
  ]);
  return names(run);
}

test("users without preferences, with some, and new ones share a batch", async () => {
  const { alone } = await appender(false);
  const first = await seed("alone");
  expect(await alone(batchFor(...first))).toEqual(first.map(() => undefined));
  expect(await itemsOf(...first)).toEqual([1, 0, 1, 1]);

  const { tryAlone, within, inTransaction } = await appender(true);
  const second = await seed("tried");
  expect(await tryAlone(batchFor(...second))).toEqual([]);
  expect(await itemsOf(...second)).toEqual([1, 0, 1, 1]);

  const third = await seed("inside");
  const batch = batchFor(...third);
  for (const repeated of [false, true]) await inTransaction((session) => within(session, batch, repeated));
  expect(await itemsOf(...third)).toEqual([1, 0, 1, 1]);
});

test("a user who sets preferences between the two statements has the item once", async () => {
  const [plain, , wants] = (await seed("race")) as [string, string, string];
  const { alone } = await appender(false);
  const data = { failCommands: ["update"], blockConnection: true, blockTimeMS: 2_000, appName: "belfry" };
  const stop = await failCommands(client, { skip: 1 }, data);
  onTestFinished(stop);
  const done = alone(batchFor(plain, wants));
  await eventually(async () => (await itemsOf(plain))[0] === 1, "the first statement");
  await users.updateOne({ _id: plain }, { $set: { notificationPreferences: other } });
  expect(await itemsOf(wants)).toEqual([undefined]);
  await stop();
  expect(await done).toEqual([undefined, undefined]);
  expect(await itemsOf(plain, wants)).toEqual([1, 1]);
});
