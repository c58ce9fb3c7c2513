import { execFile } from "node:child_process";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { BelfryClient } from "../../src/client/index.ts";
import { type Belfry, createBelfry } from "../../src/library.ts";
import { usersOf } from "../../src/store/inbox.ts";
import { jobsOf } from "../../src/store/jobs.ts";
import { createTestBelfry } from "../../src/testing.ts";
import { freshDatabase } from "../support/database.ts";
import { startService } from "../support/service.ts";

// Sending later from a program, a page's server and the command line.

const { uri, client, db } = freshDatabase();
const database = db.databaseName;
const jobs = jobsOf(db);
const tea = { user: "alex", type: "new_message", title: "Tea" };
const itemsOf = async (user: string) => (await usersOf(db).findOne({ _id: user }))?.notifications ?? [];

beforeEach(async () => {
  await Promise.all(["jobs", "users", "deliveries"].map((name) => db.collection(name).deleteMany({})));
});

describe("the library", () => {
  function open(): Belfry {
    const belfry = createBelfry({ client, database });
    onTestFinished(() => belfry.close());
    return belfry;
  }

  test("sends at a Date, as text or as a number, and cancels", async () => {
    const belfry = open();
    const due = new Date(Date.now() + 3_600_000);
    for (const sendAt of [due, due.toISOString(), due.getTime()]) {
      const { id, job } = await belfry.notify(tea, { sendAt });
      expect(job).toEqual({ id: expect.any(String), due: due.toISOString(), past: false });
      expect(await belfry.jobs.get(job?.id ?? "")).toMatchObject({
        status: "scheduled",
        recipients: [{ user_id: "alex", id }],
      });
      expect(await belfry.jobs.cancel(job?.id ?? "")).toMatchObject({ status: "canceled" });
    }
    expect((await belfry.notify(tea, { sendAt: new Date(0) })).job).toMatchObject({ past: true });
    expect(await belfry.notify(tea)).not.toHaveProperty("job");
  });

  test("stores the job in the caller's transaction", async () => {
    const belfry = open();
    await belfry.ready();
    const within = (end: () => void) =>
      client.withSession((session) =>
        session.withTransaction(async () => {
          await belfry.notify(tea, { session, delay: "2h" });
          end();
        }),
      );
    const failing = within(() => {
      throw new Error("the order could not be stored");
    });
    await expect(failing).rejects.toThrow("order");
    expect(await jobs.countDocuments()).toBe(0);
    await within(() => {});
    expect(await jobs.countDocuments({ state: "scheduled" })).toBe(1);
  });

  test.each([
    [{ sendAt: "soon" }, "/sendAt"],
    [{ sendAt: "2026-12-01", delay: "1h" }, "/delay"],
    [{ delay: "2 hours" }, "/delay"],
    [{ at: "2026-12-01" } as object, "/at"],
    [{ sendAt: new Date(Date.now() + 400 * 86_400_000) }, "/sendAt"],
  ])("refuses %j", async (options, pointer) => {
    const error = await open()
      .notify(tea, options)
      .catch((thrown) => thrown);
    expect([error.code, error.details[0]?.pointer]).toEqual(["invalid_request", pointer]);
    expect(await jobs.countDocuments()).toBe(0);
  });
});

test("the test kit sends at the exact time", async () => {
  const types = { reminder: { inbox: true, channels: { email: { subject: "{{ title }}", after: "15m" } } } };
  const belfry = await createTestBelfry({ client, database, types, start: "2026-03-01T08:00:00Z" });
  onTestFinished(() => belfry.close());
  const { id, job } = await belfry.notify({ ...tea, type: "reminder" }, { delay: "3d" });
  const other = await belfry.notify({ ...tea, type: "reminder" }, { sendAt: "2026-03-02T08:00:00Z" });
  await belfry.jobs.cancel(other.job?.id ?? "");
  await belfry.advance("2d");
  belfry.nothingSent();
  expect(await belfry.advance("2d")).toMatchObject({ jobs: 1, sent: 1 });
  expect(belfry.sentTo("alex")).toMatchObject([{ notification: id, at: "2026-03-04T08:15:00.000Z" }]);
  expect(await belfry.jobs.get(job?.id ?? "")).toMatchObject({ status: "done", done: 1 });
  expect(await itemsOf("alex")).toMatchObject([
    { id, timestamp: Date.parse("2026-03-04T08:00:00Z") / 1_000 },
  ]);
  await belfry.notify({ ...tea, type: "reminder" }, { sendAt: "2026-01-01T00:00:00Z" });
  expect(await itemsOf("alex")).toHaveLength(2);
});

test("the client schedules, lists, pauses, resumes and cancels", async () => {
  const { url } = await startService({ DB_URI: uri });
  const belfry = new BelfryClient({ server: url });
  const answer = await belfry.notify({ recipients: ["alex"], type: "new_message", delay: "1h" });
  const id = answer.job?.id ?? "";
  expect((await belfry.jobs.list({ status: "scheduled", user_id: "alex" })).data).toMatchObject([{ id }]);
  expect(await belfry.jobs.pause(id)).toMatchObject({ status: "paused" });
  expect(await belfry.jobs.resume(id)).toMatchObject({ status: "scheduled" });
  expect(await belfry.jobs.cancel(id)).toMatchObject({ status: "canceled" });
  expect(await belfry.jobs.get(id)).toMatchObject({ recipients: answer.notifications });
  await expect(belfry.jobs.resume(id)).rejects.toMatchObject({ code: "job_not_changeable", status: 409 });
});

describe("the command line", () => {
  const program = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
  const cli = (...args: string[]): Promise<{ code: number; out: string; err: string }> =>
    new Promise((resolve) => {
      const { PATH = "", HOME = "" } = process.env;
      const options = { env: { PATH, HOME, DB_URI: uri }, cwd: tmpdir() };
      execFile(process.execPath, [program, ...args], options, (error, out, err) =>
        resolve({ code: error ? Number(error.code) : 0, out, err }),
      );
    });
  const send = (...more: string[]) => cli("send", "--user", "alex", "--type", "new_message", ...more);

  test("sends later, lists the job, and cancels it", async () => {
    const sent = await send("--delay", "1d", "--json");
    expect(sent.code, sent.err).toBe(0);
    const { job } = JSON.parse(sent.out);
    const listed = await cli("jobs", "--status", "scheduled");
    expect(listed.out).toMatch(new RegExp(`${job.id} +later +new_message +scheduled`));
    expect((await cli("jobs", job.id)).out).toContain('"user_id": "alex"');
    expect((await cli("jobs", job.id, "--cancel")).out).toContain('"canceled"');
    const again = await cli("jobs", job.id, "--resume");
    expect([again.code, again.err]).toEqual([1, `The job ${job.id} is canceled: it was canceled.\n`]);
    const past = await send("--at", "2020-01-01T00:00:00Z");
    expect(past.out).toContain("The time is past, so it is sent at once");
  });

  test.each([
    [["--at", "tomorrow"], "`--at` must be a time"],
    [["--at", "2026-12-01", "--delay", "1h"], "--delay must not be given together with --at"],
    [["--delay", "2 hours"], "--delay must be a number"],
  ])("refuses %j", async (args, sentence) => {
    const { code, err } = await send(...args);
    expect(code).toBe(2);
    expect(err).toContain(sentence.replaceAll("`", ""));
  });
});
