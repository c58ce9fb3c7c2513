import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { freshDatabase } from "../support/database.ts";
import { call } from "../support/http.ts";
import { startService } from "../support/service.ts";
import { startTarget } from "../support/webhook.ts";

const { uri, db } = freshDatabase();
const folder = mkdtempSync(join(tmpdir(), "belfry-clock-"));
afterAll(() => rmSync(folder, { recursive: true }));
const file = join(folder, "types.json");
writeFileSync(
  file,
  JSON.stringify({
    alert: {
      inbox: true,
      channels: {
        email: { after: "15m", unless: "read" },
        sms: { after: "1h", unless: "read", if_failed: "email" },
        webhook: { after: "3d", unless: "read" },
      },
    },
    call: { inbox: false, channels: { webhook: { expires: "1h" } } },
    news: { inbox: false, channels: { email: {} } },
    later: { inbox: false, channels: { email: { after: "1h" } } },
  }),
);
const variables = { DB_URI: uri, CLOCK: "virtual", NOTIFICATION_TYPES_FILE: file, WEBHOOK_ALLOW_HTTP: "on" };
beforeEach(() => db.collection("deliveries").deleteMany({}));
const minutes = (count: number) => count * 60_000;

let users = 0;
async function addUser(url: string, profile: object, preferences?: object) {
  const user = `user${++users}`;
  expect((await call(url, "PUT", `/v1/users/${user}`, profile)).status).toBe(201);
  if (preferences)
    await db
      .collection<{ _id: string }>("users")
      .updateOne({ _id: user }, { $set: { notificationPreferences: preferences } });
  return user;
}

/** Sends to the users; resolves with the notification's time. */
async function notify(url: string, type: string, ...recipients: string[]): Promise<number> {
  const sent = await call(url, "POST", "/v1/notifications", { recipients, type });
  expect(sent.status).toBe(201);
  return (await deliveriesOf(recipients[0] as string))[0]?.content.at;
}

const move = async (url: string, body: object) => {
  const moved = await call(url, "POST", "/v1/test/clock", body);
  expect(moved.status, JSON.stringify(moved.body)).toBe(200);
  return moved.body;
};

const deliveriesOf = (user: string) =>
  db
    .collection("deliveries")
    .find({ user: user as never })
    .sort({ channel: 1 })
    .toArray();

/** By channel: how it ended, and when it was last tried, in ms after `since`. */
async function endsOf(user: string, since: number) {
  const found = await deliveriesOf(user);
  return Object.fromEntries(
    found.map(({ channel, state, attempts, updatedAt }) => [
      channel,
      [state, (attempts.at(-1)?.at ?? updatedAt).getTime() - since],
    ]),
  );
}

async function webhookTarget(answer: (earlier: number) => number | Promise<number>) {
  const target = await startTarget(async (_call, response, earlier) => {
    response.statusCode = await answer(earlier);
    response.end();
  });
  onTestFinished(() => target.close());
  return { calls: target.calls, port: String(target.port), url: `http://127.0.0.1:${target.port}/` };
}

test("an escalation over three days happens in its order and at its times", async () => {
  const target = await webhookTarget(() => 204);
  const { url } = await startService({ ...variables, WEBHOOK_PORTS: target.port });
  const phone = "+12025550123";
  const user = await addUser(url, { phone, webhook: { url: target.url } });
  const at = await notify(url, "alert", user);
  const first = await move(url, { advance: "59m" });
  expect(first).toMatchObject({
    steps: 1,
    skipped: 1,
    sent: 0,
    next_due: new Date(at + minutes(60)).toISOString(),
  });
  expect(await move(url, { advance: "3d" })).toMatchObject({ steps: 2, sent: 2, failed: 0, skipped: 0 });
  // Without an address the mail ended badly, so the text message was sent.
  expect(await endsOf(user, at)).toEqual({
    email: ["skipped", minutes(15)],
    sms: ["sent", minutes(60)],
    webhook: ["sent", minutes(3 * 24 * 60)],
  });
  expect(target.calls).toHaveLength(1);
  const captured = await call(url, "GET", "/v1/captured");
  expect(captured.body.data[0]).toMatchObject({
    channel: "sms",
    to: phone,
    at: at + minutes(60),
  });
});

test("nothing is sent after the item was read", async () => {
  const { url } = await startService(variables);
  const user = await addUser(url, { email: "a@example.com", phone: "+12025550123" });
  const at = await notify(url, "alert", user);
  await move(url, { advance: "20m" });
  await call(url, "POST", `/v1/users/${user}/inbox/read-all`);
  await move(url, { advance: "4d" });
  expect(await endsOf(user, at)).toEqual({
    email: ["sent", minutes(15)],
    sms: ["skipped", minutes(60)],
    webhook: ["skipped", minutes(3 * 24 * 60)],
  });
});

describe("quiet hours in Berlin", () => {
  const quiet = { quiet: [{ from: "22:00", to: "07:00" }] };
  const profile = { email: "a@example.com", time_zone: "Europe/Berlin" };

  test.each([
    // The night of the change to summer time, 30 March 2098, is an hour shorter, and that of 26 October is longer.
    ["2098-03-29T21:30:00Z", "2098-03-30T05:00:00.000Z"],
    ["2098-10-25T20:30:00Z", "2098-10-26T06:00:00.000Z"],
    ["2098-10-26T21:30:00Z", "2098-10-27T06:00:00.000Z"],
  ])("a mail of %s waits until %s", async (evening, morning) => {
    const { url } = await startService(variables);
    const user = await addUser(url, profile, quiet);
    await move(url, { to: evening });
    const at = await notify(url, "news", user);
    expect(await move(url, { advance: "1s" })).toMatchObject({ sent: 0, next_due: morning });
    expect((await deliveriesOf(user))[0]).toMatchObject({ decisions: [{ rule: "quiet" }] });
    expect(await move(url, { advance: "1d" })).toMatchObject({ sent: 1 });
    expect(await endsOf(user, at)).toEqual({ email: ["sent", Date.parse(morning) - at] });
  });
});

test("a message expires between two retries", async () => {
  const target = await webhookTarget(() => 503);
  const { url } = await startService({
    ...variables,
    WEBHOOK_PORTS: target.port,
    RETRY_DELAY_MS: String(minutes(25)),
    RETRY_FACTOR: "1",
  });
  const user = await addUser(url, { webhook: { url: target.url } });
  const at = await notify(url, "call", user);
  await move(url, { advance: "2h" });
  const [delivery] = await deliveriesOf(user);
  expect(delivery).toMatchObject({ state: "skipped", reason: "expired", tries: 3 });
  const times = delivery?.attempts.map((one: { at: Date }) => Math.round((one.at.getTime() - at) / 60_000));
  expect(times).toEqual([0, 25, 50]);
  expect(target.calls).toHaveLength(3);
});

test("deliveries that are due at the same moment are sent at that moment", async () => {
  const { url } = await startService(variables);
  const all = [
    await addUser(url, { email: "a@example.com" }),
    await addUser(url, { email: "b@example.com" }),
  ];
  const at = await notify(url, "later", ...all);
  expect(await move(url, { advance: "2h" })).toMatchObject({ steps: 1, sent: 2 });
  for (const user of all) expect(await endsOf(user, at)).toEqual({ email: ["sent", minutes(60)] });
});

test("the time is not moved while a message is being sent, so it is sent once", async () => {
  let answer: (status: number) => void = () => {};
  const asked = new Promise<void>((resolve) => {
    answer = () => resolve();
  });
  const target = await webhookTarget(async () => {
    answer(0);
    return new Promise((resolve) => {
      answer = resolve;
    });
  });
  const { url } = await startService({ ...variables, WEBHOOK_PORTS: target.port });
  const user = await addUser(url, { webhook: { url: target.url } });
  const at = await notify(url, "call", user);
  await asked;
  const moving = move(url, { advance: "30d" });
  const [sending] = await deliveriesOf(user);
  expect(sending).toMatchObject({ state: "sending" });
  answer(204);
  expect(await moving).toMatchObject({ sent: 1 });
  const [delivery] = await deliveriesOf(user);
  expect(delivery).toMatchObject({ state: "sent", tries: 1 });
  expect(delivery).not.toHaveProperty("interruptions");
  expect((delivery?.updatedAt.getTime() ?? 0) - at).toBeLessThan(minutes(5));
  expect(target.calls).toHaveLength(1);
});

test("user tokens and signatures of webhooks keep real time", async () => {
  const target = await webhookTarget(() => 204);
  const key = "key-of-sixteen-characters";
  const headers = { authorization: `Bearer ${key}` };
  const { url } = await startService({
    ...variables,
    WEBHOOK_PORTS: target.port,
    API_KEYS: key,
    TOKEN_SECRET: "s".repeat(32),
  });
  const made = await call(url, "POST", "/v1/users/tom/token", {}, headers);
  await call(url, "PUT", "/v1/users/tom", { webhook: { url: target.url } }, headers);
  const moved = await call(url, "POST", "/v1/test/clock", { advance: "5d" }, headers);
  expect(moved.status).toBe(200);
  const token = { authorization: `Bearer ${made.body.token}` };
  const inbox = await call(url, "GET", "/v1/users/tom/inbox", undefined, token);
  expect(inbox.status).toBe(200);
  // The page's clock follows the virtual one.
  expect(Date.parse(inbox.headers.get("date") ?? "")).toBeGreaterThan(Date.now() + 4 * 24 * minutes(60));
  expect((await call(url, "POST", "/v1/test/clock", { advance: "1s" }, token)).status).toBe(403);
  await call(url, "POST", "/v1/notifications", { recipients: ["tom"], type: "call" }, headers);
  await call(url, "POST", "/v1/test/clock", { advance: "1s" }, headers);
  const signed = Number(target.calls[0]?.headers["webhook-timestamp"]) * 1_000;
  expect(Math.abs(signed - Date.now())).toBeLessThan(minutes(5));
});

test("deliveries of virtual time are found and counted by it", async () => {
  const { url } = await startService(variables);
  const user = await addUser(url, { email: "a@example.com" });
  await move(url, { to: "2030-06-01T08:00:00Z" });
  await notify(url, "news", user);
  await move(url, { advance: "1h" });
  const period = "from=2030-06-01T00:00:00Z&to=2030-06-02T00:00:00Z";
  const found = await call(url, "GET", `/v1/deliveries?${period}`);
  expect(found.body.data).toMatchObject([{ user_id: user, status: "sent" }]);
  const ledger = await call(url, "GET", `/v1/ledger?${period}`);
  expect(ledger.body.total).toMatchObject({ accepted: 1, sent: 1, balanced: true });
});

test("webhooks of other machines are refused", async () => {
  const { url } = await startService(variables);
  const stored = await call(url, "PUT", "/v1/users/zoe", { webhook: { url: "https://hooks.example/x" } });
  expect(stored.body.errors).toEqual([
    {
      pointer: "/webhook/url",
      detail: "must name this machine, such as 127.0.0.1: with CLOCK=virtual webhooks call nothing else",
    },
  ]);
});

test("a real clock is shown and cannot be moved", async () => {
  const { url } = await startService({ DB_URI: uri });
  const shown = await call(url, "GET", "/v1/test/clock");
  expect(shown.body).toEqual({ now: expect.any(String), virtual: false });
  const moved = await call(url, "POST", "/v1/test/clock", { advance: "3d" });
  expect([moved.status, moved.body.code]).toEqual([409, "clock_real"]);
});
