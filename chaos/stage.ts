import { randomBytes } from "node:crypto";
import { mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Db, MongoClient } from "mongodb";
import { connectionOn } from "../src/store/connect.ts";
import { shardSteps } from "../src/store/shard.ts";
import { type SmtpBehaviour, type SmtpSink, startSmtp } from "../test/support/smtp.ts";
import { type Audit, audit } from "./audit.ts";
import { type Callers, startCallers } from "./callers.ts";
import { createFleet, type Fleet, type Variables } from "./fleet.ts";
import { createRandom } from "./random.ts";

/** What scenarios run in. */
export interface Place {
  /** For temporary files. */
  folder: string;
  /** A replica set of one with `failCommand`. */
  mongoUri: string;
  seed: number;
  say: (line: string) => void;
}

export interface Fault {
  /** Seconds since the scenario's first create. */
  at: number;
  /** When it ended; absent when it was a moment. */
  until?: number;
  what: string;
}

/** What each scenario has to say. */
export interface Verdict {
  scenario: string;
  /** ISO 8601. */
  playedAt: string;
  seed: number;
  /** One sentence with the numbers of this run. */
  played: string;
  /** Seconds, until everything had ended. */
  took: number;
  /** Further figures, in words. */
  notes: string[];
  /** What should not be; empty when every promise was kept. */
  problems: string[];
}

/** Of a scenario about creates and their mails. */
export interface Result extends Audit, Verdict {
  faults: Fault[];
  /** At most so many mails may have gone out twice. */
  duplicatesAllowed: number;
  /** Each half second: creates acknowledged, and mails that the sink took. */
  acknowledgedAt: number[];
  mailedAt: number[];
}

export interface Stage {
  place: Place;
  db: Db;
  fleet: Fleet;
  sink: SmtpSink;
  random: () => number;
  /** Starts the load; the stage waits for its end. */
  load(options: { creates?: number; perSecond?: number }): Callers;
  /** Notes a fault now; the function it answers with notes its end. */
  fault(what: string): () => void;
}

/** What a scenario says about itself once it has played. */
interface Played {
  played: string;
  duplicatesAllowed: number;
  notes?: string[];
  problems?: string[];
}

export interface StageOptions {
  scenario: string;
  place: Place;
  mongoUri?: string;
  smtp?: SmtpBehaviour;
  /** What the service is told, beside what all scenarios have. */
  variables?: (sink: SmtpSink) => Promise<Variables> | Variables;
  /** The type's entry for e-mail; one mail for each create by default. */
  email?: object;
  /** Compares the records. */
  audit?: typeof audit;
  /** What a create may come to beside `201`; `503` counts with its `Retry-After` alone. */
  mayBe: Array<"503" | "unanswered">;
}

const inFlight = 32;
const people = 200;
/** How long what was accepted may take to its end, once nothing is broken any more. */
export const drainSeconds = 120;
const bucketMs = 500;

/** Sends under way at once in a worker process: also how many a kill may repeat. */
export const concurrency = 16;
/** Of a scenario that lasts for a time: on a machine that is slow or busy it goes on until so many are acknowledged. */
export const fewest = 200;

/** Sets a scenario up, plays it, waits until all is quiet and holds the three records against each other. */
export async function onStage(
  options: StageOptions,
  play: (stage: Stage) => Promise<Played>,
): Promise<Result> {
  const { place, scenario } = options;
  const folder = mkdtempSync(join(place.folder, "scenario-"));
  const mailed: number[] = [];
  const onData: SmtpBehaviour["onData"] = (mail, offered) => {
    const verdict = options.smtp?.onData?.(mail, offered);
    if (verdict === undefined) mailed.push(Date.now());
    return verdict;
  };
  const sink = await startSmtp({ ...options.smtp, onData });
  const name = `chaos_${randomBytes(6).toString("hex")}`;
  const uri = withDatabase(options.mongoUri ?? place.mongoUri, name);
  const client = new MongoClient(uri);
  const { db, routed } = await connectionOn(client, client.db(name));
  if (routed) for (const { run } of await shardSteps(db)) await run();
  const fleet = createFleet(
    {
      DB_URI: uri,
      EMAIL: "user@receiver.example",
      INBOX_LIMIT: "1000",
      RETRY_DELAY_MS: "500",
      DELIVERY_CONCURRENCY: String(concurrency),
      NOTIFICATION_TYPES_FILE: typesFile(folder, options.email),
      ...sink.variables,
      ...(await options.variables?.(sink)),
    },
    folder,
  );
  const faults: Fault[] = [];
  let callers: Callers | undefined;
  let began = Date.now();
  const seconds = () => Math.round((Date.now() - began) / 10) / 100;
  const stage: Stage = {
    place,
    db,
    fleet,
    sink,
    random: createRandom(place.seed),
    load({ creates = Number.POSITIVE_INFINITY, perSecond }) {
      began = Date.now();
      const urls = fleet.urls;
      callers = startCallers({
        urls,
        people: newUsers(people),
        creates,
        inFlight,
        ...(perSecond !== undefined && { perSecond }),
      });
      return callers;
    },
    fault(what) {
      const fault: Fault = { at: seconds(), what };
      faults.push(fault);
      return () => {
        fault.until = seconds();
      };
    },
  };

  try {
    const said = await play(stage);
    callers?.stop();
    await callers?.done;
    const answers: Callers["answers"] = callers?.answers ?? new Map();
    const found = await (options.audit ?? audit)({
      db: stage.db,
      answers,
      receipts: sink.mails,
      apiUrl: () => fleet.urls()[0] as string,
      drainSeconds,
      mayBe: options.mayBe,
    });
    const took = Math.ceil(seconds());
    const acknowledged = [...answers.values()].filter((one) => one.status === 201);
    const problems = [...found.problems, ...(said.problems ?? [])];
    if (found.duplicates > said.duplicatesAllowed)
      problems.push(`${found.duplicates} mails twice; at most ${said.duplicatesAllowed} are allowed`);
    return {
      scenario,
      playedAt: new Date(began).toISOString(),
      seed: place.seed,
      ...said,
      ...found,
      faults,
      took,
      acknowledgedAt: buckets(
        acknowledged.map((one) => one.begun + one.ms),
        began,
      ),
      mailedAt: buckets(mailed, began),
      notes: said.notes ?? [],
      problems,
    };
  } finally {
    callers?.stop();
    await fleet.close();
    await callers?.done;
    await sink.close();
    await tidy(stage.db);
    await client.close();
  }
}

/** Drops the database. Whoever was killed in a transaction left it open, and the drop would wait a minute and more for its end. */
export async function tidy(db: Db): Promise<void> {
  await db.client
    .db("admin")
    .command({ killAllSessions: [] })
    .catch(() => {});
  await db.dropDatabase().catch(() => {});
}

function buckets(times: number[], began: number): number[] {
  const counts: number[] = [];
  for (const time of times) {
    const bucket = Math.max(0, Math.floor((time - began) / bucketMs));
    counts[bucket] = (counts[bucket] ?? 0) + 1;
  }
  return Array.from(counts, (count) => count ?? 0);
}

export const newUsers = (count: number) =>
  Array.from({ length: count }, () => randomBytes(12).toString("hex"));

/** `option`: `name=value`. */
export const withOption = (uri: string, option: string) => `${uri}${uri.includes("?") ? "&" : "?"}${option}`;

/** Also for several hosts, which `URL` does not read. */
export const withDatabase = (uri: string, name: string) =>
  uri.replace(/^(mongodb:\/\/[^/]+)\/?/, `$1/${name}`);

/** The subject says which notification a mail is, so that the sink's record can be held against the answers. */
function typesFile(folder: string, email: object = { subject: "n={{ data.n }}" }): string {
  const file = join(folder, "types.json");
  writeFileSync(file, JSON.stringify({ new_login: { inbox: true, channels: { email } } }));
  return file;
}
