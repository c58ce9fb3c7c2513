import { setTimeout as sleep } from "node:timers/promises";
import { ObjectId } from "mongodb";
import { type Broker, rabbitmqMissing, startRabbitmq } from "../test/support/rabbitmq.ts";
import { fill, newDelivery, randomUser, someOpen } from "./data.ts";
import {
  type Case,
  cases,
  type DrainResults,
  type DrainStep,
  growing,
  judge,
  sizes,
  write,
} from "./drain-report.ts";
import { pidInGroup, watchCpu } from "./machine.ts";
import { type Mail, startMailer } from "./mailer.ts";
import { calmness, isCalm, others, table } from "./report.ts";
import { startService, stopServices } from "./service.ts";
import { startSink } from "./sink.ts";
import { setUp } from "./stage.ts";

const backlog = Number(process.env.BENCH_BACKLOG ?? 10_000);
const rounds = Number(process.env.BENCH_ROUNDS ?? 5);
/** `BENCH_ONLY=mongodb` runs the cases whose names contain it, prints, and writes nothing. */
const only = process.env.BENCH_ONLY;
/** A folder that the workers write CPU profiles to. */
const profile = process.env.BENCH_PROFILE;
/** Sent before what counts: compiles the code, opens the connections. */
const warmUp = 3_000;
/** How many disturbed steps may be measured once more. */
let repeats = 6;

const chosen = cases.filter(({ name }) => only === undefined || name.includes(only));
const { say, folder, mongod, client, uriOf, facts, strike } = await setUp("drain");
const sink = await startSink();
const withoutBroker = chosen.some((one) => one.queue === "RabbitMQ")
  ? await rabbitmqMissing()
  : "not asked for";
const broker: Broker | undefined = withoutBroker === undefined ? await startRabbitmq() : undefined;
const mail = await renderedMail();
let databases = 0;
try {
  const steps: DrainStep[] = [];
  for (let round = 1; round <= rounds; round++) {
    for (const one of chosen) {
      if (one.queue === "RabbitMQ" && !broker) continue;
      steps.push(await calmest(one, backlog, round));
    }
    if (only === undefined) steps.push(await calmest(growing, sizes[0], round));
  }
  if (only === undefined) steps.push(await calmest(growing, sizes[2], 1));

  const results: DrainResults = {
    ...facts,
    backlog,
    rounds,
    steps,
  };
  say("done\n");
  const verdicts = judge(results);
  process.stdout.write(`${table(verdicts)}\n\n${calmness(results)}\n`);
  if (only !== undefined || backlog !== sizes[1])
    process.stdout.write("Nothing written: not the whole run.\n");
  else if (steps.filter(isCalm).length < steps.length / 2)
    process.stdout.write("Nothing written: the machine was too busy.\n");
  else for (const file of write(results, verdicts)) process.stdout.write(`wrote ${file}\n`);
} catch (error) {
  process.stderr.write(`${(error as Error).stack}\n`);
  process.exitCode = 1;
} finally {
  await stopServices();
  await sink.stop();
  await broker?.close();
  await strike();
}

/** A step that something else on the machine has disturbed is measured once more; the calmer one counts. */
async function calmest(one: Case, count: number, round: number): Promise<DrainStep> {
  const measured: DrainStep[] = [];
  do {
    const run = one.queue === "none" ? await sendPlainly(one, count) : await drain(one, count);
    const step = { name: one.name, count, round, ...run };
    say(`round ${round}/${rounds}  ${describe(step)}`);
    measured.push(step);
  } while (measured.length < 2 && !measured.some(isCalm) && repeats-- > 0);
  return measured.reduce((best, each) => (others(each) < others(best) ? each : best));
}

type Figures = Omit<DrainStep, "name" | "count" | "round">;

async function sendPlainly({ processes, connections }: Case, count: number): Promise<Figures> {
  const mailers = await Promise.all(
    Array.from({ length: processes }, () => startMailer({ port: sink.port, connections, mail })),
  );
  const send = (total: number, at: number) => {
    const receipts = sink.expect(total);
    for (const mailer of mailers) mailer.send(total / processes, at);
    return receipts;
  };
  await send(warmUp, Date.now());
  const at = Date.now() + 300;
  const receipts = send(count, at);
  await sleep(at - Date.now());
  const cpuSince = watchCpu({ ...numbered("mailer", mailers), sink: sink.pid, mongod: mongod.pid });
  const { first, last, bytes } = await receipts;
  const cpu = cpuSince();
  await Promise.all(mailers.map((mailer) => mailer.stop()));
  const seconds = (last - first) / 1000;
  return { rate: (count - 1) / seconds, seconds, bytes: Math.round(bytes / count), cpu };
}

/** Workers that have warmed up wait idle until the whole backlog comes due in one moment. */
async function drain({ queue, processes, connections }: Case, count: number): Promise<Figures> {
  const db = client.db(`bench_drain_${databases++}`);
  await fill(db, 0);
  const variables = {
    ROLES: "worker",
    DB_URI: uriOf(db.databaseName),
    SMTP_HOST: "127.0.0.1",
    SMTP_PORT: String(sink.port),
    SMTP_TLS: "none",
    SMTP_EMAIL: "belfry@belfry.invalid",
    SMTP_CONNECTIONS: String(connections),
    DELIVERY_CONCURRENCY: String(2 * connections),
    ...(queue === "RabbitMQ" && { AMQP_URL: (broker as Broker).url }),
  };
  const nodeOptions = profile ? ["--cpu-prof", `--cpu-prof-dir=${profile}`] : [];
  const workers = await Promise.all(
    Array.from({ length: processes }, () => startService(variables, folder, nodeOptions)),
  );
  const announcer = queue === "RabbitMQ" ? await startAnnouncer() : undefined;
  try {
    const warm = sink.expect(warmUp);
    const inserting = performance.now();
    const early = await insert(warmUp, new Date());
    const perDocument = (performance.now() - inserting) / warmUp;
    announcer?.announce(early);
    await warm;
    await settled();

    const received = sink.expect(count);
    // Twice as long as it should take: all of it must be there before any of it is due.
    const due = Date.now() + 500 + 2 * count * perDocument;
    const ids = await insert(count, new Date(due));
    if (Date.now() > due) throw new Error("the backlog was due before it was complete");
    await sleep(due - Date.now());
    const pids = { ...numbered("belfry", workers), sink: sink.pid, mongod: mongod.pid };
    const beam = broker && pidInGroup(broker.group, "beam.smp");
    const cpuSince = watchCpu({ ...pids, ...(beam && { rabbitmq: beam }) });
    announcer?.announce(ids);
    const { first, last, bytes } = await received;
    const cpu = cpuSince();
    await settled();
    const [end] = await deliveries().find().sort({ updatedAt: -1 }).limit(1).toArray();
    const sent = await deliveries().countDocuments({ state: "sent" });
    if (sent !== count + warmUp) throw new Error(`${sent} of ${count + warmUp} deliveries are sent`);
    const taken = await sink.taken();
    if (taken !== count) throw new Error(`${taken} mails arrived for ${count} deliveries`);
    const seconds = (last - first) / 1000;
    const settledSeconds = (Math.max(end?.updatedAt.getTime() ?? 0, last) - first) / 1000;
    return { rate: (count - 1) / seconds, seconds, settledSeconds, bytes: Math.round(bytes / count), cpu };
  } finally {
    await announcer?.close();
    await Promise.all(workers.map((worker) => worker.stop()));
    await db.dropDatabase();
  }

  function deliveries() {
    return db.collection("deliveries");
  }

  /** All at once in the order of their due time; the ids are what a queue would be told. */
  async function insert(total: number, at: Date): Promise<Array<{ id: string; channel: "email" }>> {
    const ids: Array<{ id: string; channel: "email" }> = [];
    for (let from = 0; from < total; from += 1_000) {
      const page = Array.from({ length: Math.min(1_000, total - from) }, () =>
        newDelivery(randomUser(), new ObjectId().toHexString(), at),
      );
      await deliveries().insertMany(page as never[], { ordered: false });
      for (const { _id } of page) ids.push({ id: _id.toHexString(), channel: "email" });
    }
    return ids;
  }

  async function settled(): Promise<void> {
    while (await someOpen(db)) await sleep(20);
  }
}

/** What tells the workers, as a process with the `api` role does: the service's own, taken from the build at run time. */
async function startAnnouncer() {
  const built = new URL("../queue/rabbitmq.js", import.meta.url).href;
  const { createRabbitmqQueue } = await import(built);
  const queue = createRabbitmqQueue({
    url: (broker as Broker).url,
    exchange: "belfry",
    queue: "belfry.deliveries",
    routingKey: "delivery",
    now: Date.now,
    log: { info() {}, warn: (_: object, message: string) => say(message) },
  });
  while (queue.state().state !== "connected") await sleep(20);
  return queue as { announce(ids: Array<{ id: string; channel: "email" }>): void; close(): Promise<void> };
}

/** What Belfry makes of the backlog's deliveries. */
async function renderedMail(): Promise<Mail> {
  const { createTypeRegistry } = await import(new URL("../core/notification-types.js", import.meta.url).href);
  const { registry } = createTypeRegistry({ delayMs: 1, factor: 1, maxRetries: 1 });
  return registry.render("email", newDelivery(randomUser(), new ObjectId().toHexString()).content).parts;
}

function numbered(name: string, processes: Array<{ pid: number }>): Record<string, number> {
  return Object.fromEntries(
    processes.map(({ pid }, index) => [index === 0 ? name : `${name} ${index + 1}`, pid]),
  );
}

function describe({ name, count, rate, seconds, cpu }: DrainStep): string {
  const perDelivery = (percent: number) => Math.round(((percent / 100) * seconds * 1e6) / count);
  const used = Object.entries(cpu).map(([process, percent]) =>
    process === "others" ? `others ${percent} %` : `${process} ${percent} % = ${perDelivery(percent)} µs`,
  );
  const times = `${String(count).padStart(7)} in ${seconds.toFixed(2).padStart(5)} s`;
  return `${name.padEnd(18)}${times} ${rate.toFixed(0).padStart(6)}/s  (${used.join(", ")})`;
}
