import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { createCore } from "../../src/core/core.ts";
import { createTypeRegistry } from "../../src/core/notification-types.ts";
import type { WrittenSchedule } from "../../src/core/schedules.ts";
import { createJobRunner } from "../../src/jobs/index.ts";
import { connectionOn } from "../../src/store/connect.ts";
import { usersOf } from "../../src/store/inbox.ts";
import { createStore } from "../../src/store/index.ts";
import { jobsOf } from "../../src/store/jobs.ts";
import { freshDatabase } from "../support/database.ts";

// Several instances in the test's time. Each has its own clock, up to 3 s apart from the others.

const { client, db } = freshDatabase();
const jobs = jobsOf(db);
const schedules = db.collection<{ _id: string }>("schedules");
const connection = await connectionOn(client, db);
const log = { info() {}, warn() {}, error() {} };
const { registry } = createTypeRegistry(
  { delayMs: 1, factor: 1, maxRetries: 0 },
  { report: { inbox: true, channels: {} } },
);
const minute = 60_000;
let now = 0;

beforeEach(async () => {
  await Promise.all(["jobs", "schedules", "users"].map((name) => db.collection(name).deleteMany({})));
});

async function instance(aheadMs = 0) {
  const store = createStore(connection, {
    channels: ["email"],
    inboxLimit: 1_000,
    newUser: {},
    retentionDays: 90,
    clock: () => () => now + aheadMs,
  });
  await store.open();
  const core = createCore(store, registry, { timeZone: "UTC" });
  const runner = createJobRunner(store, core, { leaseMs: 30_000, random: () => 0.5, log });
  onTestFinished(async () => {
    await runner.stop(0);
    store.close();
  });
  return { store, runner, schedules: core.schedules, jobs: core.jobs };
}
type Instance = Awaited<ReturnType<typeof instance>>;

const report = (more: Partial<WrittenSchedule> = {}): WrittenSchedule => ({
  notification: { type: "report", title: "Numbers" },
  recipients: ["alex"],
  cron: "*/15 * * * *",
  time_zone: "Europe/Berlin",
  missed: "once",
  ...more,
});
const at = (text: string) => Date.parse(text);
const iso = (ms: number) => new Date(ms).toISOString().slice(0, 16);

/** Goes on to `until`: at each moment at which something is due, all instances work at once. */
async function run(instances: readonly Instance[], until: number): Promise<void> {
  for (;;) {
    const nexts = await Promise.all(instances.map(({ runner }) => runner.drain()));
    const next = Math.min(...nexts.map((one) => one ?? Number.POSITIVE_INFINITY));
    if (next > until) break;
    now = Math.max(next, now + 1);
  }
  now = until;
}

/** The times of the items in a user's inbox. */
async function received(user: string): Promise<string[]> {
  const found = await usersOf(db).findOne({ _id: user });
  return (found?.notifications ?? []).map(({ timestamp }) => iso(timestamp * 1_000)).sort();
}
const quarters = (from: string, to: string) =>
  Array.from({ length: (at(to) - at(from)) / (15 * minute) }, (_, one) => iso(at(from) + one * 15 * minute));

describe("with three instances whose clocks differ by 3 s, each occurrence happens once:", () => {
  test.each([
    ["an ordinary day", "2026-06-01T00:00Z", "2026-06-01T06:00Z"],
    ["the night in which the clock goes forward", "2026-03-28T22:00Z", "2026-03-29T05:00Z"],
  ])("%s", async (_, from, to) => {
    now = at(from) - 1;
    const all = await Promise.all([instance(-1_500), instance(), instance(1_500)]);
    await all[0]?.schedules.put("numbers", report());
    await run(all, at(to) - 10_000);
    expect(await received("alex")).toEqual(quarters(from, to));
    expect(await jobs.countDocuments({ state: { $ne: "done" } })).toBe(0);
  });

  test("the night in which the clock goes back: a time that exists twice counts once, the first", async () => {
    now = at("2026-10-24T22:00Z");
    const all = await Promise.all([instance(-1_500), instance(), instance(1_500)]);
    await all[0]?.schedules.put("numbers", report({ cron: "30 1,2,3 * * *" }));
    await run(all, at("2026-10-25T22:00Z"));
    expect(await received("alex")).toEqual(["2026-10-24T23:30", "2026-10-25T00:30", "2026-10-25T02:30"]);
  });

  test("the night in which the clock goes forward: a time that does not exist is the first that does", async () => {
    now = at("2026-03-28T22:00Z");
    const all = await Promise.all([instance(-1_500), instance(), instance(1_500)]);
    await all[0]?.schedules.put("numbers", report({ cron: "30 1,2,3 * * *" }));
    await run(all, at("2026-03-29T22:00Z"));
    expect(await received("alex")).toEqual(["2026-03-29T00:30", "2026-03-29T01:00", "2026-03-29T01:30"]);
  });

  test.each([
    ["once", ["2026-06-01T08:00", "2026-06-01T09:00", "2026-06-01T09:15"]],
    ["skip", ["2026-06-01T08:00", "2026-06-01T09:15"]],
  ] as const)("after a stopped hour, with missed: %s", async (missed, expected) => {
    now = at("2026-06-01T07:59Z");
    const before = await instance();
    await before.schedules.put("numbers", report({ missed }));
    await run([before], at("2026-06-01T08:01Z"));
    now = at("2026-06-01T09:05Z");
    const all = await Promise.all([instance(-1_500), instance(), instance(1_500)]);
    await run(all, at("2026-06-01T09:16Z"));
    expect(await received("alex")).toEqual(expected);
  });
});

test("with the zone `recipient` each user gets it at their own nine o'clock", async () => {
  const people = { ann: "Europe/Berlin", bob: "America/New_York", cem: "Asia/Tokyo", dot: "No/Where" };
  await usersOf(db).insertMany(Object.entries(people).map(([_id, timeZone]) => ({ _id, timeZone })));
  now = at("2026-06-01T00:30Z");
  const all = [await instance(), await instance()] as const;
  const recipients = [...Object.keys(people), "eve"];
  const { schedule } = await all[0].schedules.put(
    "morning",
    report({ cron: "0 9 * * *", time_zone: "recipient", recipients }),
  );
  const upcoming = await all[0].schedules.upcoming(schedule);
  expect(
    upcoming?.map(({ zone, recipients: count, at: times }) => [zone, count, iso(times[0] as number)]),
  ).toEqual([
    ["Europe/Berlin", 1, "2026-06-01T07:00"],
    ["America/New_York", 1, "2026-06-01T13:00"],
    ["Asia/Tokyo", 1, "2026-06-02T00:00"],
    ["UTC", 2, "2026-06-01T09:00"],
  ]);
  // Bob moves to Berlin in the afternoon.
  await run(all, at("2026-06-01T15:00Z"));
  await usersOf(db).updateOne({ _id: "bob" }, { $set: { timeZone: "Europe/Berlin" } });
  await run(all, at("2026-06-02T08:00Z"));
  const times = Object.fromEntries(
    await Promise.all(recipients.map(async (user) => [user, await received(user)])),
  );
  expect(times).toEqual({
    ann: ["2026-06-01T07:00", "2026-06-02T07:00"],
    bob: ["2026-06-01T13:00", "2026-06-02T07:00"],
    cem: ["2026-06-02T00:00"],
    dot: ["2026-06-01T09:00"],
    eve: ["2026-06-01T09:00"],
  });
});

test("a schedule whose type is gone fails visibly, goes on, and works again when the type is back", async () => {
  now = at("2026-06-01T07:59Z");
  const one = await instance();
  await one.schedules.put("numbers", report());
  await schedules.updateOne({ _id: "numbers" }, { $set: { "notification.type": "gone" } });
  await run([one], at("2026-06-01T08:16Z"));
  const failed = await one.jobs.list({ key: "numbers" }, 10);
  expect(failed.data).toMatchObject([
    { state: "failed", kind: "occurrence", error: `\`type\` must be one of ${registry.keys.join(", ")}.` },
    { state: "failed" },
  ]);
  await schedules.updateOne({ _id: "numbers" }, { $set: { "notification.type": "report" } });
  await run([one], at("2026-06-01T08:31Z"));
  expect(await received("alex")).toEqual(["2026-06-01T08:30"]);
});

test("a paused schedule sends nothing, and goes on with the next occurrence", async () => {
  now = at("2026-06-01T07:59Z");
  const one = await instance();
  await one.schedules.put("numbers", report());
  expect(await one.schedules.pause("numbers")).toMatchObject({ state: "paused" });
  // A program that stores its schedules at each start does not resume it.
  await one.schedules.put("numbers", report());
  await run([one], at("2026-06-01T09:01Z"));
  expect(await received("alex")).toEqual([]);
  expect(await one.schedules.resume("numbers")).toMatchObject({ state: "active" });
  await run([one], at("2026-06-01T09:16Z"));
  expect(await received("alex")).toEqual(["2026-06-01T09:15"]);
});

test("storing it again keeps what is due, and other times replace it", async () => {
  now = at("2026-06-01T07:59Z");
  const one = await instance();
  expect(await one.schedules.put("numbers", report())).toMatchObject({ created: true });
  now = at("2026-06-01T08:05Z");
  const again = await one.schedules.put("numbers", report({ recipients: ["alex", "bob"] }));
  expect([again.created, again.schedule.zones]).toEqual([
    false,
    [{ zone: "Europe/Berlin", next: at("2026-06-01T08:00Z") }],
  ]);
  await run([one], at("2026-06-01T08:06Z"));
  expect(await received("bob")).toEqual(["2026-06-01T08:00"]);
  const changed = await one.schedules.put("numbers", report({ cron: "0 20 * * *" }));
  expect(changed.schedule.zones).toEqual([{ zone: "Europe/Berlin", next: at("2026-06-01T18:00Z") }]);
});

test("ten programs that store the same schedule at once store one", async () => {
  now = at("2026-06-01T07:59Z");
  const all = await Promise.all([instance(), instance()]);
  const put = all.flatMap((one) => Array.from({ length: 5 }, () => one.schedules.put("numbers", report())));
  expect((await Promise.all(put)).filter(({ created }) => created)).toHaveLength(1);
  expect(await schedules.countDocuments()).toBe(1);
});

test("deleting it while others work on it leaves no occurrence behind", async () => {
  const [one, other] = [await instance(), await instance()];
  for (let round = 0; round < 20; round++) {
    now = at("2026-06-01T07:59Z") + round * 15 * minute;
    await one.schedules.put("numbers", report());
    now += minute;
    await Promise.all([other.runner.drain(), one.schedules.remove("numbers")]);
    await other.runner.drain();
    expect(await jobs.countDocuments({ state: { $in: ["scheduled", "running"] } })).toBe(0);
  }
  const sent = await jobs.countDocuments({ state: "done" });
  expect(await received("alex")).toHaveLength(sent);
});

test("it ends with its last occurrence", async () => {
  now = at("2026-06-01T07:59Z");
  const one = await instance();
  await one.schedules.put("numbers", report({ ends_at: "2026-06-01T08:15:00Z" }));
  await run([one], at("2026-06-01T09:00Z"));
  expect(await received("alex")).toEqual(["2026-06-01T08:00"]);
  expect(await one.schedules.show("numbers")).toMatchObject({ state: "ended" });
});

test("an erased user is taken out of it", async () => {
  now = at("2026-06-01T07:59Z");
  const one = await instance();
  await one.schedules.put("numbers", report({ recipients: ["alex", "bob"] }));
  await one.store.erase("alex");
  await run([one], at("2026-06-01T08:01Z"));
  expect([await received("alex"), await received("bob")]).toEqual([[], ["2026-06-01T08:00"]]);
});
