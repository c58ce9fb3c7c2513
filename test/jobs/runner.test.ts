import { beforeEach, expect, onTestFinished, test } from "vitest";
import { createJobs } from "../../src/core/jobs.ts";
import { idOf } from "../../src/jobs/ids.ts";
import type { JobKind } from "../../src/jobs/kind.ts";
import { createRunner, type RunnerOptions } from "../../src/jobs/runner.ts";
import { BelfryError } from "../../src/model/errors.ts";
import type { NewJob } from "../../src/model/job.ts";
import { connectionOn } from "../../src/store/connect.ts";
import { newId } from "../../src/store/ids.ts";
import { createStore } from "../../src/store/index.ts";
import { jobsOf } from "../../src/store/jobs.ts";
import { freshDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";

const { client, db } = freshDatabase();
const jobs = jobsOf(db);
const connection = await connectionOn(client, db);
const log = { info() {}, warn() {}, error() {} };
const start = Date.parse("2026-03-01T08:00:00Z");
let now = start;

beforeEach(async () => {
  now = start;
  await jobs.deleteMany({});
});

/** One instance, in the test's time. */
async function instance(kinds: JobKind[], options: Partial<RunnerOptions> = {}) {
  const store = createStore(connection, {
    channels: ["email"],
    inboxLimit: 10,
    newUser: {},
    retentionDays: 90,
    clock: () => () => now,
  });
  await store.open();
  const runner = createRunner(store, kinds, { leaseMs: 30_000, random: () => 0.5, log, ...options });
  onTestFinished(async () => {
    await runner.stop(0);
    store.close();
  });
  return { store, runner, jobs: createJobs(store, runner.wake) };
}

const stored = (from: Awaited<ReturnType<typeof instance>>, id: string) => from.store.jobs.one(id);

const job = (more: Partial<NewJob> = {}): NewJob => ({
  id: newId(),
  kind: "count",
  command: {},
  due: now,
  ...more,
});

/** A kind that counts to the command's `to` in pages of 10, and tells each page. */
function counting(
  onPage: (page: number, id: string) => unknown = () => {},
  atOnce = 2,
): JobKind<{ to: number }, number> {
  return {
    name: "count",
    atOnce,
    async run({ id, command: { to }, cursor = 0 }, { save }) {
      let done = cursor;
      while (done < to) {
        await onPage(done / 10, id);
        done += 10;
        await save(done, { done, failed: 0, total: to });
      }
      return { done, failed: 0, total: to };
    },
  };
}

test("runs jobs in the order in which they are due, and none before its time", async () => {
  const ran: string[] = [];
  const kind: JobKind = {
    name: "count",
    atOnce: 1,
    async run({ id }) {
      ran.push(id);
      return { done: 1, failed: 0 };
    },
  };
  const { store, runner } = await instance([kind]);
  const [late, soon, first] = [job({ due: now + 9_000 }), job({ due: now - 1 }), job({ due: now - 5_000 })];
  for (const one of [late, soon, first]) await store.jobs.insert(one);
  expect(await runner.drain()).toBe(now + 9_000);
  expect(ran).toEqual([first.id, soon.id]);
  now += 9_000;
  expect(await runner.drain()).toBeUndefined();
  expect(ran).toEqual([first.id, soon.id, late.id]);
  expect(await store.jobs.one(late.id)).toMatchObject({ state: "done", done: 1, tries: 0 });
});

test("a job with the id of a stored one is not stored again", async () => {
  const { store } = await instance([]);
  const one = job();
  expect(await store.jobs.insert(one)).toBe(true);
  expect(await store.jobs.insert({ ...one, due: now + 1 })).toBe(false);
  expect(await jobs.countDocuments()).toBe(1);
});

test("each of 200 jobs runs once with three instances", async () => {
  const ran: string[] = [];
  const kind: JobKind = {
    name: "count",
    atOnce: 8,
    async run({ id }) {
      ran.push(id);
      return { done: 1, failed: 0 };
    },
  };
  const all = await Promise.all([1, 2, 3].map(() => instance([kind])));
  for (let count = 0; count < 200; count++) await all[0]?.store.jobs.insert(job());
  await Promise.all(all.map(({ runner }) => runner.drain()));
  expect(ran).toHaveLength(200);
  expect(new Set(ran).size).toBe(200);
  expect(await jobs.countDocuments({ state: "done" })).toBe(200);
});

test("a run that throws is retried from its checkpoint, each time later, and then fails with its error", async () => {
  const pages: number[] = [];
  const broken = counting((page) => {
    pages.push(page);
    if (page === 2) throw new Error("page 2 cannot be read");
  });
  const { store, runner } = await instance([broken]);
  const one = job({ command: { to: 50 } });
  await store.jobs.insert(one);
  const times: number[] = [];
  for (let next = await runner.drain(); next !== undefined; next = await runner.drain()) {
    times.push(next - now);
    expect(await store.jobs.one(one.id)).toMatchObject({
      state: "scheduled",
      error: "page 2 cannot be read",
    });
    now = next;
  }
  expect(times.slice(0, 4)).toEqual([750, 1_500, 3_000, 6_000]);
  expect(pages).toEqual([0, 1, ...Array.from({ length: 15 }, () => 2)]);
  expect(await store.jobs.one(one.id)).toMatchObject({
    state: "failed",
    error: "page 2 cannot be read",
    done: 20,
    total: 50,
    expireAt: expect.any(Number),
  });
});

test("a refusal that a retry would not change fails at once", async () => {
  const refused: JobKind = {
    name: "count",
    atOnce: 1,
    run: () => Promise.reject(new BelfryError("invalid_request", "`type` must be one of direct.")),
  };
  const { store, runner } = await instance([refused]);
  const one = job();
  await store.jobs.insert(one);
  expect(await runner.drain()).toBeUndefined();
  expect(await store.jobs.one(one.id)).toMatchObject({
    state: "failed",
    error: "`type` must be one of direct.",
  });
});

test("a job that reached nobody has failed, and one that reached somebody is done", async () => {
  const kind: JobKind<{ done: number }> = {
    name: "count",
    atOnce: 2,
    run: async ({ command: { done } }) => ({ done, failed: 3, error: "the document is full" }),
  };
  const { store, runner } = await instance([kind]);
  const [nobody, somebody] = [job({ command: { done: 0 } }), job({ command: { done: 1 } })];
  for (const one of [nobody, somebody]) await store.jobs.insert(one);
  await runner.drain();
  const error = "the document is full";
  expect(await store.jobs.one(nobody.id)).toMatchObject({ state: "failed", failed: 3, error });
  expect(await store.jobs.one(somebody.id)).toMatchObject({ state: "done", done: 1, failed: 3, error });
});

test("a job whose process died goes on from its checkpoint in another", async () => {
  const pages: number[] = [];
  const dead = counting((page) => (page === 2 ? new Promise(() => {}) : void pages.push(page)));
  const first = await instance([dead]);
  const one = job({ command: { to: 50 } });
  await first.store.jobs.insert(one);
  void first.runner.drain();
  await eventually(async () => (await stored(first, one.id))?.done === 20, "two pages are done");
  const second = await instance([counting((page) => void pages.push(page))]);
  expect(await second.runner.drain()).toBeUndefined();
  now += 31_000;
  expect(await second.store.jobClaims.sweep(now, 15)).toBe(1);
  await second.runner.drain();
  expect(pages).toEqual([0, 1, 2, 3, 4]);
  expect(await stored(second, one.id)).toMatchObject({ state: "done", done: 50 });
});
test("a run that lost its lease changes nothing any more", async () => {
  let goOn = () => {};
  const slow = counting(
    (page) =>
      page === 1 &&
      new Promise<void>((resolve) => {
        goOn = resolve;
      }),
  );
  const first = await instance([slow]);
  const one = job({ command: { to: 50 } });
  await first.store.jobs.insert(one);
  const drained = first.runner.drain();
  await eventually(async () => (await stored(first, one.id))?.done === 10, "a page is done");
  now += 31_000;
  const second = await instance([counting()]);
  await second.store.jobClaims.sweep(now, 15);
  await second.runner.drain();
  const ended = await stored(second, one.id);
  expect(ended).toMatchObject({ state: "done", done: 50 });
  goOn();
  await drained;
  expect(await stored(second, one.id)).toEqual(ended);
});

test("a process does not take its own jobs from itself when it is late to renew their leases", async () => {
  const { store } = await instance([]);
  const one = job();
  await store.jobs.insert(one);
  const held = await store.jobClaims.claim("count", 1, { token: newId(), until: now - 1 }, now);
  expect(held).toMatchObject([{ id: one.id }]);
  expect(await store.jobClaims.sweep(now, 15, held)).toBe(0);
  expect(await store.jobClaims.renew(held, now + 30_000)).toEqual(new Set([one.id]));
  now += 31_000;
  expect(await store.jobClaims.sweep(now, 15)).toBe(1);
});

test("a job that ends each process fails after 15 interruptions", async () => {
  const { store, runner } = await instance([counting(() => new Promise(() => {}))]);
  const one = job({ command: { to: 50 } });
  await store.jobs.insert(one);
  const ended: number[] = [];
  while ((await store.jobs.one(one.id))?.state === "scheduled") {
    await store.jobClaims.claim("count", 1, { token: newId(), until: now }, now);
    now += 1;
    ended.push(await store.jobClaims.sweep(now, 15));
  }
  expect(ended).toHaveLength(15);
  expect(await store.jobs.one(one.id)).toMatchObject({
    state: "failed",
    error: "Each process that ran it ended or did not answer.",
  });
  expect(await runner.drain()).toBeUndefined();
});

test("a stop gives the job back at its next checkpoint", async () => {
  let goOn = () => {};
  let waits = false;
  const slow = counting((page) => {
    waits = page === 1;
    return (
      waits &&
      new Promise<void>((resolve) => {
        goOn = resolve;
      })
    );
  });
  const first = await instance([slow]);
  const one = job({ command: { to: 30 } });
  await first.store.jobs.insert(one);
  void first.runner.drain();
  await eventually(() => waits, "it is at the second page");
  const stopping = first.runner.stop(10_000);
  goOn();
  await stopping;
  expect(await stored(first, one.id)).toMatchObject({ state: "scheduled", done: 20, tries: 0 });
  const second = await instance([counting()]);
  await second.runner.drain();
  expect(await stored(second, one.id)).toMatchObject({ state: "done", done: 30 });
});

test("a running job with checkpoints is paused, resumed and canceled at a checkpoint, with the exact count", async () => {
  const pages: number[] = [];
  const one = job({ command: { to: 60 }, stoppable: true });
  const asked: unknown[] = [];
  const kind = counting(async (page) => {
    pages.push(page);
    if (page === 1) asked.push(await first.jobs.pause(one.id));
    if (page === 3) asked.push(await first.jobs.cancel(one.id), await first.jobs.cancel(one.id));
  });
  const first = await instance([kind]);
  await first.store.jobs.insert(one);
  expect(await first.runner.drain()).toBeUndefined();
  const paused = await first.jobs.show(one.id);
  expect(paused).toMatchObject({ state: "paused", done: 20, tries: 0 });
  expect(paused).not.toHaveProperty("stop");
  expect(await first.jobs.pause(one.id)).toMatchObject({ state: "paused" });
  expect(await first.jobs.resume(one.id)).toMatchObject({ state: "scheduled" });
  await first.runner.drain();
  expect(pages).toEqual([0, 1, 2, 3]);
  expect(asked).toMatchObject([{ stop: "pause" }, { stop: "cancel" }, { stop: "cancel" }]);
  expect(await first.jobs.show(one.id)).toMatchObject({ state: "canceled", done: 40, total: 60 });
  await expect(first.jobs.resume(one.id)).rejects.toMatchObject({ code: "job_not_changeable" });
});

test("a job that already ran, or runs without checkpoints, is not canceled", async () => {
  let goOn = () => {};
  const slow: JobKind = {
    name: "count",
    atOnce: 1,
    run: async () => {
      await new Promise<void>((resolve) => {
        goOn = resolve;
      });
      return { done: 1, failed: 0 };
    },
  };
  const { store, runner, jobs: all } = await instance([slow]);
  const one = job();
  await store.jobs.insert(one);
  const drained = runner.drain();
  await eventually(async () => (await store.jobs.one(one.id))?.state === "running", "it runs");
  const refused = { code: "job_not_changeable", message: expect.stringContaining("is running") };
  await expect(all.cancel(one.id)).rejects.toMatchObject(refused);
  goOn();
  await drained;
  await expect(all.cancel(one.id)).rejects.toMatchObject({ message: expect.stringContaining("already ran") });
  await expect(all.cancel(newId())).rejects.toMatchObject({ code: "not_found" });
});

test("of a cancel and a run at the same moment, exactly one wins", async () => {
  let ran = 0;
  const kind: JobKind = {
    name: "count",
    atOnce: 8,
    async run() {
      ran++;
      return { done: 1, failed: 0 };
    },
  };
  const [first, second] = [await instance([kind]), await instance([kind])];
  let canceled = 0;
  for (let round = 0; round < 100; round++) {
    const one = job();
    await first.store.jobs.insert(one);
    const [, answer] = await Promise.all([
      first.runner.drain(),
      second.jobs.cancel(one.id).catch((error: BelfryError) => error),
    ]);
    const { state } = await second.jobs.show(one.id);
    if (answer instanceof Error) expect(state).toBe("done");
    else {
      expect(state).toBe("canceled");
      canceled++;
    }
  }
  expect(ran + canceled).toBe(100);
});

test("pages list jobs newest first, by kind, state and user", async () => {
  const { store, jobs: all } = await instance([]);
  const ids = [1, 2, 3, 4, 5].map((second) => idOf(start + second * 1_000, "page"));
  for (const [at, id] of ids.entries())
    await store.jobs.insert(
      job({
        id,
        kind: at === 0 ? "other" : "count",
        command: { targets: [{ user: at < 3 ? "alex" : "bob", id: newId() }] },
      }),
    );
  await all.cancel(ids[4] as string);
  const found: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await all.list(
      { kind: "count" },
      2,
      cursor === undefined ? undefined : { text: cursor, pointer: "?cursor" },
    );
    found.push(...page.data.map((one) => one.id));
    cursor = page.next;
  } while (cursor !== undefined);
  expect(found).toEqual(ids.slice(1).reverse());
  const of = async (filter: object) => (await all.list(filter, 10)).data.map((one) => one.id);
  expect(await of({ user: "alex", kind: "count" })).toEqual([ids[2], ids[1]]);
  expect(await of({ states: ["canceled"] })).toEqual([ids[4]]);
});

test("erasing a user takes them out of every job, and cancels what was for them alone", async () => {
  const { store, runner } = await instance([]);
  const command = (...users: string[]) => ({
    notification: { type: "direct", title: "private" },
    targets: users.map((user) => ({ user, id: newId() })),
  });
  const [alone, both] = [job({ command: command("alex") }), job({ command: command("alex", "bob") })];
  for (const one of [alone, both]) await store.jobs.insert(one);
  await store.erase("alex");
  expect(await store.jobs.one(alone.id)).toMatchObject({
    state: "canceled",
    command: { notification: { type: "direct" }, targets: [] },
  });
  expect((await store.jobs.one(alone.id))?.command).not.toHaveProperty("notification.title");
  expect(await store.jobs.one(both.id)).toMatchObject({
    state: "scheduled",
    command: { notification: { title: "private" }, targets: [{ user: "bob" }] },
  });
  await runner.drain();
});

test("a started runner finds by itself what another process stored, and sweeps what another left", async () => {
  const kind = counting();
  const { store, runner } = await instance([kind], { leaseMs: 1_000 });
  const [left, fresh] = [job({ command: { to: 10 } }), job({ command: { to: 10 } })];
  await store.jobs.insert(left);
  await store.jobClaims.claim("count", 1, { token: newId(), until: now - 1 }, now);
  runner.start();
  await store.jobs.insert(fresh);
  await eventually(async () => (await jobs.countDocuments({ state: "done" })) === 2, "both ran");
});
