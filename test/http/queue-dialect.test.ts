import { expect, test } from "vitest";
import { createTypeRegistry } from "../../src/core/notification-types.ts";
import { freshDatabase } from "../support/database.ts";
import { call } from "../support/http.ts";
import { eventually, startService } from "../support/service.ts";
import { startSmtp } from "../support/smtp.ts";

const { uri, db } = freshDatabase();
const reachable = { DB_URI: uri, EMAIL: "four@example.com", RECEIVER_PHONE_NUMBER: "+15550100" };

const post = (url: string, body: unknown) => call(url, "POST", "/notifications", body);
const list = (url: string, user: number | string) => call(url, "GET", `/users/${user}/notifications`);
let nextUser = 1000;

test("each of the three types is queued, sent and listed in the dialect's words, newest first", async () => {
  const { url } = await startService(reachable);
  const user = nextUser++;
  for (const [notification_type, content] of [
    ["email", "by mail"],
    ["sms", "by text"],
    ["in-app", "here"],
  ]) {
    const { status, body } = await post(url, { user_id: user, notification_type, content });
    expect(status).toBe(201);
    expect(body).toEqual({ message: "Notification queued", id: expect.stringMatching(/^[0-9a-f]{24}$/) });
    // Each channel has a worker of its own, so the order of two sends is not defined.
    await eventually(async () => {
      const [newest] = (await list(url, user)).body.data;
      return newest.content === content && newest.status === "sent";
    }, `${notification_type} to be sent`);
  }
  const rows = (await list(url, user)).body.data;
  const timestamp = { $date: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) };
  expect(rows).toEqual([
    { user_id: user, notification_type: "in-app", content: "here", status: "sent", timestamp },
    { user_id: user, notification_type: "sms", content: "by text", status: "sent", timestamp },
    { user_id: user, notification_type: "email", content: "by mail", status: "sent", timestamp },
  ]);
  const captured = await call(url, "GET", "/v1/captured?limit=2");
  expect(captured.body.data).toMatchObject([
    { channel: "sms", to: "+15550100", text: "by text", user_id: String(user) },
    { channel: "email", to: "four@example.com", text: "by mail\n", user_id: String(user) },
  ]);
});

test("an in-app notification is in the inbox of the decimal user id; the others add no item", async () => {
  const { url } = await startService(reachable);
  const user = nextUser++;
  const { body } = await post(url, { user_id: user, notification_type: "in-app", content: "kept" });
  await post(url, { user_id: user, notification_type: "email", content: "not kept" });
  const stored = await db
    .collection<{ _id: string; notifications?: unknown }>("users")
    .findOne({ _id: String(user) });
  expect(stored?.notifications).toMatchObject([
    { id: body.id, body: "kept", user_id: String(user), is_new: true },
  ]);
});

test("a failed send is retried five times, every 10 s", () => {
  const { registry } = createTypeRegistry({ delayMs: 10_000, factor: 2, maxRetries: 5 });
  expect(registry.policy("direct")).toEqual({
    delayMs: 10_000,
    factor: 1,
    maxRetries: 5,
    resendUnknown: true,
  });
});

test("a failed send is pending until the tries are used up, then failed", async () => {
  const sink = await startSmtp({ onData: () => ({ code: 451, text: "4.3.0 not now" }) });
  const { url } = await startService({
    ...reachable,
    ...sink.variables,
    RETRY_DELAY_MS: "100",
    MAX_RETRIES: "3",
  });
  const user = nextUser++;
  await post(url, { user_id: user, notification_type: "email", content: "hello" });
  expect((await list(url, user)).body.data[0].status).toBe("pending");
  await eventually(async () => (await list(url, user)).body.data[0].status === "failed", "it is given up");
  expect(await db.collection("deliveries").findOne({ user: String(user) })).toMatchObject({
    state: "failed",
    reason: "exhausted",
    tries: 4,
  });
  await sink.close();
});

test("a delivery to a user without an address is skipped and listed as failed; the request succeeds", async () => {
  const { url } = await startService({ DB_URI: uri });
  const user = nextUser++;
  await db.collection<{ _id: string }>("users").insertOne({ _id: String(user) });
  expect((await post(url, { user_id: user, notification_type: "sms", content: "hello" })).status).toBe(201);
  await eventually(async () => (await list(url, user)).body.data[0].status === "failed", "it is settled");
  expect(await db.collection("deliveries").findOne({ user: String(user) })).toMatchObject({
    state: "skipped",
    reason: "no_address",
    attempts: [],
  });
});

test("a user without notifications gets a 400 with the dialect's text", async () => {
  const { url } = await startService(reachable);
  expect(await list(url, 4)).toMatchObject({
    status: 400,
    body: { error: "No notifications for user_id: 4 found." },
  });
});

test("every wrong field is a 400 that names it, and the next request works", async () => {
  const { url } = await startService(reachable);
  const user = nextUser++;
  const good = { user_id: user, notification_type: "in-app", content: "hello" };
  const wrong: Array<[string, unknown]> = [
    ["user_id", { notification_type: "sms", content: "x" }],
    ["user_id", { ...good, user_id: "4" }],
    ["user_id", { ...good, user_id: 4.5 }],
    ["user_id", { ...good, user_id: 1e300 }],
    ["user_id", { ...good, user_id: null }],
    ["user_id", { ...good, user_id: { $gt: 0 } }],
    ["notification_type", { user_id: user, content: "x" }],
    ["notification_type", { ...good, notification_type: "push" }],
    ["notification_type", { ...good, notification_type: 1 }],
    ["content", { user_id: user, notification_type: "sms" }],
    ["content", { ...good, content: "" }],
    ["content", { ...good, content: 7 }],
    ["content", { ...good, content: ["a"] }],
    ["content", { ...good, content: "x".repeat(10_001) }],
    ["content", { ...good, notification_type: "sms", content: "x".repeat(1_601) }],
    ["content", { ...good, content: "half \ud800" }],
    ["extra", { ...good, extra: 1 }],
  ];
  for (const [field, body] of wrong) {
    const answer = await post(url, body);
    expect(answer, JSON.stringify(body)).toMatchObject({
      status: 400,
      body: { error: expect.stringContaining(field) },
    });
    expect(Object.keys(answer.body)).toEqual(["error"]);
  }
  for (const text of ["", "{", "[]", "null", '"x"']) expect((await post(url, text)).status, text).toBe(400);
  for (const id of ["x", "1.5", "1e999", "%00"]) expect((await list(url, id)).status, id).toBe(400);
  const kept = await post(url, { ...good, notification_type: "sms", content: "x".repeat(1_600) });
  expect(kept.status).toBe(201);
  expect((await post(url, good)).status).toBe(201);
});

test("any content is stored unchanged", async () => {
  const { url } = await startService(reachable);
  const user = nextUser++;
  const contents = ["$email", "$$ROOT", "{{ key }}", "<b>&amp;</b>", "a\0b", "🧪 ‮abc", "line\r\nBcc: x@y.z"];
  for (const content of contents)
    expect((await post(url, { user_id: user, notification_type: "in-app", content })).status).toBe(201);
  const { body } = await list(url, user);
  expect(body.data.map((row: { content: string }) => row.content)).toEqual(contents.toReversed());
});
