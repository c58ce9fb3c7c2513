import { ConfigError, readConfig } from "../config/load.ts";
import type { Config } from "../config/table.ts";
import { openRegistry } from "../settings.ts";
import { createServerClock } from "../store/clock.ts";
import { connect } from "../store/connect.ts";
import { examineDkim } from "./examine-dkim.ts";
import { examineMigrations } from "./examine-migrations.ts";
import { examineBroker, examineProviders } from "./examine-providers.ts";
import { examineService } from "./examine-service.ts";
import { type Finding, withoutSecrets } from "./finding.ts";
import { databaseUri } from "./session.ts";
import { watched } from "./terminal.ts";

/** Leases and due times are on MongoDB's clock, log lines on this machine's. */
const clockToleranceMs = 2_000;

/** Checks everything the service needs, one thing after the other. */
export async function* examine(): AsyncGenerator<Finding> {
  let config: Config;
  try {
    const read = readConfig();
    config = read.config;
    yield { verdict: "ok", what: "configuration", text: "all values are valid" };
    if (read.unknown.length > 0)
      yield {
        verdict: "note",
        what: "configuration",
        text: `.env has names that Belfry does not know: ${read.unknown.join(", ")}`,
        advice: "Check their spelling against config.example.env.",
      };
  } catch (error) {
    yield* problemsOf(
      error,
      "Correct it in the environment or in .env. config.example.env explains each name.",
    );
    return;
  }
  try {
    const { keys } = openRegistry(config);
    yield { verdict: "ok", what: "types", text: keys.join(", ") };
  } catch (error) {
    yield* problemsOf(error, "Correct the file. The service does not start with it.");
  }
  yield* examineDatabase(config);
  yield* examineProviders(config);
  yield* examineDkim(config);
  if (config.AMQP_URL !== undefined) yield await examineBroker(config.AMQP_URL);
  yield* examineService(config);
}

function* problemsOf(error: unknown, advice: string): Generator<Finding> {
  if (!(error instanceof ConfigError)) throw error;
  for (const text of error.problems) yield { verdict: "bad", what: "configuration", text, advice };
}

async function* examineDatabase(config: Config): AsyncGenerator<Finding> {
  const what = "MongoDB";
  const uri = await databaseUri(config);
  if (uri === undefined) {
    yield {
      verdict: "note",
      what,
      text: `not checked: DB_URI is not set, and no Belfry runs with its data in ${config.DATA_DIR}`,
      advice: "Start Belfry, which then runs a MongoDB of its own, or set DB_URI to use yours.",
    };
    return;
  }
  const connection = await watched("connecting to MongoDB", connect(uri)).catch((error: Error) => error);
  if (connection instanceof Error) {
    yield {
      verdict: "bad",
      what,
      text: withoutSecrets(connection.message),
      advice: databaseAdvice(connection.message),
    };
    return;
  }
  try {
    const { db, transactions, serverVersion } = connection;
    yield { verdict: "ok", what, text: `${serverVersion}, database ${db.databaseName}` };
    if (Number.parseInt(serverVersion, 10) < 6)
      yield { verdict: "bad", what, text: `${serverVersion} is too old`, advice: "Use MongoDB 6 or newer." };
    yield transactions
      ? { verdict: "ok", what, text: "a replica set: an inbox item and its deliveries are stored together" }
      : {
          verdict: "note",
          what,
          text: "a standalone server: after a crash a mail may have no inbox item",
          advice:
            "Make it a replica set of one member: start mongod with --replSet, and run rs.initiate() once.",
        };
    const clock = createServerClock(db);
    await clock.sync();
    const offset = Math.round(clock.now() - Date.now());
    yield Math.abs(offset) <= clockToleranceMs
      ? { verdict: "ok", what, text: `its clock and this machine's agree (${offset} ms apart)` }
      : {
          verdict: "note",
          what,
          text: `its clock differs from this machine's by ${offset} ms. Belfry uses MongoDB's`,
          advice: "Synchronise both machines with NTP, or times in logs and deliveries will not match.",
        };
    yield* examineMigrations(db);
  } finally {
    await connection.client.close();
  }
}

function databaseAdvice(message: string): string {
  if (/certificate|self-signed|CERT_/i.test(message))
    return "The certificate is not trusted: set NODE_EXTRA_CA_CERTS to a file with the authority that signed it, or tlsCAFile in DB_URI.";
  if (/auth/i.test(message)) return "Check the user and the password in DB_URI, and its authSource.";
  return "Check the host and the port in DB_URI, that mongod runs, and that a firewall lets this machine in.";
}
