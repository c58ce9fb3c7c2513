import { pino } from "pino";
import { type Config, ConfigError, readConfig } from "../config.ts";
import { openLines } from "../lines.ts";
import { SendError } from "../model/delivery.ts";
import { openCatalog } from "../parts.ts";
import { createServerClock } from "../store/clock.ts";
import { connect } from "../store/connect.ts";
import { databaseUri } from "./open.ts";
import { watched } from "./terminal.ts";

/** `bad`: the service does not work so. `note`: it works, but perhaps not as meant. */
export interface Finding {
  verdict: "ok" | "note" | "bad";
  what: string;
  says: string;
  /** What to do about it. */
  advice?: string;
}

/** Leases and dues are on MongoDB's clock; what people read in logs is on this machine's. */
const clockToleranceMs = 2_000;
const brokerPatienceMs = 5_000;

/** Everything that the service needs, looked at one by one. */
export async function* examine(): AsyncGenerator<Finding> {
  let config: Config;
  try {
    const read = readConfig();
    config = read.config;
    yield { verdict: "ok", what: "configuration", says: "every value is understood" };
    if (read.unknown.length > 0)
      yield {
        verdict: "note",
        what: "configuration",
        says: `.env has names that mean nothing here: ${read.unknown.join(", ")}`,
      };
  } catch (error) {
    yield* problemsOf(
      error,
      "Correct it in the environment or in .env; config.example.env explains each name.",
    );
    return;
  }
  try {
    const { keys } = await openCatalog(config);
    yield { verdict: "ok", what: "types", says: keys.join(", ") };
  } catch (error) {
    yield* problemsOf(error, "Correct the file; the service does not start with it.");
  }
  yield* examineDatabase(config);
  yield* examineProviders(config);
  if (config.AMQP_URL !== undefined) yield await examineBroker(config.AMQP_URL);
}

function* problemsOf(error: unknown, advice: string): Generator<Finding> {
  if (!(error instanceof ConfigError)) throw error;
  for (const says of error.problems) yield { verdict: "bad", what: "configuration", says, advice };
}

async function* examineDatabase(config: Config): AsyncGenerator<Finding> {
  const what = "MongoDB";
  const uri = await databaseUri(config);
  if (uri === undefined) {
    yield {
      verdict: "note",
      what,
      says: `DB_URI is not set and no Belfry runs on ${config.DATA_DIR}`,
      advice: "`npm start` brings a MongoDB of its own; set DB_URI to use yours.",
    };
    return;
  }
  const connection = await watched("connecting to MongoDB", connect(uri)).catch((error: Error) => error);
  if (connection instanceof Error) {
    yield {
      verdict: "bad",
      what,
      says: `cannot be used: ${withoutSecrets(connection.message)}`,
      advice: /auth/i.test(connection.message)
        ? "Check the user and the password in DB_URI, and its authSource."
        : "Check the host and the port in DB_URI, and that mongod runs and lets this machine in.",
    };
    return;
  }
  try {
    const { db, transactions, serverVersion } = connection;
    yield { verdict: "ok", what, says: `${serverVersion}, database ${db.databaseName}` };
    if (Number.parseInt(serverVersion, 10) < 6)
      yield { verdict: "bad", what, says: `${serverVersion} is too old`, advice: "Use MongoDB 6 or newer." };
    yield transactions
      ? { verdict: "ok", what, says: "a replica set: inbox and deliveries are stored together" }
      : {
          verdict: "note",
          what,
          says: "a standalone server: a crash can leave a mail without its inbox item",
          advice: "Make it a replica set of one: start mongod with --replSet and run rs.initiate().",
        };
    const clock = createServerClock(db);
    await clock.sync();
    const offset = Math.round(clock.now() - Date.now());
    yield Math.abs(offset) <= clockToleranceMs
      ? { verdict: "ok", what, says: `its clock and ours agree (${offset} ms apart)` }
      : {
          verdict: "note",
          what,
          says: `its clock is ${offset} ms from ours; Belfry follows MongoDB's`,
          advice: "Let both machines keep time with NTP, or logs and books will not match.",
        };
  } finally {
    await connection.client.close();
  }
}

async function* examineProviders(config: Config): AsyncGenerator<Finding> {
  const lines = await openLines(config, {
    capture: async () => [],
    now: Date.now,
    log: pino({ level: "silent" }),
  }).catch((error: unknown) => error);
  if (lines instanceof Error || !isLines(lines)) {
    yield* problemsOf(lines, "Set its variables, or take it out of the list.");
    return;
  }
  for (const [channel, all] of Object.entries(lines)) {
    for (const { provider } of all) {
      const what = `${channel}: ${provider.name}`;
      if (provider.name === "capture")
        yield {
          verdict: "note",
          what,
          says: "nothing is sent: messages are captured and shown at GET /v1/captured",
          advice:
            channel === "email"
              ? "Set SMTP_HOST or Mailgun's variables to send."
              : "Set Twilio's variables to send.",
        };
      else if (provider.verify) {
        const failure = await watched(`asking ${provider.name}`, provider.verify()).catch(
          (error: unknown) => error,
        );
        yield failure === undefined
          ? { verdict: "ok", what, says: "answers, and takes our login" }
          : { verdict: "bad", what, ...refusalOf(failure, provider.name) };
      } else yield { verdict: "ok", what, says: "is configured (it cannot be asked without sending)" };
      await provider.close();
    }
  }
}

function isLines(lines: unknown): lines is Awaited<ReturnType<typeof openLines>> {
  return typeof lines === "object" && lines !== null;
}

function refusalOf(failure: unknown, name: string): Pick<Finding, "says" | "advice"> {
  if (!(failure instanceof SendError)) return { says: String(failure) };
  const { kind, code, text } = failure.outcome;
  const variables = name.toUpperCase();
  return {
    says: `${code} ${text}`,
    advice:
      kind === "misconfigured"
        ? `It refuses our login: check ${variables}_LOGIN and ${variables}_PASSWORD.`
        : `Check ${variables}_HOST, ${variables}_PORT and ${variables}_TLS, and that this machine may connect there.`,
  };
}

async function examineBroker(url: string): Promise<Finding> {
  const { Connection } = await import("rabbitmq-client");
  const connection = new Connection({
    url,
    connectionName: "belfry doctor",
    connectionTimeout: brokerPatienceMs,
  });
  let reason = "no answer";
  let fail: (error: Error) => void = () => {};
  const failed = new Promise<never>((_, reject) => {
    fail = (error) => {
      reason = withoutSecrets(error.message);
      reject(error);
    };
  });
  connection.on("error", fail);
  // When the other side speaks no AMQP at all, rabbitmq-client 5.0.8 throws inside its socket's events.
  process.on("uncaughtException", fail);
  try {
    const connected = new Promise<void>((resolve) => connection.on("connection", resolve));
    await watched("connecting to RabbitMQ", Promise.race([connected, failed]));
    return { verdict: "ok", what: "RabbitMQ", says: "answers, and takes our login" };
  } catch {
    return {
      verdict: "bad",
      what: "RabbitMQ",
      says: `cannot be used: ${reason}`,
      advice: "Check AMQP_URL. Meanwhile nothing is lost: workers look into MongoDB by themselves.",
    };
  } finally {
    connection.unsafeDestroy();
    process.off("uncaughtException", fail);
  }
}

/** Drivers put the URI into some of their messages. */
const withoutSecrets = (text: string): string => text.replace(/\/\/[^@\s/]*@/g, "//");
