import { randomBytes } from "node:crypto";
import { ObjectId } from "mongodb";
import { afterAll, expect, test } from "vitest";
import { createTypeRegistry } from "../../src/core/notification-types.ts";
import { createNotifier } from "../../src/core/notify.ts";
import { createCommitter } from "../../src/store/commit.ts";
import { connect } from "../../src/store/connect.ts";
import { createIdempotencyStore } from "../../src/store/idempotency.ts";
import { newId } from "../../src/store/ids.ts";
import { usersOf } from "../../src/store/inbox.ts";
import { prepareCollections } from "../../src/store/indexes.ts";
import { createPreferenceStore } from "../../src/store/preferences.ts";
import { createTally } from "../../src/store/tally.ts";
import { createUserWrites } from "../../src/store/user-writes.ts";
import { failCommands, ownDatabase } from "../support/database.ts";
import { eventually } from "../support/service.ts";

const { uri, client, db } = await ownDatabase();
const connection = await connect(uri);
afterAll(() => connection.client.close());
const { bulkWrites } = await prepareCollections(connection.db);
const { registry } = createTypeRegistry({ delayMs: 1, factor: 1, maxRetries: 0 });

test("every caller is answered in time when MongoDB is silent, and notifications that only waited are not stored later", async () => {
  let begun = 0;
  const commit = createCommitter({
    ...connection,
    bulkWrites,
    inboxLimit: 100,
    newUser: {},
    tally: createTally(newId(), 90),
    now: Date.now,
  });
  const counted: typeof commit = (...batch) => {
    begun++;
    return commit(...batch);
  };
  const store = {
    commit: counted,
    newId,
    now: Date.now,
    idempotency: createIdempotencyStore(connection.db, true),
    newTimedId: newId,
    replace: () => Promise.reject(new Error("nothing is replaced here")),
    preferences: createPreferenceStore(connection.db, createUserWrites(connection.db, true), {}),
  };
  const { notify, drained } = createNotifier(store, registry, { answerMs: 1_000 });
  const [first, second, third] = Array.from({ length: 3 }, () => `${randomBytes(11).toString("hex")}a0`);
  const silent = await failCommands(
    client,
    { times: 1 },
    { failCommands: ["bulkWrite"], blockConnection: true, blockTimeMS: 3_000 },
  );
  const command = { type: "new_message", channels: ["inbox", "email"] as const };
  const answers = [notify({ ...command, user: first as string })];
  await eventually(() => begun === 1, "the first commit is under way");
  for (const user of [second, third]) answers.push(notify({ ...command, user: user as string }));
  for (const answer of answers) await expect(answer).rejects.toMatchObject({ code: "database_unavailable" });
  await drained();
  await silent();
  const stored = await usersOf(db).find().toArray();
  expect(stored.map(({ _id, notifications }) => [_id, (notifications as unknown[]).length])).toStrictEqual([
    [new ObjectId(first), 1],
  ]);
  expect(begun).toBe(1);
});
