import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ObjectId } from "mongodb";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { audit } from "../chaos/audit.ts";
import type { Answer } from "../chaos/callers.ts";
import { createRandom } from "../chaos/random.ts";
import { probesWithin } from "../chaos/scenarios/outage.ts";
import { type ScenarioName, scenarios } from "../chaos/scenarios.ts";
import type { Place, Result } from "../chaos/stage.ts";
import { startManagedMongod } from "../mongod/index.ts";
import { deliveriesOf } from "../src/store/deliveries.ts";
import { startCluster } from "./support/cluster.ts";
import { freshDatabase } from "./support/database.ts";
import { call } from "./support/http.ts";
import { rabbitmqMissing } from "./support/rabbitmq.ts";
import { eventually, startService } from "./support/service.ts";

/** The quick form of `npm run chaos`: docs/reliability.md has the full one. */
const limitMs = 240_000;
const noRabbitmq = await rabbitmqMissing();
const { uri, db } = freshDatabase();
let mongod: { uri: string; close(): Promise<void> };
let place: Place;

beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), "belfry-chaos-"));
  // A server of its own: the injected errors would affect every other test.
  mongod = inject("isSharded")
    ? await startCluster()
    : await startManagedMongod({ dataDir: folder, testCommands: true, log: () => {} });
  const seed = Number(process.env.CHAOS_SEED ?? Math.floor(Math.random() * 2 ** 32));
  process.stdout.write(`chaos, quick form: CHAOS_SEED=${seed}\n`);
  place = { folder, mongoUri: mongod.uri, seed, say: () => {} };
});
afterAll(async () => {
  await mongod?.close();
  rmSync(place.folder, { recursive: true, force: true });
});

async function quick(name: Exclude<ScenarioName, "live" | "cluster-live">): Promise<Result> {
  const result = await scenarios[name].quick(place);
  const { acknowledged, unanswered, refused, lost, duplicates, duplicatesAllowed, problems, played } = result;
  process.stdout.write(
    `${name}: ${played}; ${acknowledged} acknowledged, ${refused} refused, ${unanswered} unanswered, ${lost} lost, ${duplicates} mails twice (at most ${duplicatesAllowed})\n`,
  );
  expect(problems).toEqual([]);
  expect(acknowledged).toBeGreaterThan(100);
  if (name !== "digests" && name !== "recalls") expect(result.mails).toBeGreaterThanOrEqual(acknowledged);
  return result;
}

test("sends one mail per acknowledged create when nothing fails", { timeout: limitMs }, async () => {
  const result = await quick("calm");
  expect(result).toMatchObject({ acknowledged: 400, asked: 400, mails: 400, duplicates: 0 });
});

test("keeps every acknowledged create when APIs and workers are killed at random", {
  timeout: limitMs,
}, async () => {
  const result = await quick("kills");
  expect(result.acknowledged).toBe(200);
  expect(result.faults).toHaveLength(2);
});

test("puts each create into exactly one digest when APIs and workers are killed at random", {
  timeout: limitMs,
}, async () => {
  const result = await quick("digests");
  expect(result.acknowledged).toBe(200);
  expect(result.faults).toHaveLength(2);
});

test("a broadcast tells each user once when APIs and workers are killed at random", {
  timeout: limitMs,
}, async () => {
  const result = await quick("broadcasts");
  expect(result).toMatchObject({ acknowledged: 400, lost: 0, itemsTwice: 0 });
  expect(result.faults).toHaveLength(2);
});

test("each occurrence of a schedule happens once when APIs and workers are killed at random", {
  timeout: limitMs,
}, async () => {
  const result = await quick("schedules");
  expect(result.acknowledged).toBeGreaterThanOrEqual(200);
  expect(result.faults).toHaveLength(2);
});

test("a recall's receipt agrees with the mail server when APIs and workers are killed at random", {
  timeout: limitMs,
}, async () => {
  const result = await quick("recalls");
  expect(result).toMatchObject({ acknowledged: 400, lost: 0 });
  expect(result.played).toMatch(/\d+ stopped/);
  expect(result.faults).toHaveLength(2);
});

test("sends a frozen worker's deliveries from another worker and ignores its late outcomes", {
  timeout: limitMs,
}, async () => {
  const result = await quick("freezes");
  expect(result.faults).toHaveLength(1);
});

test("delivers every mail after the mail server was down or its network half-open", {
  timeout: limitMs,
}, async () => {
  const result = await quick("mail-server");
  expect(result.faults.map((one) => one.what)).toEqual(["away", "half-open"]);
});

test("only probes a mail server that is down from the start", {
  timeout: limitMs,
}, async () => {
  const result = await quick("outage");
  expect(result).toMatchObject({ acknowledged: 500, mails: 500, duplicates: 0 });
  expect([0.9, 1, 2.9, 3, 31, 61, 600].map(probesWithin)).toEqual([0, 1, 1, 2, 5, 6, 23]);
});

test.skipIf(noRabbitmq !== undefined)(
  "with RabbitMQ killed under load every create is acknowledged and mailed once",
  { timeout: limitMs },
  async () => {
    const result = await quick("broker");
    expect(result).toMatchObject({ refused: 0, unanswered: 0, duplicates: 0 });
  },
);

test("answers 201, or 503 with Retry-After, while MongoDB fails one command in ten", {
  timeout: limitMs,
}, async () => {
  const result = await quick("database-errors");
  expect(result.unanswered).toBe(0);
});

test("loses nothing acknowledged when the primary is killed, and recovers within seconds", {
  timeout: limitMs,
}, async () => {
  const result = await quick("primary");
  expect(result.unanswered).toBe(0);
  expect(result.slowestMs).toBeLessThan(20_000);
});

// Kills and a cluster to start: they belong to the suites on a cluster.
if (inject("isSharded")) {
  test("loses nothing acknowledged when shards' primaries, routers and config servers of a cluster are killed", {
    timeout: limitMs,
  }, async () => {
    const result = await quick("cluster");
    expect(result.faults).toHaveLength(5);
  });

  test("devices show the stored inbox after shards' primaries, routers and config servers of a cluster are killed", {
    timeout: limitMs,
  }, async () => {
    const result = await scenarios["cluster-live"].quick(place);
    process.stdout.write(`cluster-live: ${result.played}; ${result.notes.join(" ")}\n`);
    expect(result).toMatchObject({ kills: 1, resyncs: 0, gaps: 0, different: 0, problems: [] });
    expect(result.notes[0]).toMatch(/^([3-9]|\d\d+) kills of a shard's primary/);
  });
}

test("devices show the stored inbox after lost connections and killed instances", {
  timeout: limitMs,
}, async () => {
  const result = await scenarios.live.quick(place);
  process.stdout.write(`live: ${result.played}; ${result.messages} messages, ${result.resyncs} resyncs\n`);
  expect(result).toMatchObject({
    changes: 400,
    devices: 12,
    kills: 1,
    resyncs: 0,
    gaps: 0,
    different: 0,
    problems: [],
  });
  expect(result.drops).toBeGreaterThanOrEqual(30);
  expect(result.messages).toBeGreaterThan(100);
});

test("the same seed makes the same choices, another seed makes others", () => {
  const ten = (seed: number) => Array.from({ length: 10 }, createRandom(seed));
  expect(ten(7)).toEqual(ten(7));
  expect(ten(7)).not.toEqual(ten(8));
  expect(ten(7).every((one) => one >= 0 && one < 1)).toBe(true);
});

test("the comparison reports every difference from the answers", async () => {
  const service = await startService({ DB_URI: uri, EMAIL: "user@receiver.example" });
  const answers = new Map<number, Answer>();
  const user = new ObjectId();
  for (let n = 0; n < 4; n++) {
    const body = { user_id: user.toHexString(), key: "new_login", data: { n } };
    const { status } = await call(service.url, "POST", "/create", body);
    answers.set(n, { status, retryAfter: undefined, begun: 0, ms: 1 });
  }
  const books = deliveriesOf(db);
  await eventually(async () => (await books.countDocuments({ state: "sent" })) === 4, "all are sent");
  const all = await books.find().sort({ _id: 1 }).toArray();
  const receipts = all.map((one) => ({
    messageId: `<${one._id.toHexString()}@sender.example>`,
    subject: `n=${one.content.data?.n}`,
  }));
  const compare = (changes: Partial<Parameters<typeof audit>[0]> = {}) =>
    audit({ db, answers, receipts, apiUrl: () => service.url, drainSeconds: 1, mayBe: [], ...changes });
  const answered = (n: number, answer: Partial<Answer>) =>
    new Map(answers).set(n, { ...(answers.get(n) as Answer), ...answer });
  const [first, second] = all as [(typeof all)[number], (typeof all)[number]];

  expect(await compare()).toMatchObject({ acknowledged: 4, lost: 0, duplicates: 0, problems: [] });
  // The client's answers.
  const refusal = { status: 503, retryAfter: "2" };
  expect(await compare({ answers: answered(1, refusal), mayBe: ["503"] })).toMatchObject({
    refused: 1,
    storedAnyway: 1,
    problems: [],
  });
  for (const [answer, problem] of [
    [refusal, /1 creates were refused/],
    [{ status: 503 }, /1 answers that are neither 201 nor 503 with Retry-After: 503/],
    [{ status: 500 }, /1 answers that are neither/],
    [{ status: undefined }, /1 creates were not answered/],
    [{ ms: 20_001 }, /an answer took 20001 ms/],
  ] as const)
    expect((await compare({ answers: answered(1, answer) })).problems).toEqual([
      expect.stringMatching(problem),
    ]);
  const never = { status: 201, retryAfter: undefined, begun: 0, ms: 1 };
  expect(await compare({ answers: new Map(answers).set(9, never) })).toMatchObject({
    lost: 1,
    problems: [expect.stringMatching(/in no inbox: 9/), expect.stringMatching(/without a delivery: 9/)],
  });
  // The receipts.
  expect(await compare({ receipts: receipts.slice(1) })).toMatchObject({
    lost: 1,
    problems: [expect.stringMatching(/not mailed: 0/), expect.stringMatching(/not at the sink: 0/)],
  });
  expect(await compare({ receipts: [...receipts, receipts[0]!] })).toMatchObject({ duplicates: 1 });
  const stranger = { messageId: "<other@sender.example>", subject: "n=0" };
  expect((await compare({ receipts: [...receipts, stranger] })).problems).toEqual([
    expect.stringMatching(/Message-ID that is not their delivery's: n=0/),
  ]);
  // The database.
  await books.updateOne(
    { _id: first._id },
    { $set: { state: "pending", due: new Date(Date.now() + 60_000) } },
  );
  expect((await compare()).problems).toEqual([
    expect.stringMatching(/1 deliveries never ended/),
    expect.stringMatching(/otherwise than sent: pending/),
    expect.stringMatching(/^the ledger/),
  ]);
  await books.deleteOne({ _id: first._id });
  expect((await compare({ receipts: receipts.slice(1) })).problems).toEqual([
    expect.stringMatching(/without a delivery: 0/),
    expect.stringMatching(/inbox items without a delivery: 0/),
    expect.stringMatching(/^the ledger/),
  ]);
  await books.insertOne(first);
  expect((await compare()).problems).toEqual([]);
  const users = db.collection<{ _id: ObjectId; notifications: object[] }>("users");
  const { notifications } = (await users.findOne({ _id: user }))!;
  await users.updateOne({ _id: user }, { $push: { notifications: notifications[1]! } });
  expect((await compare()).problems).toEqual(["1 inbox items twice"]);
  await users.updateOne({ _id: user }, { $set: { notifications: notifications.slice(1) } });
  expect((await compare()).problems).toEqual([
    expect.stringMatching(/in no inbox: 0/),
    expect.stringMatching(/deliveries without their inbox item: 0/),
  ]);
  expect(second.state).toBe("sent");
});
