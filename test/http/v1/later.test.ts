import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ObjectId } from "mongodb";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { jobsOf } from "../../../src/store/jobs.ts";
import { freshDatabase } from "../../support/database.ts";
import { call } from "../../support/http.ts";
import { eventually, startService } from "../../support/service.ts";

const { uri, db } = freshDatabase();
const jobs = jobsOf(db);
const users = db.collection<{ _id: string; notifications?: Array<{ id: string; timestamp: number }> }>(
  "users",
);
const folder = mkdtempSync(join(tmpdir(), "belfry-later-"));
afterAll(() => rmSync(folder, { recursive: true }));
const file = join(folder, "types.json");
writeFileSync(
  file,
  JSON.stringify({ reminder: { inbox: true, channels: { email: { subject: "{{ title }}" } } } }),
);
const variables = { DB_URI: uri, NOTIFICATION_TYPES_FILE: file, EMAIL: "team@receiver.example" };
const virtual = { ...variables, CLOCK: "virtual" };
const dayMs = 24 * 60 * 60_000;

beforeEach(async () => {
  await Promise.all(["jobs", "users", "deliveries"].map((name) => db.collection(name).deleteMany({})));
});

const post = (url: string, more: object, headers?: Record<string, string>) =>
  call(
    url,
    "POST",
    "/v1/notifications",
    { recipients: ["alex"], type: "reminder", title: "Tea", ...more },
    headers,
  );
const move = async (url: string, body: object) => {
  const moved = await call(url, "POST", "/v1/test/clock", body);
  expect(moved.status, JSON.stringify(moved.body)).toBe(200);
  return moved.body;
};
const nowOf = async (url: string) => Date.parse((await call(url, "GET", "/v1/test/clock")).body.now);
const itemsOf = async (user: string) => (await users.findOne({ _id: user }))?.notifications ?? [];
const mails = async (url: string) =>
  (await call(url, "GET", "/v1/captured")).body.data.filter(
    (one: { user_id: string }) => one.user_id === "alex",
  );

describe("sending later", () => {
  test("a notification is stored and sent at its time, under the id of the answer", async () => {
    const { url } = await startService(virtual);
    const now = await nowOf(url);
    const due = new Date(now + 3 * dayMs).toISOString();
    const { status, body } = await post(url, { recipients: ["alex", "bob"], send_at: due });
    expect(status).toBe(202);
    expect(body).toStrictEqual({
      notifications: [
        { user_id: "alex", id: expect.stringMatching(/^[0-9a-f]{24}$/) },
        { user_id: "bob", id: expect.stringMatching(/^[0-9a-f]{24}$/) },
      ],
      job: { id: expect.stringMatching(/^[0-9a-f]{24}$/), due, past: false },
    });
    expect(await itemsOf("alex")).toEqual([]);
    expect(await move(url, { advance: "2d" })).toMatchObject({ jobs: 0, sent: 0, next_due: due });
    expect(await move(url, { advance: "2d" })).toMatchObject({ jobs: 1, sent: 2, steps: 1 });
    const [item] = await itemsOf("alex");
    expect(item).toMatchObject({
      id: body.notifications[0].id,
      timestamp: Math.floor(Date.parse(due) / 1_000),
    });
    expect((await mails(url))[0]).toMatchObject({ at: Date.parse(due) });
    const { body: job } = await call(url, "GET", `/v1/jobs/${body.job.id}`);
    expect(job).toMatchObject({
      kind: "later",
      type: "reminder",
      status: "done",
      due,
      done: 2,
      failed: 0,
      total: 2,
      notification: { type: "reminder", title: "Tea" },
      recipients: body.notifications,
    });
    const story = await call(url, "GET", `/v1/notifications/${body.notifications[0].id}?user_id=alex`);
    expect(story.status).toBe(200);
  });

  test("a delay counts from the call, and Unix milliseconds are a time, too", async () => {
    const { url } = await startService(virtual);
    await move(url, { advance: "1s" });
    const now = await nowOf(url);
    const delayed = await post(url, { delay: "2h" });
    const at = Date.parse(delayed.body.job.due) - now;
    expect(at).toBeGreaterThanOrEqual(2 * 60 * 60_000);
    expect(at).toBeLessThan(2 * 60 * 60_000 + 60_000);
    const inMs = now + 5 * 60_000;
    const written = await post(url, { send_at: inMs });
    expect(Date.parse(written.body.job.due)).toBe(inMs);
    await move(url, { advance: "3h" });
    expect(await itemsOf("alex")).toHaveLength(2);
  });

  test("a time that is past sends at once and says so", async () => {
    const { url } = await startService(variables);
    const { status, body } = await post(url, { send_at: "2020-01-01T00:00:00Z" });
    expect([status, body.job.past]).toEqual([202, true]);
    expect(Math.abs(Date.parse(body.job.due) - Date.now())).toBeLessThan(60_000);
    await eventually(async () => (await itemsOf("alex")).length === 1, "it is stored");
    const [item] = await itemsOf("alex");
    expect(item?.id).toBe(body.notifications[0].id);
    await eventually(() => db.collection("deliveries").countDocuments({ state: "sent" }), "it is sent");
  });

  test("a service that was down sends what became due meanwhile, once, with two instances", async () => {
    const { url } = await startService({ ...variables, ROLES: "api" });
    const due = new Date(Date.now() + 1_500).toISOString();
    const people = Array.from({ length: 50 }, (_, at) => `user${at}`);
    await Promise.all(people.map((user) => post(url, { recipients: [user], send_at: due })));
    await eventually(() => Date.now() > Date.parse(due) + 500, "the time is past");
    await Promise.all([startService(variables), startService(variables)]);
    await eventually(async () => (await jobs.countDocuments({ state: "done" })) === 50, "all are done");
    for (const user of people) expect(await itemsOf(user)).toHaveLength(1);
    expect(await db.collection("deliveries").countDocuments()).toBe(50);
  });

  test("a type that is gone by then fails the job with the reason", async () => {
    const { url } = await startService(virtual);
    const { body } = await post(url, { delay: "1h" });
    await jobs.updateOne(
      { _id: new ObjectId(body.job.id) },
      { $set: { "command.notification.type": "gone" } },
    );
    expect(await move(url, { advance: "2h" })).toMatchObject({ jobs: 1, sent: 0 });
    const { body: page } = await call(url, "GET", "/v1/jobs?status=failed");
    expect(page.data).toMatchObject([
      {
        id: body.job.id,
        status: "failed",
        type: "gone",
        error: expect.stringMatching(/^`type` must be one of/),
      },
    ]);
  });

  test("a user whose document cannot be changed is counted, and the others are reached", async () => {
    const { url } = await startService(virtual);
    await users.insertOne({ _id: "full", notifications: "no list" as never });
    const { body } = await post(url, { recipients: ["full", "alex"], delay: "1h" });
    await move(url, { advance: "1h" });
    const { body: job } = await call(url, "GET", `/v1/jobs/${body.job.id}`);
    expect(job).toMatchObject({
      status: "done",
      done: 1,
      failed: 1,
      error: expect.stringContaining("document"),
    });
    expect(await itemsOf("alex")).toHaveLength(1);
  });

  test("a dry run tells what would happen then", async () => {
    const { url } = await startService(virtual);
    const due = new Date((await nowOf(url)) + dayMs).toISOString();
    const dry = await call(url, "POST", "/v1/notifications?dry_run=true", {
      recipients: ["alex"],
      type: "reminder",
      send_at: due,
    });
    expect(dry.body.notifications[0].channels).toMatchObject([
      { channel: "inbox", at: due },
      { channel: "email" },
    ]);
    expect(await jobs.countDocuments()).toBe(0);
  });
});

describe("with an Idempotency-Key", () => {
  test("a repeated request gets the same job, also when its time has come meanwhile", async () => {
    const { url } = await startService(virtual);
    const headers = { "idempotency-key": randomUUID() };
    const first = await post(url, { delay: "1h" }, headers);
    await move(url, { advance: "30m" });
    const second = await post(url, { delay: "1h" }, headers);
    expect([second.status, second.body]).toEqual([202, first.body]);
    expect(second.headers.get("idempotent-replayed")).toBe("true");
    await move(url, { advance: "2h" });
    expect((await post(url, { delay: "1h" }, headers)).body).toEqual(first.body);
    await move(url, { advance: "2h" });
    expect(await itemsOf("alex")).toHaveLength(1);
    expect(await jobs.countDocuments()).toBe(1);
    expect((await post(url, { delay: "2h" }, headers)).body.code).toBe("idempotency_mismatch");
    expect((await post(url, {}, headers)).body.code).toBe("idempotency_mismatch");
  });

  test("a request whose process died before or after it stored the job stores one", async () => {
    const { url } = await startService(virtual);
    const headers = { "idempotency-key": randomUUID() };
    const first = await post(url, { delay: "1h" }, headers);
    const keys = db.collection("idempotency");
    const dies = () =>
      keys.updateOne(
        { ids: new ObjectId(first.body.job.id) },
        { $unset: { failures: 1 }, $set: { lease: { token: new ObjectId(), until: new Date(0) } } },
      );
    await dies();
    expect((await post(url, { delay: "1h" }, headers)).body).toEqual(first.body);
    await dies();
    await jobs.deleteMany({});
    const again = await post(url, { delay: "1h" }, headers);
    expect(again.body).toMatchObject({
      notifications: first.body.notifications,
      job: { id: first.body.job.id },
    });
    expect(await jobs.countDocuments()).toBe(1);
  });

  test("of 20 equal requests at once, all get the same job", async () => {
    const { url } = await startService(virtual);
    const headers = { "idempotency-key": randomUUID() };
    const all = await Promise.all(
      Array.from({ length: 20 }, () =>
        eventually(async () => {
          const answer = await post(url, { delay: "1h" }, headers);
          return answer.status === 202 && answer.body;
        }, "an answer"),
      ),
    );
    expect(new Set(all.map((one) => one.job.id)).size).toBe(1);
    expect(await jobs.countDocuments()).toBe(1);
  });
});

describe("refused, and nothing is stored:", () => {
  test.each<[string, object, Array<[string, RegExp]>]>([
    [
      "both",
      { send_at: "2098-01-01T00:00:00Z", delay: "1h" },
      [
        ["/delay", /send_at/],
        ["/send_at", /366 days/],
      ],
    ],
    ["a time without its zone", { send_at: "2026-12-01T09:00:00" }, [["/send_at", /zone/]]],
    ["no time", { send_at: "tomorrow" }, [["/send_at", /ISO 8601/]]],
    ["a negative number", { send_at: -1 }, [["/send_at", /./]]],
    [
      "a broken time and a broken duration",
      { send_at: "x", delay: "soon" },
      [
        ["/send_at", /ISO/],
        ["/delay", /15m/],
        ["/delay", /send_at/],
      ],
    ],
    ["a duration of zero", { delay: "0m" }, [["/delay", /15m/]]],
    ["a duration of more than 366 days", { delay: "367d" }, [["/delay", /366d/]]],
    ["a time in more than 366 days", { send_at: Date.now() + 400 * dayMs }, [["/send_at", /366 days/]]],
    ["a type that does not exist", { delay: "1h", type: "nothing" }, [["/type", /one of/]]],
  ])("%s", async (_, body, expected) => {
    const { url } = await startService(variables);
    const answer = await post(url, body);
    expect([answer.status, answer.body.code], JSON.stringify(answer.body)).toEqual([400, "invalid_request"]);
    const found = answer.body.errors as Array<{ pointer: string; detail: string }>;
    expect(found.map((one) => one.pointer).sort()).toEqual(expected.map(([pointer]) => pointer).sort());
    for (const [pointer, detail] of expected)
      expect(found.some((one) => one.pointer === pointer && detail.test(one.detail))).toBe(true);
    expect(await jobs.countDocuments()).toBe(0);
  });
});

describe("jobs", () => {
  test("are listed in pages, by kind, status and user", async () => {
    const { url } = await startService(virtual);
    const ids: string[] = [];
    for (const user of ["alex", "alex", "bob"])
      ids.push((await post(url, { recipients: [user], delay: "1h" })).body.job.id);
    const first = await call(url, "GET", "/v1/jobs?kind=later&user_id=alex&limit=1");
    expect(first.headers.get("link")).toMatch(/rel="next"/);
    const path = `/v1/jobs?kind=later&user_id=alex&limit=1&cursor=${first.body.next_cursor}`;
    const second = await call(url, "GET", path);
    expect([...first.body.data, ...second.body.data].map((one) => one.id).sort()).toEqual(
      ids.slice(0, 2).sort(),
    );
    expect(second.body).not.toHaveProperty("next_cursor");
    expect((await call(url, "GET", "/v1/jobs?status=scheduled&status=done")).body.data).toHaveLength(3);
    expect((await call(url, "GET", "/v1/jobs?status=paused")).body.data).toEqual([]);
    const wrong = await call(url, "GET", "/v1/jobs?status=lost&limit=0&what=x");
    expect(wrong.body.errors.map((one: { pointer: string }) => one.pointer).sort()).toEqual([
      "?limit",
      "?status",
      "?what",
    ]);
    const foreign = await call(url, "GET", `/v1/jobs?kind=other&cursor=${first.body.next_cursor}`);
    expect(foreign.body.errors[0].pointer).toBe("?cursor");
  });

  test("a canceled job never sends; canceling it again changes nothing; one that ran is a 409", async () => {
    const { url } = await startService(virtual);
    const [one, other] = [await post(url, { delay: "1h" }), await post(url, { delay: "2h" })];
    const path = (answer: typeof one) => `/v1/jobs/${answer.body.job.id}`;
    const canceled = await call(url, "DELETE", path(one));
    expect([canceled.status, canceled.body.status]).toEqual([200, "canceled"]);
    expect((await call(url, "DELETE", path(one))).body).toEqual(canceled.body);
    await move(url, { advance: "3h" });
    expect((await itemsOf("alex")).map((item) => item.id)).toEqual([other.body.notifications[0].id]);
    const late = await call(url, "DELETE", path(other));
    expect([late.status, late.body.code]).toEqual([409, "job_not_changeable"]);
    expect(late.body.detail).toBe(`The job ${other.body.job.id} is done: it already ran.`);
  });

  test("a paused job waits, and is sent at once when it is resumed after its time", async () => {
    const { url } = await startService(virtual);
    const { body } = await post(url, { delay: "1h" });
    const path = `/v1/jobs/${body.job.id}`;
    expect((await call(url, "POST", `${path}/pause`)).body).toMatchObject({ status: "paused" });
    await move(url, { advance: "2h" });
    expect(await itemsOf("alex")).toEqual([]);
    expect((await call(url, "POST", `${path}/resume`)).body).toMatchObject({ status: "scheduled" });
    await move(url, { advance: "1s" });
    expect(await itemsOf("alex")).toHaveLength(1);
  });

  test("an erased user gets nothing that was to be sent later", async () => {
    const { url } = await startService(virtual);
    const { body } = await post(url, { delay: "1h" });
    expect((await call(url, "DELETE", "/v1/users/alex")).status).toBe(204);
    await move(url, { advance: "2h" });
    expect(await itemsOf("alex")).toEqual([]);
    expect((await call(url, "GET", `/v1/jobs/${body.job.id}`)).body).toMatchObject({
      status: "canceled",
      recipients: [],
    });
  });
});
