import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { ObjectId } from "mongodb";
import { afterAll, expect, test } from "vitest";
import { days } from "../../src/model/preferences.ts";
import { ruleProblems } from "../../src/model/rules.ts";
import { newId } from "../../src/store/ids.ts";
import { createLimitStore } from "../../src/store/limits.ts";
import { freshDatabase } from "../support/database.ts";
import { sized } from "../support/form.ts";
import { call } from "../support/http.ts";
import { startService } from "../support/service.ts";

const { uri, db } = freshDatabase();
const folder = mkdtempSync(join(tmpdir(), "belfry-dry-run-"));
afterAll(() => rmSync(folder, { recursive: true }));

const channels = ["email", "sms"] as const;
const maybe = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: undefined });
const duration = fc.constantFrom("1m", "15m", "2h", "9h", "1d", "3d");
const rules = (other: string) =>
  fc.record({
    after: maybe(duration),
    expires: maybe(duration),
    unless: maybe(fc.constantFrom("read", "seen", "archived")),
    if: maybe(fc.constant(["data.wanted == true"])),
    if_failed: maybe(fc.constant(other)),
  });
const type = fc
  .record({
    inbox: fc.boolean(),
    mandatory: fc.boolean(),
    category: maybe(fc.constantFrom("social", "billing", "quiet")),
    channels: fc.record({ email: rules("sms"), sms: rules("email") }),
  })
  .map((one) => JSON.parse(JSON.stringify(one)))
  .filter(({ channels: all, inbox }) => ruleProblems(all, inbox).length === 0);

const choice = fc.constantFrom(true, false, "daily");
const choices = fc.oneof(
  choice,
  fc.dictionary(fc.constantFrom(...channels, "inbox", "*"), choice, { minKeys: 1 }),
);
const time = fc.integer({ min: 0, max: 23 }).map((hour) => `${String(hour).padStart(2, "0")}:30`);
const preferences = (key: string) =>
  fc.record({
    "*": maybe(choices),
    categories: maybe(fc.dictionary(fc.constantFrom("social", "billing"), choices)),
    types: maybe(fc.dictionary(fc.constant(key), choices)),
    quiet: maybe(
      fc.array(
        fc
          .record({ from: time, to: time, days: fc.subarray([...days], { minLength: 1 }) })
          .filter(({ from, to }) => from !== to),
        { maxLength: 2 },
      ),
    ),
  });
const profile = fc.record({
  email: maybe(fc.constant("a@example.com")),
  phone: maybe(fc.constant("+12025550123")),
  time_zone: maybe(fc.constantFrom("Europe/Berlin", "America/New_York", "Australia/Lord_Howe")),
});

/** How much later the request comes than its dry run. */
const toleranceMs = 60_000;

test("a dry run's answer is what then happens, for random types, profiles, preferences and times", {
  timeout: 300_000,
}, async () => {
  const seed = Date.now();
  const types = Object.fromEntries(
    fc.sample(type, { numRuns: 60, seed }).map((one, at) => [`type${at}`, one]),
  );
  const file = join(folder, "types.json");
  const categories = {
    social: {},
    billing: { locked: true, default: { email: false, "*": true } },
    quiet: { default: { sms: false, inbox: false } },
  };
  writeFileSync(file, JSON.stringify({ categories, ...types }));
  const { url } = await startService({
    DB_URI: uri,
    NOTIFICATION_TYPES_FILE: file,
    CLOCK: "virtual",
    EMAIL: "",
    RECEIVER_PHONE_NUMBER: "",
  });

  const expected = new Map<string, Array<Record<string, string>>>();
  for (const [at, key] of Object.keys(types).entries()) {
    const user = `user${at}`;
    const [own] = fc.sample(profile, { numRuns: 1, seed: seed + at });
    const [chosen] = fc.sample(preferences(key), { numRuns: 1, seed: seed + at });
    await call(url, "PUT", `/v1/users/${user}`, own);
    // Stored as it is: what the API refuses, such as a choice against a lock, must hold too.
    const notificationPreferences = JSON.parse(JSON.stringify(chosen));
    await db
      .collection<{ _id: string }>("users")
      .updateOne({ _id: user }, { $set: { notificationPreferences, preferences_rev: 1 } });
    if (at % 10 === 0) await call(url, "POST", "/v1/test/clock", { advance: "7h" });
    const body = { recipients: [user], type: key, data: { wanted: at % 3 > 0 } };
    const dry = await call(url, "POST", "/v1/notifications?dry_run=true", body);
    expect(dry.status, JSON.stringify(dry.body)).toBe(200);
    const sent = await call(url, "POST", "/v1/notifications", body);
    expected.set(sent.body.notifications[0].id, dry.body.notifications[0].channels);
  }
  await call(url, "POST", "/v1/test/clock", { advance: "30d" });

  await compare(expected, `seed ${seed}`);
});

const quietTimes = fc.record({ from: time, to: time }).filter(({ from, to }) => from !== to);
const used = fc.integer({ min: 0, max: 3 });
const caseOf = fc.record({
  throttle: maybe(
    fc.record({
      limit: fc.integer({ min: 1, max: 3 }),
      per: fc.constantFrom("2h", "1d"),
      over: fc.constantFrom("skip", "digest"),
    }),
  ),
  digest: maybe(
    fc.constantFrom(
      { every: "2h" },
      { every: "1h", first: "now" },
      { cron: "15 9 * * *" },
      { every: "3h", max: 2 },
    ),
  ),
  budget: maybe(
    fc.record({ limit: fc.integer({ min: 1, max: 4 }), at: maybe(fc.constantFrom("07:30", "18:00")) }),
  ),
  rhythm: maybe(fc.constantFrom("hourly", "daily")),
  after: maybe(fc.constantFrom("10m", "5h")),
  expires: maybe(fc.constantFrom("1d", "3d")),
  quiet: maybe(quietTimes),
  mandatory: fc.constantFrom(false, false, false, true),
  throttled: used,
  spent: used,
  time_zone: profile.map((one) => one.time_zone),
});

test("a dry run's answer is what then happens, when digests, quiet hours, a throttle and a budget meet", {
  timeout: 300_000,
}, async () => {
  const seed = Date.now();
  const cases = fc.sample(caseOf, { numRuns: sized(600, 80), seed });
  const types = Object.fromEntries(
    cases.map(({ throttle, digest, mandatory, after, expires }, at) => [
      `limited${at}`,
      {
        inbox: false,
        mandatory,
        channels: { email: { after, expires, ...(!mandatory && { throttle, digest }) } },
      },
    ]),
  );
  const file = join(folder, "limited.json");
  writeFileSync(file, JSON.stringify({ budgets: { email: { limit: 3 } }, ...types }));
  const { url } = await startService({
    DB_URI: uri,
    NOTIFICATION_TYPES_FILE: file,
    CLOCK: "virtual",
    EMAIL: "",
  });
  const expected = new Map<string, Array<Record<string, string>>>();
  let limited = 0;
  for (const [at, { budget, rhythm, quiet, throttled, spent, time_zone }] of cases.entries()) {
    const user = `limited${at}`;
    await call(url, "PUT", `/v1/users/${user}`, { email: "a@example.com", time_zone });
    const preferences = {
      ...(budget && { budget: { email: budget } }),
      ...(rhythm && !cases[at]?.mandatory && { types: { [user]: { email: rhythm } } }),
      ...(quiet && { quiet: [{ days: [...days], ...quiet }] }),
    };
    const { status, body: problem } = await call(url, "PATCH", `/v1/users/${user}/preferences`, preferences);
    expect(status, JSON.stringify(problem)).toBe(200);
    await call(url, "POST", "/v1/test/clock", { advance: "47m" });
    const now = Date.parse((await call(url, "GET", "/v1/test/clock")).body.now);
    const { count } = createLimitStore(db, () => now, Date.now);
    const earlier = { user, limit: 99, since: 0, until: now + 3 * 86_400_000 };
    for (let n = 0; n < throttled; n++)
      await count({ ...earlier, delivery: newId(), key: JSON.stringify(["throttle", "email", user, ""]) });
    for (let n = 0; n < spent; n++)
      await count({ ...earlier, delivery: newId(), key: JSON.stringify(["budget", "email"]) });
    const body = { recipients: [user], type: user };
    const dry = await call(url, "POST", "/v1/notifications?dry_run=true", body);
    expect(dry.status, JSON.stringify(dry.body)).toBe(200);
    if (/"(throttle|budget)"/.test(JSON.stringify(dry.body))) limited++;
    const sent = await call(url, "POST", "/v1/notifications", body);
    expected.set(sent.body.notifications[0].id, dry.body.notifications[0].channels);
  }
  expect(limited).toBeGreaterThan(0);
  await call(url, "POST", "/v1/test/clock", { advance: "30d" });
  await compare(expected, `seed ${seed}`);
});

/** Compares each dry run with what became of its notification. */
async function compare(expected: Map<string, Array<Record<string, string>>>, run: string): Promise<void> {
  for (const [id, planned] of expected) {
    const deliveries = await db
      .collection("deliveries")
      .find({ notification: new ObjectId(id) })
      .toArray();
    const outbound = planned.filter(({ channel }) => channel !== "inbox");
    expect(deliveries).toHaveLength(outbound.length);
    for (const { channel, verdict, at, until, rule, reason } of outbound) {
      const one = deliveries.find((delivery) => delivery.channel === channel);
      const where = `${run}, ${one?.type} on ${channel}`;
      expect({ state: one?.state, reason: one?.reason }, where).toStrictEqual({
        state: { send: "sent", hold: "digested", skip: "skipped" }[verdict as string],
        reason: verdict === "skip" ? reason : undefined,
      });
      if (verdict === "hold") {
        const digest = await db.collection("deliveries").findOne({ _id: one?.into });
        const ended = digest?.attempts[0]?.at ?? digest?.decisions.at(-1).at;
        expect(Math.abs(ended.getTime() - Date.parse(until as string)), where).toBeLessThan(toleranceMs);
      }
      if (verdict === "skip") expect(one?.decisions.at(-1).rule, where).toBe(rule);
      const happened = verdict === "send" ? one?.attempts[0].at : one?.decisions.at(-1).at;
      expect(Math.abs(happened.getTime() - Date.parse(at as string)), where).toBeLessThan(toleranceMs);
    }
    const item = await db.collection("users").findOne({ "notifications.id": id });
    const inbox = planned.find(({ channel }) => channel === "inbox");
    expect(item !== null, `${run}, the inbox of ${id}`).toBe(inbox?.verdict === "send");
  }
}
