import { Agent } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { ObjectId } from "mongodb";
import { SMTPServer } from "smtp-server";
import type { Contender } from "./contenders.ts";
import { userId } from "./data.ts";
import { median } from "./figures.ts";
import { create } from "./peers-rates.ts";
import type { Stage } from "./stage.ts";

/** Compares the callers' answers, the inboxes and the mail server's record. */
export interface KillResult {
  contender: string;
  victim: string;
  /** ISO 8601. */
  measuredAt: string;
  kills: number;
  /** No mail went out for `stuckSeconds` after the last kill, so there were no more. */
  isStuck?: true;
  asked: number;
  /** Answered with 201, perhaps after retries. */
  acknowledged: number;
  /** Creates that needed more than one request. */
  retried: number;
  /** Acknowledged, but not in the inbox. */
  notInInbox: number;
  /** Acknowledged, but never mailed. */
  notMailed: number;
  inInboxTwice: number;
  mailedTwice: number;
  /** Never acknowledged: nearly all of callers that do not retry. */
  gaveUp: number;
  /** Of those: in the inbox without a mail, or the other way round. */
  halfDone: number;
  /** Seconds from the 201 to the mail, at most. */
  slowestMail: number;
  /** Median of the seconds from a kill until creates are acknowledged and mails go out again. */
  back: number;
}

const createsPerSecond = 100;
/** One caller in four does not retry. */
const retries = (n: number) => n % 4 !== 0;
/** The first wait; each is twice as long as the last, with jitter. */
const retryMs = 250;
const mostRetryMs = 2_000;
const retryForMs = 60_000;
/** Accepted mails are answered after this long: as quick as a mail server nearby. */
const mailServerMs = 20;
/** When a dead worker's jobs go to another one; all contenders have the same. */
export const lockMs = 30_000;
/** BullMQ looks for stalled jobs each 30 s, and a lock lives for 30 s: longer than both. */
const takeoverMs = 65_000;
const quietMs = 5_000;
const users = 100_000;
export const stuckSeconds = 90;

interface Recorder {
  port: number;
  /** When the mails of each address came, Unix milliseconds. */
  mails: Map<number, number[]>;
  close(): Promise<void>;
}

interface Options {
  stage: Stage;
  kills: number;
  victim: string;
  create: (database: string, smtpPort: number) => Promise<Contender>;
}

interface Outcome {
  requests: number;
  /** When it was answered with 201. */
  acknowledgedAt?: number;
}

/** A load of creates, each for a user of its own, while one process is killed and started again and again. */
export async function measureKills(options: Options): Promise<KillResult> {
  const { stage, kills, victim } = options;
  const measuredAt = new Date().toISOString();
  const database = `kills_${Date.now()}`;
  const db = stage.client.db(database);
  const inboxes = db.collection<{ notifications?: unknown[] }>("users");
  for (let from = 0; from < users; from += 10_000)
    await db.collection("users").insertMany(
      Array.from({ length: 10_000 }, (_, index) => ({
        _id: new ObjectId(userId(from + index)),
        email: `n${from + index}@receiver.invalid`,
      })),
    );
  const recorder = await startRecorder();
  const contender = await options.create(database, recorder.port);
  const program = contender.programs.find((one) => one.name === victim);
  if (!program) throw new Error(`${contender.name} has no process ${victim}`);
  let callers: Callers | undefined;
  try {
    await contender.start();
    callers = startCallers(contender.url);
    const back: number[] = [];
    if (!(await works(callers, recorder))) throw new Error(`${contender.name} does not work`);
    let count = 0;
    let isStuck = false;
    while (count < kills && !isStuck) {
      count++;
      await sleep(200 + Math.random() * 800);
      const killedAt = performance.now();
      await program.kill();
      await program.start();
      isStuck = !(await works(callers, recorder));
      back.push((performance.now() - killedAt) / 1000);
      if (count % 10 === 0) stage.say(`  ${count} kills, ${callers.acknowledged()} creates acknowledged`);
    }
    const outcomes = await callers.stop();
    stage.say("  waiting for what the dead held");
    await quiet(recorder);

    const stored = new Map<number, number>();
    for await (const { _id, notifications } of inboxes.find({ "notifications.0": { $exists: true } }))
      stored.set(Number.parseInt(_id.toHexString().slice(-6), 16), notifications?.length ?? 0);
    return {
      contender: contender.name,
      victim,
      measuredAt,
      kills: count,
      ...(isStuck && { isStuck: true as const }),
      ...audit(outcomes, stored, recorder.mails),
      back: median(back),
    };
  } finally {
    callers?.giveUp();
    await contender.stop();
    await recorder.close();
  }
}

function audit(outcomes: Outcome[], stored: Map<number, number>, mails: Map<number, number[]>) {
  const all = outcomes.map((one, n) => ({
    ...one,
    items: stored.get(n) ?? 0,
    mails: mails.get(n)?.length ?? 0,
    mailedAt: mails.get(n)?.[0],
  }));
  const acknowledged = all.filter((one) => one.acknowledgedAt !== undefined);
  const others = all.filter((one) => one.acknowledgedAt === undefined);
  const count = (of: typeof all, is: (one: (typeof all)[number]) => boolean) => of.filter(is).length;
  const waits = acknowledged.flatMap(({ acknowledgedAt = 0, mailedAt }) =>
    mailedAt === undefined ? [] : [Math.max(0, mailedAt - acknowledgedAt) / 1000],
  );
  return {
    asked: all.length,
    acknowledged: acknowledged.length,
    retried: count(all, (one) => one.requests > 1),
    notInInbox: count(acknowledged, (one) => one.items === 0),
    notMailed: count(acknowledged, (one) => one.mails === 0),
    inInboxTwice: count(all, (one) => one.items > 1),
    mailedTwice: count(all, (one) => one.mails > 1),
    gaveUp: others.length,
    halfDone: count(others, (one) => one.items > 0 !== one.mails > 0),
    slowestMail: waits.reduce((most, one) => Math.max(most, one), 0),
  };
}

interface Callers {
  acknowledged(): number;
  /** No more creates; resolves once each has been answered or given up. */
  stop(): Promise<Outcome[]>;
  giveUp(): void;
}

function startCallers(url: string): Callers {
  const agent = new Agent({ keepAlive: true, maxSockets: 256 });
  const outcomes: Outcome[] = [];
  const open = new Set<Promise<void>>();
  let acknowledged = 0;

  async function call(n: number): Promise<void> {
    const outcome: Outcome = { requests: 0 };
    outcomes[n] = outcome;
    const until = Date.now() + retryForMs;
    do {
      const wait = Math.min(mostRetryMs, retryMs * 2 ** (outcome.requests - 1));
      if (outcome.requests > 0) await sleep(wait * (0.5 + Math.random()));
      outcome.requests++;
      if ((await create(url, agent, userId(n), `key-${n}`)) === 201) {
        outcome.acknowledgedAt = Date.now();
        acknowledged++;
        return;
      }
    } while (retries(n) && Date.now() < until && !givenUp);
  }

  let givenUp = false;
  const began = Date.now();
  const timer = setInterval(() => {
    const due = Math.min(users, ((Date.now() - began) / 1000) * createsPerSecond);
    while (outcomes.length < due) {
      const one = call(outcomes.length).finally(() => open.delete(one));
      open.add(one);
    }
  }, 20);
  return {
    acknowledged: () => acknowledged,
    async stop() {
      clearInterval(timer);
      await Promise.all(open);
      agent.destroy();
      return outcomes;
    },
    giveUp() {
      givenUp = true;
      clearInterval(timer);
    },
  };
}

/** Whether creates are acknowledged and mails go out again. */
async function works(callers: Callers, recorder: Recorder): Promise<boolean> {
  const [acknowledged, mailed] = [callers.acknowledged(), recorder.mails.size];
  const end = performance.now() + stuckSeconds * 1_000;
  while (performance.now() < end) {
    if (callers.acknowledged() > acknowledged && recorder.mails.size > mailed) return true;
    await sleep(20);
  }
  return false;
}

/** Until what the dead held has been taken over, and no more mails come. */
async function quiet(recorder: Recorder): Promise<void> {
  const taken = () => [...recorder.mails.values()].reduce((sum, times) => sum + times.length, 0);
  const end = Date.now() + takeoverMs;
  for (let before = -1; Date.now() < end || taken() !== before; ) {
    before = taken();
    await sleep(quietMs);
  }
}

/** A mail counts as sent once the server has all of it, whether or not its sender lives to see the reply. */
async function startRecorder(): Promise<Recorder> {
  const mails = new Map<number, number[]>();
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ["STARTTLS"],
    disableReverseLookup: true,
    logger: false,
    onData(stream, session, callback) {
      stream.resume();
      stream.on("end", () => {
        const n = Number(/^n(\d+)@/.exec(session.envelope.rcptTo[0]?.address ?? "")?.[1]);
        mails.set(n, [...(mails.get(n) ?? []), Date.now()]);
        setTimeout(callback, mailServerMs);
      });
    },
  });
  // Senders die in the middle of a mail.
  server.on("error", () => {});
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const address = server.server.address();
  if (address === null || typeof address === "string") throw new Error("the mail server has no port");
  return {
    port: address.port,
    mails,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
