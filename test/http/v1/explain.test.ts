import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { freshDatabase } from "../../support/database.ts";
import { call } from "../../support/http.ts";
import { eventually, startService } from "../../support/service.ts";

const { uri, db } = freshDatabase();
const folder = mkdtempSync(join(tmpdir(), "belfry-explain-"));
afterAll(() => rmSync(folder, { recursive: true }));
const file = join(folder, "types.json");
writeFileSync(
  file,
  JSON.stringify({
    story: {
      category: "social",
      inbox: true,
      channels: {
        email: { after: "15m", unless: "read", expires: "2d" },
        sms: { if_failed: "email", after: "1h" },
      },
    },
    comment: { category: "social", inbox: true, channels: { email: {}, sms: {} } },
  }),
);
const start = () => startService({ DB_URI: uri, NOTIFICATION_TYPES_FILE: file });
const rulesOf = (channels: Array<{ channel: string; verdict: string; rule: string }>) =>
  channels.map(({ channel, verdict, rule }) => `${channel} ${verdict} ${rule}`);

test("a dry run tells per recipient and channel what would happen, when and by which rule, and writes nothing", async () => {
  const { url } = await start();
  await call(url, "PUT", "/v1/users/maria", { email: "maria@example.com", phone: "+12025550123" });
  await call(url, "PUT", "/v1/users/off", { phone: "+12025550124" });
  const preferences = { categories: { social: { inbox: false, email: false } } };
  await db
    .collection<{ _id: string }>("users")
    .updateOne({ _id: "off" }, { $set: { notificationPreferences: preferences } });
  const before = Date.now();
  const body = { recipients: ["maria", "off"], type: "story" };
  const { status, body: answer } = await call(url, "POST", "/v1/notifications?dry_run=true", body);
  expect(status).toBe(200);
  const [maria, off] = answer.notifications;
  expect(maria.user_id).toBe("maria");
  expect(rulesOf(maria.channels)).toStrictEqual([
    "inbox send send",
    "email send send",
    "sms skip if_failed:email",
  ]);
  const [, email, sms] = maria.channels;
  expect(Date.parse(email.at) - before).toBeGreaterThanOrEqual(15 * 60_000);
  expect(Date.parse(email.at) - before).toBeLessThan(16 * 60_000);
  expect(email.waits).toMatchObject([{ verdict: "later", rule: "after", until: email.at }]);
  expect(sms).toMatchObject({ reason: "condition", text: "the delivery on email is sent" });
  expect(rulesOf(off.channels)).toStrictEqual([
    "inbox skip preference:categories.social.inbox",
    "email skip preference:categories.social.email",
    "sms skip if_failed:email",
  ]);
  expect(await db.collection("deliveries").countDocuments()).toBe(0);
  expect((await call(url, "GET", "/v1/users/maria/inbox")).body.total).toBe(0);
});

test("a dry run refuses what the real request would refuse", async () => {
  const { url } = await start();
  const dry = (body: object) => call(url, "POST", "/v1/notifications?dry_run=true", body);
  expect((await dry({ recipients: ["a"], type: "nothing" })).status).toBe(400);
  expect((await dry({ recipients: ["a"], type: "story", channels: { email: { after: "1x" } } })).status).toBe(
    400,
  );
  const unknown = await call(url, "POST", "/v1/notifications?dryrun=true", {
    recipients: ["a"],
    type: "story",
  });
  expect(unknown.status).toBe(400);
});

test("one call tells the whole story of a notification", async () => {
  const { url } = await start();
  await call(url, "PUT", "/v1/users/ines", { email: "ines@example.com" });
  const sent = await call(url, "POST", "/v1/notifications", {
    recipients: ["ines"],
    type: "comment",
    title: "Hi",
  });
  const { id } = sent.body.notifications[0];
  const story = async (query = "?user_id=ines") =>
    (await call(url, "GET", `/v1/notifications/${id}${query}`)).body;
  await eventually(
    async () =>
      (await story()).deliveries.every(({ status }: { status: string }) => /sent|skipped/.test(status)),
    "both deliveries end",
  );
  await call(url, "POST", `/v1/users/ines/inbox/${id}/read`);
  const told = await story();
  expect(told).toMatchObject({ id, user_id: "ines", type: "comment", item: { title: "Hi", read: true } });
  expect(told.deliveries).toMatchObject([
    { channel: "email", status: "sent", attempts: [{ outcome: "sent" }] },
    { channel: "sms", status: "skipped", reason: "no_address", decisions: [{ rule: "no_address" }] },
  ]);
  const lines = told.events.map(
    ({ channel = "", text }: { channel?: string; text: string }) => `${channel}: ${text}`,
  );
  expect(lines).toStrictEqual(
    expect.arrayContaining([
      ": accepted and stored",
      "inbox: added to the inbox",
      "inbox: read by the user",
      "email: capture: sent",
      "email: sent",
      "sms: not sent: the user has no address",
      "sms: skipped, no_address, the user has no address for sms",
    ]),
  );
  const times = told.events.map(({ at }: { at: string }) => Date.parse(at));
  expect(times).toStrictEqual([...times].sort((a, b) => a - b));
  // The user is found by the deliveries.
  expect((await story("")).user_id).toBe("ines");
});

test("another user's notification, an erased one and an unknown one are not found", async () => {
  const { url } = await start();
  const sent = await call(url, "POST", "/v1/notifications", { recipients: ["gone"], type: "comment" });
  const { id } = sent.body.notifications[0];
  const status = async (query: string) => (await call(url, "GET", `/v1/notifications/${id}${query}`)).status;
  expect(await status("?user_id=somebody")).toBe(404);
  await call(url, "DELETE", "/v1/users/gone");
  expect(await status("")).toBe(404);
  expect(await status("?user_id=gone")).toBe(404);
  expect((await call(url, "GET", `/v1/notifications/${"0".repeat(24)}`)).status).toBe(404);
  expect((await call(url, "GET", "/v1/notifications/short?user_id=gone")).status).toBe(400);
});
