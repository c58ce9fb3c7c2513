import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ObjectId } from "mongodb";
import { afterAll, expect, onTestFinished, test } from "vitest";
import { channelOf } from "../../src/channels/index.ts";
import { createCore } from "../../src/core/core.ts";
import { createTypeRegistry } from "../../src/core/notification-types.ts";
import { createProfiles } from "../../src/core/profile.ts";
import { createEngine } from "../../src/delivery/engine.ts";
import type { Message } from "../../src/model/channel.ts";
import { connect } from "../../src/store/connect.ts";
import { deliveriesOf } from "../../src/store/deliveries.ts";
import { createStore } from "../../src/store/index.ts";
import { freshDatabase } from "../support/database.ts";
import { sized } from "../support/form.ts";
import { call } from "../support/http.ts";
import { eventually, startService } from "../support/service.ts";
import { startSmtp } from "../support/smtp.ts";

// What a user has changed counts from the answer on.

const { uri, db } = freshDatabase();
const deliveries = deliveriesOf(db);
const types = {
  note: { inbox: true, channels: { email: { unless: "read" } } },
  later: { inbox: true, channels: { email: { after: "1h", unless: "read" } } },
  hook: { inbox: false, channels: { webhook: {} } },
};
const newUsers = (count: number) => Array.from({ length: count }, () => new ObjectId());
const addUsers = (ids: ObjectId[]) =>
  db.collection("users").insertMany(ids.map((_id) => ({ _id, email: `${_id}@users.example` })));

/** Runs the work for each, 20 at a time. */
async function each<One>(all: One[], work: (one: One, index: number) => Promise<unknown>): Promise<void> {
  const rest = [...all.entries()];
  const next = async (): Promise<void> => {
    const one = rest.shift();
    if (!one) return;
    await work(one[1], one[0]);
    return next();
  };
  await Promise.all(Array.from({ length: 20 }, next));
}

/** How many deliveries ended for which reason. */
async function reasons(ids: ObjectId[]): Promise<Record<string, number>> {
  const found = await deliveries.find({ user: { $in: [...ids, ""] } }).toArray();
  const names = found.map(({ state, reason }) => `${state} ${reason ?? ""}`.trim());
  return Object.fromEntries(
    [...new Set(names)].sort().map((name) => [name, names.filter((one) => one === name).length]),
  );
}

test("of changes answered before the delivery is due, none is sent", async () => {
  const ofEach = sized(200, 50);
  const folder = mkdtempSync(join(tmpdir(), "belfry-changes-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "types.json");
  writeFileSync(file, JSON.stringify(types));
  const sink = await startSmtp();
  onTestFinished(() => sink.close());
  const { url } = await startService({ DB_URI: uri, NOTIFICATION_TYPES_FILE: file, ...sink.variables });
  const users = newUsers(5 * ofEach + 1);
  await addUsers(users);
  const [control, ...others] = users as [ObjectId, ...ObjectId[]];
  const sent: string[] = [];
  for (const some of [others, [control]]) {
    const { status, body } = await call(url, "POST", "/v1/notifications", {
      recipients: some.map(String),
      type: "later",
    });
    expect(status).toBe(201);
    sent.push(...body.notifications.map((one: { id: string }) => one.id));
  }

  const path = (user: ObjectId) => `/v1/users/${user}`;
  const changes: Array<(user: ObjectId, id: string) => ReturnType<typeof call>> = [
    (user) => call(url, "PATCH", `${path(user)}/preferences`, { types: { later: { email: false } } }),
    (user) => call(url, "PATCH", `${path(user)}/preferences`, { muted_until: "2999-01-01T00:00:00Z" }),
    (user) => call(url, "DELETE", path(user)),
    (user) => call(url, "PATCH", path(user), { email: null }),
    (user, id) => call(url, "POST", `${path(user)}/inbox/${id}/read`),
  ];
  const beDue = (notification: string) =>
    deliveries.updateOne(
      { notification: new ObjectId(notification), state: "pending" },
      { $set: { due: new Date(0), "content.at": Date.now() - 2 * 60 * 60_000 } },
    );
  await each(others, async (user, index) => {
    const id = sent[index] as string;
    const { status } = (await changes[index % changes.length]?.(user, id)) ?? {};
    expect(status).toBeLessThan(300);
    await beDue(id);
  });
  await beDue(sent.at(-1) as string);
  const open = { state: { $in: ["pending", "sending"] as never[] } };
  await eventually(async () => (await deliveries.countDocuments(open)) === 0, "every delivery ends");
  expect(sink.mails.map(({ to }) => to)).toStrictEqual([`${control}@users.example`]);
  expect(await reasons(users)).toStrictEqual({
    "canceled erased": ofEach,
    sent: 1,
    "skipped condition": ofEach,
    "skipped muted": ofEach,
    "skipped no_address": ofEach,
    "skipped preference": ofEach,
  });
});

/** An engine on a clock that stands still, so that a user who was read stays known until something forgets. */
async function openEngine(channel: "email" | "webhook", concurrency: number) {
  const connection = await connect(uri);
  const frozen = Date.now() + 60_000;
  const webhook = { url: "https://hooks.example/", secrets: ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"] };
  const opened = createStore(connection, {
    channels: ["email", "webhook"],
    inboxLimit: 100,
    newUser: {},
    retentionDays: 90,
    everyone: { webhook: { ...webhook, shared: true } },
  });
  await opened.open();
  const store = { ...opened, now: () => frozen };
  const { registry } = createTypeRegistry({ delayMs: 1, factor: 1, maxRetries: 0 }, types);
  const asked: string[] = [];
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const provider = {
    name: "slow",
    channel,
    async send({ user }: Message) {
      asked.push(user);
      await released;
      return {};
    },
    close: async () => {},
  };
  const silent = () => {};
  const engine = createEngine(
    store,
    registry,
    [{ rules: channelOf(channel), providers: [{ provider, cost: () => 1 }] }],
    {
      concurrency,
      leaseMs: 600_000,
      timeZone: "UTC",
      deadlineMs: 600_000,
      onSettled: silent,
      log: { info: silent, warn: silent, error: silent },
    },
  );
  onTestFinished(async () => {
    release();
    await engine.stop(10_000);
    store.close();
    await connection.client.close();
  });
  return {
    engine,
    asked,
    release,
    // It only stores, so that the engine finds all of them at once.
    notify: createCore(opened, registry).notifyEach,
    core: createCore(store, registry, { engine }),
    profiles: createProfiles(store, () => undefined, engine.forget),
  };
}

test("1,000 changes answered while the claimed deliveries wait for a slot: none is sent", async () => {
  const concurrency = 340;
  const { engine, asked, release, notify, core, profiles } = await openEngine("email", concurrency);
  const [first, others] = [newUsers(concurrency), newUsers(1_000)];
  await addUsers([...first, ...others]);
  const ids = new Map<string, string>();
  for (const some of [first, others]) {
    const targets = some.map((user) => ({ user: user.toHexString(), id: new ObjectId().toHexString() }));
    for (const { error, user, id } of await notify({ type: "note" }, targets)) {
      expect(error).toBeUndefined();
      ids.set(user, id);
    }
  }
  await deliveries.updateMany({ user: { $in: first } }, { $set: { due: new Date(0) } });
  engine.start();
  await eventually(() => asked.length === concurrency, "every slot is taken");
  const waiting = { user: { $in: others }, state: "sending" as const };
  expect(await deliveries.countDocuments(waiting)).toBe(1_000);

  const changes: Array<(user: string) => Promise<unknown>> = [
    (user) => core.preferences.merge(user, { types: { note: false } }),
    (user) => core.preferences.replace(user, { muted_until: "2999-01-01T00:00:00Z" }),
    (user) => core.erase(user),
    (user) => profiles.merge(user, { email: null }),
    (user) => core.inbox.change(user, ids.get(user) as string, "read"),
  ];
  await each(others, async (user, index) => changes[index % changes.length]?.(user.toHexString()));
  release();
  const open = { user: { $in: [...first, ...others] }, state: { $in: ["pending", "sending"] as never[] } };
  await eventually(async () => (await deliveries.countDocuments(open)) === 0, "every delivery ends");
  expect([...asked].sort()).toStrictEqual(first.map(String).sort());
  expect(await reasons([...first, ...others])).toMatchObject({
    sent: concurrency,
    "skipped condition": 200,
    "skipped muted": 200,
    "skipped no_address": 200,
    "skipped preference": 200,
    "uncertain erased": 200,
  });
});

test("what waits for a slot when its user is erased does not go to the webhook of all users", async () => {
  const { engine, asked, release, notify, core } = await openEngine("webhook", 1);
  const users = newUsers(3).map(String);
  for (const user of users) await notify({ type: "hook" }, [{ user, id: new ObjectId().toHexString() }]);
  engine.start();
  await eventually(() => asked.length === 1, "the first is being sent");
  const [erased, kept] = users.filter((user) => !asked.includes(user)) as [string, string];
  await core.erase(erased);
  release();
  await eventually(() => asked.includes(kept), "the other one is sent");
  await engine.stop(10_000);
  expect(asked).not.toContain(erased);
});
