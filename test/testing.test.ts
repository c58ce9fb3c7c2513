import { AssertionError } from "node:assert";
import { readFileSync } from "node:fs";
import { describe, expect, onTestFinished, test } from "vitest";
import { createBelfry } from "../src/library.ts";
import { usersOf } from "../src/store/inbox.ts";
import { createTestBelfry, type TestBelfryOptions } from "../src/testing.ts";
import { freshDatabase } from "./support/database.ts";

const { client, db } = freshDatabase();
const database = db.databaseName;
const types: NonNullable<TestBelfryOptions["types"]> = {
  comment: {
    inbox: true,
    channels: {
      email: { subject: "{{ title }}", after: "15m", unless: "read" },
      sms: { after: "1h", unless: "read", if_failed: "email" },
      webhook: { after: "3d", unless: "read" },
    },
  },
  code: { inbox: false, channels: { sms: { if_failed: "email" }, email: {} } },
  news: { inbox: false, channels: { email: { subject: "{{ title }}" } } },
  offer: { inbox: false, channels: { email: { expires: "2m" } } },
  call: { inbox: false, channels: { webhook: {} } },
};
const secrets = [`whsec_${Buffer.alloc(32).toString("base64")}`];

async function open(options: Partial<TestBelfryOptions> = {}) {
  await Promise.all(["users", "deliveries"].map((name) => db.collection(name).deleteMany({})));
  const belfry = await createTestBelfry({
    client,
    database,
    types,
    start: "2026-03-01T08:00:00Z",
    ...options,
  });
  onTestFinished(() => belfry.close());
  return belfry;
}
const addUser = (user: { _id: string; [field: string]: unknown }) => usersOf(db).insertOne(user);
/** The sent messages in short. */
const lines = (belfry: Awaited<ReturnType<typeof open>>) =>
  belfry.captured().map(({ at, channel, to }) => `${at} ${channel} ${to}`);

test("an escalation over three days", async () => {
  const belfry = await open();
  await addUser({ _id: "alex", email: "alex@example.com", phone: "+12025550123" });
  await addUser({ _id: "hook", webhook: { url: "https://hooks.example/x", secrets } });
  belfry.setProvider("email", "refuses");
  await belfry.notify({ user: "alex", type: "comment", title: "Bob replied" });
  await belfry.notify({ user: "hook", type: "comment", title: "Bob replied" });
  belfry.nothingSent();
  expect(await belfry.advance("3d")).toMatchObject({ sent: 2, failed: 1, skipped: 3 });
  expect(lines(belfry)).toEqual([
    "2026-03-01T09:00:00.000Z sms +12025550123",
    "2026-03-04T08:00:00.000Z webhook https://hooks.example/x",
  ]);
  expect(belfry.sentTo("alex", "comment")).toMatchObject([{ channel: "sms", text: expect.any(String) }]);
  expect(belfry.sentTo("hook")).toMatchObject([{ payload: { type: "comment" } }]);
  expect(belfry.sentTo("hook")[0]).not.toHaveProperty("secrets");
});

test("nothing is sent after it was read, and messages so far can be forgotten", async () => {
  const belfry = await open();
  await addUser({ _id: "alex", email: "alex@example.com", phone: "+12025550123" });
  const { id } = await belfry.notify({ user: "alex", type: "comment", title: "Bob replied" });
  await belfry.advance("15m");
  expect(belfry.sentTo("alex")).toEqual([
    {
      channel: "email",
      user: "alex",
      type: "comment",
      notification: id,
      at: "2026-03-01T08:15:00.000Z",
      to: "alex@example.com",
      subject: "Bob replied",
      text: expect.any(String),
      html: expect.any(String),
    },
  ]);
  belfry.clear();
  await belfry.inbox.read("alex", id);
  await belfry.advance("7d");
  belfry.nothingSent("alex");
});

describe("quiet hours in Berlin", () => {
  const preferences = { quiet: [{ from: "22:00", to: "07:00" }] };
  test.each([
    ["of the change to summer time", "2026-03-28T21:30:00Z", "2026-03-29T05:00:00.000Z"],
    ["of the change to winter time", "2026-10-24T20:30:00Z", "2026-10-25T06:00:00.000Z"],
  ])("the night %s", async (_what, start, morning) => {
    const belfry = await open({ start });
    await addUser({
      _id: "alex",
      email: "alex@example.com",
      timeZone: "Europe/Berlin",
      notificationPreferences: preferences,
    });
    await belfry.notify({ user: "alex", type: "news", title: "News" });
    belfry.nothingSent();
    await belfry.at(morning.replace("00.000Z", "00Z"));
    expect(lines(belfry)).toEqual([`${morning} email alex@example.com`]);
  });
});

test("a provider that is down is tried again at the planned times, paused and found working", async () => {
  const belfry = await open();
  belfry.setProvider("email", "down");
  await belfry.notify({ user: "alex", type: "news", title: "News" });
  // 10, 20 and 40 s later.
  await belfry.advance("1m");
  belfry.nothingSent();
  belfry.setProvider("email", "works");
  await belfry.advance("1h");
  expect(belfry.sentTo("alex")).toMatchObject([{ at: "2026-03-01T08:01:10.000Z" }]);
});

test("a message expires between two retries", async () => {
  const belfry = await open();
  belfry.setProvider("email", "down");
  await belfry.notify({ user: "alex", type: "offer", title: "Offer" });
  const moved = await belfry.advance("1d");
  // Tried at 0, 10, 30, 70 s; looked at again after 150 s.
  expect(moved).toMatchObject({ steps: 4, skipped: 1, failed: 0 });
});

test("of two deliveries that are due at the same moment, the fallback comes second", async () => {
  const belfry = await open();
  belfry.setProvider("email", "refuses");
  await belfry.notify({ user: "alex", type: "code" });
  expect(belfry.sentTo("alex")).toMatchObject([{ channel: "sms", at: "2026-03-01T08:00:00.000Z" }]);
});

test("after five failures the provider is paused, and its pauses pass with the time", async () => {
  const belfry = await open({ retry: { maxRetries: 0 } });
  belfry.setProvider("email", "down");
  for (let n = 0; n < 5; n++) await belfry.notify({ user: `user${n}`, type: "news", title: "News" });
  belfry.setProvider("email", "works");
  await belfry.notify({ user: "alex", type: "news", title: "News" });
  belfry.nothingSent();
  await belfry.advance("1m");
  expect(belfry.sentTo("alex")).toMatchObject([{ at: "2026-03-01T08:00:01.000Z" }]);
});

test("a notification of a transaction, or of another Belfry with the same clock, is sent by flush", async () => {
  const belfry = await open();
  const other = createBelfry({ client, database, types, clock: belfry.clock });
  onTestFinished(() => other.close());
  await addUser({ _id: "alex", email: "alex@example.com" });
  await addUser({ _id: "bob", email: "bob@example.com" });
  await client.withSession((session) =>
    session.withTransaction(() => belfry.notify({ user: "alex", type: "news", title: "News" }, { session })),
  );
  await other.notify({ user: "bob", type: "comment", title: "News" });
  belfry.nothingSent();
  await belfry.flush();
  await belfry.advance("1h");
  expect(lines(belfry)).toEqual([
    "2026-03-01T08:00:00.000Z email alex@example.com",
    "2026-03-01T08:15:00.000Z email bob@example.com",
  ]);
});

test("a failed assertion tells what was sent, and why something was not", async () => {
  const belfry = await open();
  await addUser({ _id: "alex", email: "alex@example.com" });
  await belfry.notify({ user: "alex", type: "news", title: "Hello" });
  await belfry.notify({ user: "alex", type: "call" });
  expect(failureOf(() => belfry.sentTo("alex", "comment")).message).toBe(
    [
      "No message of type comment was sent to alex. The time is 2026-03-01T08:00:00.000Z.",
      "Sent:",
      '  2026-03-01T08:00:00.000Z email of news to alex <alex@example.com>: "Hello"',
      "Not sent:",
      "  2026-03-01T08:00:00.000Z webhook of call to alex: skipped, no_address: the user has no address for webhook",
    ].join("\n"),
  );
  const failure = failureOf(() => belfry.nothingSent());
  expect(failure.message).toMatch(/^1 message was sent\. The time is/);
  expect(failure.stack?.split("\n").find((line) => line.includes(" at "))).toContain("testing.test.ts");
  belfry.nothingSent("bob");
});

function failureOf(act: () => unknown): AssertionError {
  try {
    act();
  } catch (error) {
    expect(error).toBeInstanceOf(AssertionError);
    return error as AssertionError;
  }
  throw new Error("nothing failed");
}

test.each([
  ["never", /^`start` must be a Date, or ISO 8601 with its zone/],
  ["1999-01-01", /^`start` must not be more than nine years ago/],
])("start %s is refused", async (start, message) => {
  await expect(createTestBelfry({ client, database, start })).rejects.toThrow(message);
});

test("loads neither the HTTP server nor any library that sends", () => {
  const packages = new Set<string>();
  const seen = new Set<string>();
  const follow = (file: URL) => {
    if (seen.has(file.href)) return;
    seen.add(file.href);
    const values = /^(?:import|export) (?!type\b)(?:[^;'"]*? from )?"([^"]+)"/gm;
    for (const [, name = ""] of readFileSync(file, "utf8").matchAll(values))
      if (name.startsWith(".")) follow(new URL(name, file));
      else if (!name.startsWith("node:")) packages.add(name);
  };
  follow(new URL("../src/testing.ts", import.meta.url));
  expect(seen.size).toBeGreaterThan(50);
  expect([...packages].sort()).toEqual(["ajv", "croner", "liquidjs", "mongodb", "typebox"]);
});
