import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { BelfryClient } from "../../../src/client/index.ts";
import { createTestBelfry } from "../../../src/testing.ts";
import { freshDatabase } from "../../support/database.ts";
import { call } from "../../support/http.ts";
import { eventually, spawnService, startService } from "../../support/service.ts";

const { uri, client, db } = freshDatabase();
const users = db.collection<{ _id: string; notifications?: Array<{ id: string; title: string }> }>("users");
const schedules = db.collection("schedules");
const folder = mkdtempSync(join(tmpdir(), "belfry-schedules-"));
afterAll(() => rmSync(folder, { recursive: true }));

beforeEach(async () => {
  await Promise.all(["jobs", "schedules", "users"].map((name) => db.collection(name).deleteMany({})));
});

const body = {
  notification: { type: "new_message", title: "Stand-up" },
  recipients: ["alex", "bob"],
  cron: "30 9 * * mon-fri",
  time_zone: "Europe/Berlin",
};
const put = (url: string, more: object = {}, key = "stand-up") =>
  call(url, "PUT", `/v1/schedules/${key}`, { ...body, ...more });
const itemsOf = async (user: string) => (await users.findOne({ _id: user }))?.notifications ?? [];

test("a schedule is stored, shown with its next five occurrences, paused, resumed and deleted; three virtual days", async () => {
  const { url } = await startService({ DB_URI: uri, CLOCK: "virtual" });
  const clock = (to: object) => call(url, "POST", "/v1/test/clock", to);
  // A Friday.
  await clock({ to: "2027-01-01T12:00:00Z" });
  const stored = await put(url);
  expect([stored.status, stored.body]).toEqual([
    201,
    {
      key: "stand-up",
      status: "active",
      type: "new_message",
      recipient_count: 2,
      cron: "30 9 * * mon-fri",
      time_zone: "Europe/Berlin",
      missed: "once",
      next_at: "2027-01-04T08:30:00.000Z",
      created_at: expect.any(String),
      updated_at: expect.any(String),
      notification: body.notification,
      recipients: body.recipients,
      next: [
        {
          time_zone: "Europe/Berlin",
          recipient_count: 2,
          at: ["04", "05", "06", "07", "08"].map((day) => `2027-01-${day}T08:30:00.000Z`),
        },
      ],
    },
  ]);
  expect((await put(url)).status).toBe(200);
  expect((await clock({ advance: "3d" })).body).toMatchObject({ jobs: 1 });
  expect(await itemsOf("alex")).toMatchObject([{ title: "Stand-up" }]);
  expect(await itemsOf("bob")).toHaveLength(1);
  const jobs = await call(url, "GET", "/v1/jobs?key=stand-up");
  expect(jobs.body.data).toMatchObject([
    { kind: "occurrence", key: "stand-up", status: "done", done: 2, due: "2027-01-04T08:30:00.000Z" },
  ]);
  const paused = await call(url, "POST", "/v1/schedules/stand-up/pause");
  expect(paused.body).toMatchObject({ status: "paused", next: [] });
  expect(paused.body).not.toHaveProperty("next_at");
  await clock({ advance: "2d" });
  expect((await call(url, "POST", "/v1/schedules/stand-up/resume")).body).toMatchObject({ status: "active" });
  await clock({ advance: "1d" });
  expect(await itemsOf("alex")).toHaveLength(2);
  expect((await call(url, "DELETE", "/v1/schedules/stand-up")).status).toBe(204);
  expect((await call(url, "DELETE", "/v1/schedules/stand-up")).status).toBe(404);
  await clock({ advance: "7d" });
  expect(await itemsOf("alex")).toHaveLength(2);
});

test("schedules are listed by key in pages", async () => {
  const { url } = await startService({ DB_URI: uri });
  for (const key of ["c", "a", "b"]) await put(url, {}, key);
  const first = await call(url, "GET", "/v1/schedules?limit=2");
  expect(first.body.data.map((one: { key: string }) => one.key)).toEqual(["a", "b"]);
  const second = await call(url, "GET", `/v1/schedules?limit=2&cursor=${first.body.next_cursor}`);
  expect(second.body.data).toMatchObject([{ key: "c", recipient_count: 2 }]);
  expect(second.body).not.toHaveProperty("next_cursor");
});

describe("refused, and nothing is stored:", () => {
  test.each<[string, object, string[]]>([
    ["a cron that never fires", { cron: "0 0 30 2 *" }, ["/cron"]],
    ["a cron of six parts", { cron: "0 0 9 * * 1" }, ["/cron"]],
    ["no cron", { cron: "every day" }, ["/cron"]],
    ["a zone that does not exist", { time_zone: "Europe/Atlantis" }, ["/time_zone"]],
    ["an offset as a zone", { time_zone: "+01:00" }, ["/time_zone"]],
    [
      "an end before the start",
      { starts_at: "2027-01-02T00:00:00Z", ends_at: "2027-01-01T00:00:00Z" },
      ["/ends_at"],
    ],
    [
      "times without their zones",
      { starts_at: "2027-01-01T00:00", ends_at: "soon" },
      ["/ends_at", "/starts_at"],
    ],
    ["an unknown type", { notification: { type: "nothing" } }, ["/notification/type"]],
    ["an unknown field", { every: "1d" }, ["/every"]],
    [
      "an unknown field of the notification",
      { notification: { type: "direct", send_at: 1 } },
      ["/notification/send_at"],
    ],
    ["nobody", { recipients: [] }, ["/recipients"]],
    ["somebody twice", { recipients: ["alex", "bob", "alex"] }, ["/recipients/2"]],
    [
      "data that is too large",
      { notification: { type: "direct", data: { a: "x".repeat(9_000) } } },
      ["/notification/data"],
    ],
    ["what to do with missed ones", { missed: "all" }, ["/missed"]],
    [
      "all at once",
      { cron: "0 0 30 2 *", time_zone: "Mars", ends_at: "x", recipients: ["a", "a"] },
      ["/cron", "/ends_at", "/recipients/1", "/time_zone"],
    ],
  ])("%s", async (_, more, pointers) => {
    const { url } = await startService({ DB_URI: uri });
    const answer = await put(url, more);
    expect([answer.status, answer.body.code], JSON.stringify(answer.body)).toEqual([400, "invalid_request"]);
    expect(answer.body.errors.map((one: { pointer: string }) => one.pointer).sort()).toEqual(pointers);
    expect(await schedules.countDocuments()).toBe(0);
  });

  test("a key without a visible character", async () => {
    const { url } = await startService({ DB_URI: uri });
    expect((await put(url, {}, "%20")).status).toBe(400);
    expect((await call(url, "GET", "/v1/schedules/none")).body.detail).toBe("There is no schedule none.");
  });
});

test("the client and the library store, show, list, pause, resume and delete", async () => {
  const { url } = await startService({ DB_URI: uri });
  const http = new BelfryClient({ server: url });
  expect(await http.schedules.put("stand-up", body)).toMatchObject({ status: "active" });
  expect(await http.schedules.pause("stand-up")).toMatchObject({ status: "paused" });
  expect(await http.schedules.resume("stand-up")).toMatchObject({ status: "active" });
  expect((await http.schedules.list()).data).toMatchObject([{ key: "stand-up" }]);
  expect((await http.schedules.get("stand-up")).next[0]?.at).toHaveLength(5);
  await http.schedules.delete("stand-up");
  await expect(http.schedules.get("stand-up")).rejects.toMatchObject({ code: "not_found" });
});

test("the test kit sends at the exact times", async () => {
  const belfry = await createTestBelfry({ client, database: db.databaseName, start: "2026-03-01T08:00:00Z" });
  onTestFinished(() => belfry.close());
  const { cron, recipients } = body;
  const schedule = {
    notification: { type: "new_login", title: "Report" },
    recipients,
    cron,
    timeZone: "recipient",
  };
  await users.insertOne({ _id: "bob", timeZone: "Asia/Tokyo", email: "bob@example.com" } as never);
  expect(
    await belfry.schedules.put("report", { ...schedule, startsAt: new Date("2026-03-03T00:00:00Z") }),
  ).toMatchObject({
    status: "active",
    starts_at: "2026-03-03T00:00:00.000Z",
  });
  await belfry.advance("3d");
  expect(belfry.sentTo("alex").map(({ at }) => at)).toEqual(["2026-03-03T09:30:00.000Z"]);
  expect(belfry.sentTo("bob").map(({ at }) => at)).toEqual([
    "2026-03-03T00:30:00.000Z",
    "2026-03-04T00:30:00.000Z",
  ]);
  expect(await belfry.schedules.list()).toMatchObject([{ key: "report" }]);
  expect(await belfry.schedules.pause("report")).toMatchObject({ status: "paused" });
  await belfry.schedules.delete("report");
  await expect(belfry.schedules.get("report")).rejects.toMatchObject({ code: "not_found" });
  const wrong = { ...schedule, cron: "0 0 30 2 *", every: 1 };
  await expect(belfry.schedules.put("x", wrong)).rejects.toMatchObject({ details: [{ pointer: "/every" }] });
});

test("the command line stores a file, lists, shows, pauses, resumes and deletes", async () => {
  const program = fileURLToPath(new URL("../../../dist/cli/main.js", import.meta.url));
  const cli = (...args: string[]): Promise<{ code: number; out: string; err: string }> =>
    new Promise((resolve) => {
      const { PATH = "", HOME = "" } = process.env;
      const options = { env: { PATH, HOME, DB_URI: uri }, cwd: folder };
      execFile(process.execPath, [program, "schedules", ...args], options, (error, out, err) =>
        resolve({ code: error ? Number(error.code) : 0, out, err }),
      );
    });
  writeFileSync(join(folder, "stand-up.json"), JSON.stringify(body));
  const stored = await cli("put", "stand-up", "--file", "stand-up.json");
  expect(stored.out, stored.err).toContain("stand-up: active");
  expect((await cli()).out).toMatch(/stand-up +active +new_message +2 +30 9 \* \* mon-fri/);
  expect((await cli("pause", "stand-up")).out).toContain("stand-up: paused");
  expect(JSON.parse((await cli("resume", "stand-up", "--json")).out)).toMatchObject({ status: "active" });
  expect((await cli("show", "stand-up")).out).toContain("next for 2 in Europe/Berlin:");
  expect((await cli("delete", "stand-up")).code).toBe(0);
  writeFileSync(join(folder, "wrong.json"), JSON.stringify({ ...body, cron: "0 0 30 2 *" }));
  const wrong = await cli("put", "wrong", "--file", "wrong.json");
  expect([wrong.code, wrong.err]).toEqual([1, "`cron` never fires.\n"]);
});

test("with kills of three instances, each minute is sent once", async () => {
  const settings = { DB_URI: uri, LEASE_MS: "2000", ROLES: "api,worker" };
  const all = await Promise.all([1, 2, 3].map(() => spawnService(settings)));
  const recipients = Array.from({ length: 200 }, (_, user) => `user${user}`);
  const url = all[0]?.url as string;
  expect((await put(url, { recipients, cron: "* * * * *" })).status).toBe(201);
  // Each of the last five minutes is due again and again, as if a service had been slow.
  const minute = 60_000;
  const begin = Math.floor(Date.now() / minute) * minute;
  for (let back = 5; back > 0; back--) {
    const next = new Date(begin - back * minute);
    await schedules.updateOne(
      {},
      { $set: { due: next, "zones.0.next": next, endsAt: new Date(next.getTime() + 1), state: "active" } },
    );
    if (back === 3) all[1]?.kill("SIGKILL");
    if (back === 2) all[2]?.kill("SIGKILL");
    await eventually(
      async () => (await db.collection("jobs").countDocuments({ state: "done" })) === 6 - back,
      "the minute is sent",
    );
  }
  const found = await users.find({ _id: /^user/ as never }).toArray();
  expect(found).toHaveLength(200);
  for (const user of found) expect(new Set(user.notifications?.map(({ id }) => id)).size).toBe(5);
  for (const user of found) expect(user.notifications).toHaveLength(5);
});
