import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { freshDatabase } from "../support/database.ts";
import { call } from "../support/http.ts";
import { eventually, startService } from "../support/service.ts";

const { uri, db } = freshDatabase();
const folder = mkdtempSync(join(tmpdir(), "belfry-rules-"));
afterAll(() => rmSync(folder, { recursive: true }));
const file = join(folder, "types.json");
writeFileSync(
  file,
  JSON.stringify({
    categories: { social: {}, quiet: { default: { inbox: false, "*": true } } },
    comment: { category: "social", inbox: true, channels: { email: {}, sms: {} } },
    story: { inbox: true, channels: { email: { after: "15m", unless: "read" } } },
    secret: {
      inbox: true,
      channels: { email: { if: ["data.public == true"] }, sms: { if_failed: "email" } },
    },
    hint: { category: "quiet", inbox: true, channels: {} },
    reset: { mandatory: true, inbox: true, channels: { email: {} } },
  }),
);
const start = () => startService({ DB_URI: uri, EMAIL: "a@example.com", NOTIFICATION_TYPES_FILE: file });

let users = 0;
async function notify(url: string, body: object, preferences?: object) {
  const user = `user${++users}`;
  await call(url, "PUT", `/v1/users/${user}`, { email: "a@example.com", phone: "+12025550123" });
  if (preferences) {
    const chosen = await call(url, "PUT", `/v1/users/${user}/preferences`, preferences);
    expect(chosen.status).toBe(200);
  }
  const sent = await call(url, "POST", "/v1/notifications", { recipients: [user], ...body });
  return { user, sent };
}

const deliveriesOf = (user: string) =>
  db
    .collection("deliveries")
    .find({ user: user as never })
    .toArray();

/** By channel, once each has ended. */
async function ended(user: string) {
  let found = await deliveriesOf(user);
  await eventually(async () => {
    found = await deliveriesOf(user);
    return found.length > 0 && found.every(({ state }) => state !== "pending" && state !== "sending");
  }, "every delivery ends");
  return Object.fromEntries(found.map((one) => [one.channel, one]));
}

test("a channel that the user turned off is skipped, with the rule that decided", async () => {
  const { url } = await start();
  const { user } = await notify(url, { type: "comment" }, { categories: { social: { email: false } } });
  const { email, sms } = await ended(user);
  expect(email).toMatchObject({
    state: "skipped",
    reason: "preference",
    detail: "the user turned it off (categories.social.email)",
    decisions: [{ verdict: "skip", rule: "preference:categories.social.email", at: expect.any(Date) }],
  });
  expect(sms).toMatchObject({ state: "sent" });
  expect(sms).not.toHaveProperty("decisions");
});

test("a mandatory type is sent whatever the user turned off", async () => {
  const { url } = await start();
  const { user } = await notify(url, { type: "reset" }, { "*": false, muted_until: "2999-01-01T00:00:00Z" });
  expect((await ended(user)).email).toMatchObject({ state: "sent" });
  expect((await call(url, "GET", `/v1/users/${user}/inbox`)).body.total).toBe(1);
});

test("an inbox that the user or the category turned off keeps nothing", async () => {
  const { url } = await start();
  const off = await notify(url, { type: "comment" }, { types: { comment: { inbox: false } } });
  expect(off.sent.status).toBe(201);
  expect((await call(url, "GET", `/v1/users/${off.user}/inbox`)).body.total).toBe(0);
  expect((await ended(off.user)).email).toMatchObject({ state: "sent" });
  const byDefault = await notify(url, { type: "hint" });
  expect((await call(url, "GET", `/v1/users/${byDefault.user}/inbox`)).body.total).toBe(0);
  const chosen = await notify(url, { type: "hint" }, { types: { hint: { inbox: true } } });
  expect((await call(url, "GET", `/v1/users/${chosen.user}/inbox`)).body.total).toBe(1);
});

test("`after` makes a delivery due later; nobody claims it before", async () => {
  const { url } = await start();
  const { user } = await notify(url, { type: "story" });
  const [waiting] = await deliveriesOf(user);
  expect(waiting).toMatchObject({ state: "pending" });
  expect(waiting?.due.getTime() - waiting?.content.at).toBe(15 * 60_000);
});

test("a call may give its own rules, which go before the type's", async () => {
  const { url } = await start();
  const { user, sent } = await notify(url, {
    type: "story",
    channels: { inbox: {}, email: { after: "2h" }, sms: {} },
  });
  expect(sent.status).toBe(201);
  const all = await deliveriesOf(user);
  const email = all.find(({ channel }) => channel === "email");
  expect(email).toMatchObject({ rules: { after: "2h" }, state: "pending" });
  expect(email?.due.getTime() - email?.content.at).toBe(2 * 60 * 60_000);
  await eventually(
    async () =>
      (await deliveriesOf(user)).some(({ channel, state }) => channel === "sms" && state === "sent"),
    "the SMS is sent",
  );
});

test("what was read meanwhile is not sent", async () => {
  const { url } = await start();
  const { user, sent } = await notify(url, { type: "story" });
  const { id } = sent.body.notifications[0];
  await call(url, "POST", `/v1/users/${user}/inbox/${id}/read`);
  await db.collection("deliveries").updateOne({ user: user as never }, { $set: { due: new Date() } });
  // Due earlier than the rule says: it waits again.
  await eventually(async () => (await deliveriesOf(user))[0]?.decisions?.length === 1, "it was looked at");
  expect((await deliveriesOf(user))[0]).toMatchObject({
    state: "pending",
    tries: 0,
    decisions: [{ verdict: "later", rule: "after" }],
  });
  await db
    .collection("deliveries")
    .updateOne(
      { user: user as never },
      { $set: { due: new Date(), "content.at": Date.now() - 16 * 60_000 } },
    );
  expect((await ended(user)).email).toMatchObject({
    state: "skipped",
    reason: "condition",
    detail: "the user has read it in the inbox",
  });
});

test("an expression that does not hold skips the delivery, and its fallback with it", async () => {
  const { url } = await start();
  const { user } = await notify(url, { type: "secret", data: { public: false } });
  const { email, sms } = await ended(user);
  expect(email).toMatchObject({ reason: "condition", detail: "`data.public == true` does not hold" });
  expect(sms).toMatchObject({ reason: "condition", detail: "the delivery on email is skipped" });
  const open = await notify(url, { type: "secret", data: { public: true } });
  const both = await ended(open.user);
  expect(both.email).toMatchObject({ state: "sent" });
  expect(both.sms).toMatchObject({ reason: "condition", detail: "the delivery on email is sent" });
});

describe("rules of a call are checked", () => {
  test.each([
    [{ email: { after: "soon" } }, "/channels/email/after"],
    [{ email: { expires: "1m", after: "2m" } }, "/channels/email/expires"],
    [{ email: { unless: "read" } }, "/channels/email/unless"],
    [{ inbox: {}, email: { if_failed: "sms" } }, "/channels/email/if_failed"],
    [{ email: { if_failed: "sms" }, sms: { if_failed: "email" } }, "/channels/email/if_failed"],
    [{ pigeon: {} }, "/channels/pigeon"],
    [{ email: { when: "later" } }, "/channels/email/when"],
    [{ inbox: { after: "5m" } }, "/channels/inbox/after"],
    [{}, "/channels"],
    ["email", "/channels"],
  ])("%j", async (channels, pointer) => {
    const { url } = await start();
    const { sent } = await notify(url, { type: "comment", channels });
    expect(sent.status, JSON.stringify(sent.body)).toBe(400);
    expect(sent.body.errors.map((one: { pointer: string }) => one.pointer)).toContain(pointer);
  });
});
