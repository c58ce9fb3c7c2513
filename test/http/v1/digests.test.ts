import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { BelfryClient } from "../../../src/client/index.ts";
import { freshDatabase } from "../../support/database.ts";
import { call } from "../../support/http.ts";
import { eventually, startService } from "../../support/service.ts";

const { uri } = freshDatabase();
const folder = mkdtempSync(join(tmpdir(), "belfry-digests-"));
afterAll(() => rmSync(folder, { recursive: true }));
const file = join(folder, "types.json");
const digest = { every: "1h", by: "data.thread", subject: "{{ count }} comments" };
writeFileSync(
  file,
  JSON.stringify({
    comment: { inbox: true, channels: { email: { digest }, webhook: { digest: { every: "1h" } } } },
  }),
);
const start = () => startService({ DB_URI: uri, EMAIL: "a@example.com", NOTIFICATION_TYPES_FILE: file });

test("open digests are listed, shown as they would be sent, released early, and told in the story", async () => {
  const { url } = await start();
  const hook = { url: "https://hooks.example/x", secrets: [`whsec_${Buffer.alloc(32).toString("base64")}`] };
  await call(url, "PUT", "/v1/users/alex", { email: "alex@example.com", webhook: hook });
  const ids: string[] = [];
  for (const body of ["one", "two"]) {
    const sent = await call(url, "POST", "/v1/notifications", {
      recipients: ["alex"],
      type: "comment",
      body,
      data: { thread: "t1" },
    });
    ids.push(sent.body.notifications[0].id);
  }
  const list = async () => (await call(url, "GET", "/v1/digests?user_id=alex")).body.data;
  await eventually(async () => {
    const open = await list();
    return open.length === 2 && open.every((one: { digest: { count: number } }) => one.digest.count === 2);
  }, "both have joined");
  const open = await list();
  const email = open.find((one: { channel: string }) => one.channel === "email");
  expect(email).toMatchObject({
    status: "pending",
    digest: { scope: "types.comment", by: "t1", count: 2, open: true },
    due: expect.any(String),
  });
  expect((await call(url, "GET", `/v1/deliveries/${email.id}/message`)).body.email).toMatchObject({
    subject: "2 comments",
    text: expect.stringMatching(/one[\s\S]*two/),
  });
  const webhook = open.find((one: { channel: string }) => one.channel === "webhook");
  expect((await call(url, "GET", `/v1/deliveries/${webhook.id}/message`)).body.webhook.data).toMatchObject({
    count: 2,
    notifications: [
      { type: "comment", body: "one" },
      { type: "comment", body: "two" },
    ],
  });

  const client = new BelfryClient({ server: url, user: "alex" });
  expect((await client.digests.list()).data).toHaveLength(2);
  expect(await client.digests.release(email.id)).toMatchObject({ id: email.id });
  await eventually(
    async () => (await call(url, "GET", `/v1/deliveries/${email.id}`)).body.status === "sent",
    "the digest is sent",
  );
  expect((await call(url, "POST", `/v1/digests/${email.id}/release`)).body.code).toBe("digest_not_open");
  const story = (await call(url, "GET", `/v1/notifications/${ids[0]}?user_id=alex`)).body;
  expect(story.deliveries).toContainEqual(
    expect.objectContaining({ channel: "email", status: "digested", digest_id: email.id }),
  );
  expect(story.events.map((one: { text: string }) => one.text)).toContainEqual(
    expect.stringMatching(/^gathered until .*: its type is gathered$/),
  );
  const member = story.deliveries.find((one: { channel: string }) => one.channel === "email").id;
  expect((await call(url, "POST", `/v1/deliveries/${member}/retry`)).body).toMatchObject({
    code: "delivery_not_retryable",
    detail: expect.stringContaining("in the message of a digest"),
  });
  expect((await call(url, "POST", `/v1/digests/${member}/release`)).body.code).toBe("not_found");
  expect((await call(url, "GET", "/v1/ledger")).body).toMatchObject({
    balanced: true,
    total: { accepted: 6, digested: 2, held: 2, sent: 1, pending: 1 },
  });
});

test("a budget that is no budget is refused with its place", async () => {
  const { url } = await start();
  const change = (budget: object) => call(url, "PATCH", "/v1/users/bo/preferences", { budget });
  for (const [budget, pointer] of [
    [{ email: { limit: 0 } }, "/budget/email/limit"],
    [{ email: { limit: 2, at: "25:00" } }, "/budget/email/at"],
    [{ fax: { limit: 2 } }, "/budget/fax"],
    [{ email: {} }, "/budget/email/limit"],
  ] as const) {
    const { status, body } = await change(budget);
    expect([status, body.errors?.[0]?.pointer]).toEqual([400, pointer]);
  }
  expect((await change({ email: { limit: 2 } })).body.preferences.budget).toEqual({ email: { limit: 2 } });
  expect((await change({ email: null })).body.preferences.budget ?? {}).toEqual({});
});
