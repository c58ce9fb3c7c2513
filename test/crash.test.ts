import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect as connectSocket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ObjectId } from "mongodb";
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from "vitest";
import { deliveriesOf } from "../src/store/deliveries.ts";
import { freshDatabase } from "./support/database.ts";
import { sized } from "./support/form.ts";
import { freePort } from "./support/free-port.ts";
import { call } from "./support/http.ts";
import { eventually, type ServiceProcess, spawnService, type Variables } from "./support/service.ts";
import { type ReceivedMail, type SmtpBehaviour, type SmtpSink, startSmtp } from "./support/smtp.ts";

const leaseMs = 2_000;
/** For tests without a kill: an instance that gets no processor time for two seconds has lost nothing. */
const patientLeaseMs = "30000";
const concurrency = 16;
const { uri, db } = freshDatabase();
const deliveries = deliveriesOf(db);
const users = db.collection<{ _id: ObjectId; notifications?: Array<{ id: string; data: { n: number } }> }>(
  "users",
);
let dir: string;
let typesFile: string;

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "belfry-crash-"));
  typesFile = join(dir, "types.json");
  // The subject identifies the notification, so that the sink's record can be compared with the answers.
  const email = { subject: "n={{ data.n }}" };
  writeFileSync(typesFile, JSON.stringify({ new_login: { inbox: true, channels: { email } } }));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));
beforeEach(async () => {
  await Promise.all([users.deleteMany({}), deliveries.deleteMany({})]);
});

const variables = (sink: SmtpSink, more: Variables = {}): Variables => ({
  DB_URI: uri,
  EMAIL: "user@receiver.example",
  INBOX_LIMIT: "1000",
  LEASE_MS: String(leaseMs),
  RETRY_DELAY_MS: "100",
  DELIVERY_CONCURRENCY: String(concurrency),
  NOTIFICATION_TYPES_FILE: typesFile,
  ...sink.variables,
  ...more,
});
async function smtp(behaviour: SmtpBehaviour = {}): Promise<SmtpSink> {
  const sink = await startSmtp(behaviour);
  onTestFinished(() => sink.close());
  return sink;
}
const newUsers = (count: number) => Array.from({ length: count }, () => randomBytes(12).toString("hex"));
const numberOf = (mail: ReceivedMail) => Number(/^n=(\d+)$/.exec(mail.subject)?.[1]);

/** Sends each notification once, from `inFlight` concurrent callers. Records the answers. */
function callers(people: string[], inFlight: number, wanted: number) {
  const acknowledged = new Set<number>();
  const unclear = new Set<number>();
  let next = 0;
  let open = 0;
  let url = "";
  let stopped = false;
  /** Resolves when the service is up. */
  let up: Promise<void> = Promise.resolve();
  async function caller(): Promise<void> {
    while (acknowledged.size + open < wanted && !stopped) {
      open++;
      await up;
      const n = next++;
      const body = { user_id: people[n % people.length], key: "new_login", data: { n } };
      const answer = await call(url, "POST", "/create", body).catch(() => undefined);
      open--;
      if (answer?.status === 201) acknowledged.add(n);
      else unclear.add(n);
    }
  }
  return {
    acknowledged,
    unclear,
    start(at: string): Promise<unknown> {
      url = at;
      return Promise.all(Array.from({ length: inFlight }, caller));
    },
    /** No request is sent until `back` resolves. */
    holdUntil(back: Promise<ServiceProcess>) {
      up = back.then((service) => {
        url = service.url;
      });
    },
    stop() {
      stopped = true;
    },
  };
}

/** How many times each Message-ID arrived beyond the first. */
function duplicatesIn(sink: SmtpSink): number {
  return sink.mails.length - new Set(sink.mails.map((mail) => mail.messageId)).size;
}

const unfinished = () => deliveries.countDocuments({ state: { $in: ["pending", "sending"] } });
const quiet = () => eventually(async () => (await unfinished()) === 0, "nothing is left to send");

/**
 * Every acknowledged notification is in its inbox and in the sink. Nothing is there twice, except a mail repeated by
 * a crash.
 */
async function audit(
  sink: SmtpSink,
  acknowledged: Set<number>,
  asked: number,
): Promise<{ duplicates: number }> {
  const stored = await users.find().toArray();
  const items = stored.flatMap((user) => user.notifications ?? []);
  const numbers = items.map((item) => item.data.n);
  expect(new Set(numbers).size, "a notification is in an inbox twice").toBe(numbers.length);
  expect(new Set(items.map((item) => item.id)).size).toBe(items.length);
  const inInbox = new Set(numbers);
  const mailed = new Set(sink.mails.map(numberOf));
  expect(
    [...acknowledged].filter((n) => !inInbox.has(n)),
    "acknowledged, but in no inbox",
  ).toEqual([]);
  expect(
    [...acknowledged].filter((n) => !mailed.has(n)),
    "acknowledged, but not mailed",
  ).toEqual([]);
  expect(numbers.filter((n) => n >= asked)).toEqual([]);

  // The ledger: each stored notification has one delivery, sent, and each mail belongs to one.
  const ledger = await deliveries.find().toArray();
  expect(new Set(ledger.map((one) => one.state))).toEqual(new Set(["sent"]));
  expect(ledger.map((one) => one.notification.toHexString()).sort()).toEqual(
    items.map((item) => item.id).sort(),
  );
  expect(ledger.filter((one) => one.lease)).toEqual([]);
  const known = new Set(ledger.map((one) => `<${one._id.toHexString()}@sender.example>`));
  expect(new Set(sink.mails.map((mail) => mail.messageId))).toEqual(known);
  return { duplicates: duplicatesIn(sink) };
}

// The quick form; `npm run chaos` has 200 kills in 20,000 creates.
test("after kills during creates, every acknowledged one is in the inbox and its mail arrives", async () => {
  const kills = sized(5, 2);
  const wanted = sized(1_000, 300);
  const sink = await smtp();
  const settings = variables(sink, { PORT: await freePort() });
  let service = await spawnService(settings);
  const clients = callers(newUsers(8), 32, wanted);
  onTestFinished(() => clients.stop());
  const done = clients.start(service.url);
  for (let kill = 1; kill <= kills; kill++) {
    const at = (wanted * kill) / (kills + 1);
    await eventually(() => clients.acknowledged.size >= at, `${at} are acknowledged`, 60);
    service.kill("SIGKILL");
    const back = service.ended.then(() => spawnService(settings));
    clients.holdUntil(back);
    service = await back;
  }
  await done;
  await quiet();
  const asked = clients.acknowledged.size + clients.unclear.size;
  expect(clients.acknowledged.size).toBe(wanted);
  const { duplicates } = await audit(sink, clients.acknowledged, asked);
  process.stdout.write(
    `${kills} kills in ${wanted} creates: ${clients.unclear.size} unanswered, 0 acknowledged lost, ${duplicates} mails twice (at most ${kills * concurrency}), 0 inbox items twice\n`,
  );
  expect(duplicates).toBeLessThanOrEqual(kills * concurrency);
}, 240_000);

test("when an instance freezes for two leases another takes over, late outcomes are refused and few mails are sent twice", async () => {
  const few = 4;
  // It answers only on demand, so that sends are in progress when the instance is frozen.
  const asked: Array<() => void> = [];
  let answering = false;
  const sink = await smtp({
    options: {
      onRcptTo: (_address, _session, callback) => void (answering ? callback() : asked.push(callback)),
    },
  });
  const settings = variables(sink, { DELIVERY_CONCURRENCY: String(few) });
  const frozen = await spawnService(settings);
  const clients = callers(newUsers(3), 32, 60);
  await clients.start(frozen.url);
  await eventually(() => asked.length === few, "it is sending");
  frozen.kill("SIGSTOP");
  const since = Date.now();
  expect(await unfinished()).toBe(60);
  answering = true;
  await spawnService(settings);
  await eventually(
    async () => (await deliveries.countDocuments({ interruptions: { $gte: 1 } })) >= few,
    "the other has taken over",
    leaseMs / 1000 + 15,
  );
  for (const answer of asked) answer();
  await quiet();
  await eventually(() => Date.now() - since >= 2 * leaseMs, "two leases have passed");
  const before = sink.mails.length;
  frozen.kill("SIGCONT");
  // Refused, or not even stored if its connections died meanwhile.
  const tooLate = /late outcomes refused|an outcome could not be stored/;
  await eventually(() => tooLate.test(frozen.output()), "its outcomes come too late");

  // It continues with new deliveries only.
  const again = callers(newUsers(1), 4, 20);
  await again.start(frozen.url);
  await quiet();
  const mailed = sink.mails.map((mail) => mail.messageId);
  expect(new Set(mailed).size).toBe(80);
  expect(mailed.length - before).toBeLessThanOrEqual(20 + few);
  const duplicates = duplicatesIn(sink);
  process.stdout.write(`frozen for ${Date.now() - since} ms: ${duplicates} mails twice (at most ${few})\n`);
  expect(duplicates).toBeLessThanOrEqual(few);
  expect(await deliveries.countDocuments({ state: "sent" })).toBe(80);
});

test("a restart on the same data sends each remaining mail once", async () => {
  const gone = await startSmtp({ port: Number(await freePort()) });
  await gone.close();
  const settings = variables(gone, { MAX_RETRIES: "100", RETRY_FACTOR: "1" });
  const first = await spawnService(settings);
  const clients = callers(newUsers(4), 8, 40);
  await clients.start(first.url);
  await eventually(
    // Not every mail: after some failures the breaker pauses the server.
    async () => (await deliveries.countDocuments({ tries: { $gte: 1 } })) >= 5,
    "some were tried",
  );
  expect(await deliveries.countDocuments()).toBe(40);
  first.kill("SIGKILL");
  await first.ended;
  const sink = await smtp({ port: gone.port });
  await spawnService(settings);
  await quiet();
  expect(await audit(sink, clients.acknowledged, 40)).toEqual({ duplicates: 0 });
  expect(sink.mails).toHaveLength(40);
});

test("two instances on one database send 500 mails, each exactly once, and both send", async () => {
  const sink = await smtp(takingMs(5));
  const settings = variables(sink, { LEASE_MS: patientLeaseMs });
  const both = await Promise.all([spawnService(settings), spawnService(settings)]);
  const people = newUsers(20);
  const clients = both.map(() => callers(people, 32, 250));
  await Promise.all(clients.map((one, index) => one.start((both[index] as ServiceProcess).url)));
  await quiet();
  expect(clients.map((one) => [one.acknowledged.size, one.unclear.size])).toEqual([
    [250, 0],
    [250, 0],
  ]);
  expect(sink.mails).toHaveLength(500);
  expect(duplicatesIn(sink)).toBe(0);
  for (const { url } of both) {
    const { body } = await call(url, "GET", "/metrics");
    const sent = /^belfry_deliveries_total\{channel="email",outcome="sent"\} (\d+)$/m.exec(body)?.[1];
    expect(Number(sent)).toBeGreaterThan(0);
  }
});

test("SIGTERM under load answers requests in progress, leaves no lease and exits with 0 in time", async () => {
  const sink = await smtp(takingMs(50));
  const settings = variables(sink, { LEASE_MS: patientLeaseMs });
  const service = await spawnService(settings);
  const clients = callers(newUsers(8), 64, 100_000);
  onTestFinished(() => clients.stop());
  const done = clients.start(service.url);
  await eventually(() => clients.acknowledged.size >= 300, "it is under load");
  // A client that never finishes its request must not hold up the rest.
  const { hostname, port } = new URL(service.url);
  const stalled = connectSocket(Number(port), hostname);
  onTestFinished(() => void stalled.destroy());
  stalled.on("error", () => {});
  stalled.write(
    "POST /create HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{",
  );
  await eventually(() => stalled.bytesWritten > 0 && !stalled.connecting, "the slow client has begun");

  const begun = Date.now();
  service.kill("SIGTERM");
  expect(await service.ended).toBe(0);
  const took = Date.now() - begun;
  clients.stop();
  await done;
  expect(took).toBeLessThan(15_000);
  expect(service.output()).toMatch(/"stopped"/);
  expect(await deliveries.countDocuments({ lease: { $exists: true } })).toBe(0);
  // Everything stored was also answered: no accepted request was dropped.
  const items = (await users.find().toArray()).flatMap((user) => user.notifications ?? []);
  expect(items.map((item) => item.data.n).filter((n) => !clients.acknowledged.has(n))).toEqual([]);
  expect(items).toHaveLength(clients.acknowledged.size);
  process.stdout.write(`SIGTERM under load: ended after ${took} ms\n`);

  await spawnService({ ...settings, DELIVERY_CONCURRENCY: "64" });
  await quiet();
  expect(duplicatesIn(sink)).toBe(0);
  expect(sink.mails).toHaveLength(items.length);
});

test("a second SIGTERM exits at once, even while a mail server hangs", async () => {
  let asked = 0;
  const sink = await smtp({ options: { onRcptTo: () => void asked++ } });
  const service = await spawnService(variables(sink));
  await callers(newUsers(1), 1, 1).start(service.url);
  await eventually(() => asked === 1, "the mail server was asked");
  service.kill("SIGTERM");
  await eventually(() => /"stopping"/.test(service.output()), "it is stopping");
  expect(service.child.exitCode).toBeNull();
  const second = Date.now();
  service.kill("SIGTERM");
  expect(await service.ended).toBe(1);
  expect(Date.now() - second).toBeLessThan(1_000);
  expect(service.output()).not.toMatch(/"stopped"/);
});

/** A mail server that delays its answer to each recipient. */
function takingMs(ms: number): SmtpBehaviour {
  return { options: { onRcptTo: (_address, _session, callback) => void setTimeout(callback, ms) } };
}
