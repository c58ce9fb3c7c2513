import { expect, onTestFinished, test } from "vitest";
import { examineMigrations } from "../../src/cli/examine-migrations.ts";
import { prepareCollections } from "../../src/store/indexes.ts";
import { createMigrationRunner, pendingMigrations } from "../../src/store/migration-runner.ts";
import type { Migration } from "../../src/store/migrations.ts";
import { freshDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";

const { db } = freshDatabase();
const records = db.collection<{ _id: string; [field: string]: unknown }>("migrations");
const log = { info() {}, warn() {}, error() {} };
const leaseMs = 60_000;

/** The part of the service that runs migrations, in a process whose clock is this. */
async function runner(list?: Migration[], now: () => number = Date.now) {
  const made = createMigrationRunner(db, now, list);
  onTestFinished(() => made.stop());
  await made.look();
  return made;
}
const isDone = (one: Awaited<ReturnType<typeof runner>>) =>
  eventually(() => one.pending().length === 0, "nothing is pending");

/** Counts to five, with a checkpoint at each; `at` may hold it up or fail it. */
function counting(name: string, at: (n: number) => unknown = () => {}) {
  const steps: number[] = [];
  const migration: Migration = {
    name,
    isNeeded: async () => (await records.findOne({ _id: name }))?.state !== "done",
    async run(_db, { cursor, save }) {
      for (let n = ((cursor as number | undefined) ?? 0) + 1; n <= 5; n++) {
        await at(n);
        steps.push(n);
        await save(n, { done: n, total: 5 });
      }
    },
  };
  return { migration, steps };
}

test("drops the indexes of former versions, also when such a version made them again", async () => {
  await prepareCollections(db);
  for (const round of [1, 2]) {
    await db.collection("deliveries").createIndex({ channel: 1, due: 1 }, { name: "due" });
    await db.collection("users").createIndex({ _id: 1, preferences_rev: 1 }, { name: "preferences" });
    const made = await runner();
    expect(made.pending()).toEqual([
      { name: "drop index due of deliveries", state: "waiting", done: 0 },
      { name: "drop index preferences of users", state: "waiting", done: 0 },
    ]);
    made.start({ leaseMs, log });
    await isDone(made);
    const names = async (collection: string) =>
      (await db.collection(collection).indexes()).map((one) => one.name);
    expect([...(await names("deliveries")), ...(await names("users"))]).not.toContain("due");
    expect(await names("users")).not.toContain("preferences");
    expect(await records.find().toArray()).toMatchObject([
      { state: "done", run: round, at: expect.any(Date), ms: expect.any(Number) },
      { state: "done", run: round },
    ]);
  }
  expect((await runner()).pending()).toEqual([]);
  const findings = [];
  for await (const one of examineMigrations(db)) findings.push(one);
  expect(findings).toEqual([{ verdict: "ok", what: "migrations", text: "all are done" }]);
});

test("a migration goes on at its last checkpoint in another process when its lease expires, and the former one stops", async () => {
  let resume = () => {};
  const held = new Promise<void>((resolve) => {
    resume = resolve;
  });
  const first = counting("resumed", (n) => n === 3 && held);
  const a = await runner([first.migration]);
  a.start({ leaseMs, log });
  await eventually(() => a.pending()[0]?.done === 2, "two steps are stored");
  expect(await pendingMigrations(db, [first.migration])).toEqual([
    { name: "resumed", state: "running", done: 2, total: 5 },
  ]);

  const second = counting("resumed");
  const soon = await runner([second.migration]);
  soon.start({ leaseMs, log });
  await eventually(() => soon.pending()[0]?.state === "running", "another process sees who runs it");
  expect(second.steps).toEqual([]);
  await soon.stop();
  const later = await runner([second.migration], () => Date.now() + leaseMs);
  later.start({ leaseMs, log });
  await isDone(later);
  expect(second.steps).toEqual([3, 4, 5]);

  resume();
  await isDone(a);
  expect(first.steps).toEqual([1, 2, 3]);
  const record = await records.findOne({ _id: "resumed" });
  expect(record).toMatchObject({ state: "done", run: 2, cursor: 5, done: 5, total: 5 });
  expect(record).not.toHaveProperty("leasedUntil");
});

test("of several processes that start at once, one runs a migration, and all are ready afterwards", async () => {
  const { migration, steps } = counting("once");
  const all = await Promise.all([1, 2, 3, 4].map(() => runner([migration])));
  for (const one of all) one.start({ leaseMs, log });
  await Promise.all(all.map(isDone));
  expect(steps).toEqual([1, 2, 3, 4, 5]);
  expect(await records.findOne({ _id: "once" })).toMatchObject({ run: 1, state: "done" });
});

test("a migration that stops at a shutdown goes on in another process at once", async () => {
  const first = counting("handed over", (n) => n === 3 && a.stop());
  const a = await runner([first.migration]);
  a.start({ leaseMs, log });
  await eventually(
    async () => (await records.findOne({ _id: "handed over" }))?.leasedUntil === undefined,
    "no lease",
  );
  const second = counting("handed over");
  const b = await runner([second.migration]);
  b.start({ leaseMs, log });
  await isDone(b);
  expect([...first.steps, ...second.steps]).toEqual([1, 2, 3, 3, 4, 5]);
});

test("a migration that fails is retried from its last checkpoint, and says why and what to do", async () => {
  let isBroken = true;
  const { migration, steps } = counting("fails", (n) => {
    if (n === 2 && isBroken) throw Object.assign(new Error("the item 2 is odd"));
  });
  let ahead = 0;
  const made = await runner([migration], () => Date.now() + ahead);
  made.start({ leaseMs, log });
  await eventually(() => made.pending()[0]?.state === "failed", "it failed");
  const [failed] = made.pending();
  expect(failed).toMatchObject({
    done: 1,
    total: 5,
    error: "the item 2 is odd",
    remedy: expect.stringContaining("former"),
  });
  isBroken = false;
  ahead = 60_000;
  await isDone(made);
  expect(steps).toEqual([1, 2, 3, 4, 5]);
  expect(await records.findOne({ _id: "fails" })).not.toHaveProperty("error");
});
