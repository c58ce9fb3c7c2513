import { existsSync, readFileSync } from "node:fs";
import { isIP } from "node:net";
import { parseEnv } from "node:util";
import { inGroup, Problem, type Variable } from "./config-variable.ts";

const server = inGroup("Server");
const database = inGroup("MongoDB");
const inbox = inGroup("Inbox and notification types");
const delivery = inGroup("Delivery");
const mail = inGroup("E-mail");

const table = {
  HOST: server.text({ says: "Address to listen on.", default: "127.0.0.1" }, "IP address or host name"),
  PORT: server.integer(0, 65535, { says: "Port to listen on; 0 takes a free one.", default: "3000" }),
  API_KEYS: server.list(
    "keys of at least 16 characters, separated by commas",
    { says: "When set, every route but health and docs wants `Authorization: Bearer <key>`.", secret: true },
    (key) =>
      /^[\x21-\x7e]{16,}$/.test(key) ? undefined : "each key must have at least 16 printable characters",
  ),
  AUTH: server.choice(["on", "off"], {
    says: "`off` allows an address that is not loopback without any key.",
    default: "on",
  }),
  ROLES: server.list(
    "api, worker",
    { says: "What this process does: take requests, send deliveries, or both.", default: "api,worker" },
    (role) => (role === "api" || role === "worker" ? undefined : "must name api, worker or both"),
  ),
  LOG_LEVEL: server.choice(["fatal", "error", "warn", "info", "debug", "trace", "silent"], {
    says: "How much to log; `debug` has a line for each request.",
    default: "info",
  }),
  LOG_FORMAT: server.choice(["auto", "json", "pretty"], {
    says: "`auto` is pretty on a terminal and JSON elsewhere.",
    default: "auto",
  }),

  DB_URI: database.text(
    {
      says: "MongoDB's connection string, with or without a database name (then `belfry`). Without it Belfry runs a MongoDB of its own.",
      secret: true,
      aliases: ["MONGO_URI", "MONGODB_URI"],
    },
    "mongodb:// or mongodb+srv:// URI",
  ),
  DATA_DIR: database.text({ says: "Where the own MongoDB keeps its data.", default: "./data" }, "folder"),
  MONGOD_BINARY: database.text(
    { says: "The mongod to run; without it one is looked for, then fetched." },
    "file",
  ),

  EMAIL: inbox.mailbox({
    says: "E-mail address given to users that are created by their first notification.",
    aliases: ["REGISTERED_RECEIVER_EMAIL"],
  }),
  RECEIVER_PHONE_NUMBER: inbox.text({ says: "Phone number given to such users." }, "E.164 number"),
  INBOX_LIMIT: inbox.integer(1, 1000, {
    says: "Notifications kept for each user; the newest stay.",
    default: "100",
  }),
  NOTIFICATION_TYPES_FILE: inbox.text(
    { says: "Notification types that add to or replace the built-in ones." },
    "JSON file",
  ),
  COMMIT_QUEUE_LIMIT: inbox.integer(1, 1_000_000, {
    says: "Requests that may wait to be stored; beyond it the answer is 503 with `Retry-After`.",
    default: "10000",
  }),

  RETRY_DELAY_MS: delivery.integer(1, 86_400_000, { says: "Wait before the first retry.", default: "10000" }),
  RETRY_FACTOR: delivery.number(1, 10, {
    says: "Each further wait is this times longer; 1 keeps it fixed.",
    default: "2",
  }),
  MAX_RETRIES: delivery.integer(0, 100, { says: "Retries after the first attempt.", default: "5" }),
  LEASE_MS: delivery.integer(1_000, 3_600_000, {
    says: "A worker that is silent for this long loses its deliveries to another.",
    default: "30000",
  }),
  DELIVERY_CONCURRENCY: delivery.integer(1, 1_000, {
    says: "Sends under way at once; also how many a crash may repeat.",
    default: "16",
  }),

  EMAIL_PROVIDERS: mail.list(
    "smtp, mailgun, capture",
    { says: "The order in which e-mail providers are asked; by default those that are configured." },
    (name) =>
      ["smtp", "mailgun", "capture"].includes(name) ? undefined : "must name some of smtp, mailgun, capture",
  ),
  SMTP_HOST: mail.text({ says: "Without it mails are captured and shown at GET /v1/captured." }, "host name"),
  SMTP_PORT: mail.integer(1, 65535, {
    says: "465 is TLS from the start, any other STARTTLS when offered.",
    default: "587",
  }),
  SMTP_LOGIN: mail.text({ says: "User name, when the server wants one." }),
  SMTP_PASSWORD: mail.text({ says: "Its password.", secret: true }),
  SMTP_EMAIL: mail.mailbox({ says: "The sender's address; without it `SMTP_LOGIN` is the address." }),
  SMTP_NAME: mail.text({ says: "The sender's name.", default: "Belfry" }),
  SMTP_RATE: mail.rate({ says: "Mails sent through SMTP at most." }),
  SMTP_TLS: mail.choice(["auto", "required", "none"], {
    says: "`required` refuses to send without TLS, `none` never asks for it.",
    default: "auto",
  }),
};

type Table = typeof table;
type ValueOf<V> = V extends Variable<infer Value> ? Value : never;

/** The settings, by their variables' names. */
export type Config = { [Name in keyof Table]: ValueOf<Table[Name]> };

export const variables: Array<Variable<unknown> & { name: string }> = Object.entries(table).map(
  ([name, variable]) => ({
    ...(variable as Variable<unknown>),
    name,
  }),
);

/** Every problem with the configuration, for a start that stops. */
export class ConfigError extends Error {
  readonly problems: string[];
  constructor(problems: string[]) {
    super(
      `The configuration has ${problems.length === 1 ? "a problem" : `${problems.length} problems`}:\n- ${problems.join("\n- ")}`,
    );
    this.name = "ConfigError";
    this.problems = problems;
  }
}

/** The configuration of this process: its environment, and `.env` in the working folder. */
export function readConfig(): ReturnType<typeof loadConfig> {
  return loadConfig(process.env, existsSync(".env") ? readFileSync(".env", "utf8") : "");
}

/**
 * Reads and checks the whole configuration. `env`: the process's variables; they win over those of `envFile`
 * (the text of a `.env`). Throws `ConfigError` with all problems at once. `unknown`: names in the file that mean
 * nothing here; not an error, since older systems' files have more.
 */
export function loadConfig(
  env: Record<string, string | undefined>,
  envFile = "",
): { config: Config; unknown: string[] } {
  const problems: string[] = [];
  const fromFile = parseEnv(envFile) as Record<string, string>;
  const given = {
    ...fromFile,
    ...Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined)),
  };
  const values = variables.map((variable) => [variable.name, readVariable(variable, given, problems)]);
  const config = Object.fromEntries(values) as Config;
  if (problems.length === 0) problems.push(...contradictions(config));
  if (problems.length > 0) throw new ConfigError(problems);
  const known = new Set(variables.flatMap((one) => namesOf(one)));
  return { config, unknown: Object.keys(fromFile).filter((name) => !known.has(name)) };
}

const namesOf = (variable: (typeof variables)[number]): string[] => {
  const names = [variable.name, ...(variable.aliases ?? [])];
  return variable.secret ? names.flatMap((name) => [name, `${name}_FILE`]) : names;
};

function readVariable(
  variable: (typeof variables)[number],
  given: Record<string, string | undefined>,
  problems: string[],
): unknown {
  const set = namesOf(variable).filter((name) => given[name]?.trim());
  const texts = set.map((name) => {
    const text = given[name] as string;
    if (!variable.secret || !name.endsWith("_FILE")) return text.trim();
    try {
      return readFileSync(text, "utf8").trim();
    } catch (error) {
      problems.push(`${name}: cannot read the file it names (${(error as NodeJS.ErrnoException).code})`);
      return "";
    }
  });
  if (new Set(texts).size > 1) problems.push(`${set.join(" and ")} contradict each other: set one of them`);
  const text = texts[0] || variable.default;
  if (text === "") return undefined;
  const value = variable.parse(text);
  if (!(value instanceof Problem)) return value;
  const shown = variable.secret ? "" : ` (it is ${JSON.stringify(text)})`;
  problems.push(`${set[0] ?? variable.name}: ${value.text}${shown}`);
  return undefined;
}

function contradictions(config: Config): string[] {
  const problems: string[] = [];
  if (!isLoopback(config.HOST) && !config.API_KEYS && config.AUTH === "on")
    problems.push(
      `HOST: ${config.HOST} can be reached by others and no key is asked for: set API_KEYS, or AUTH=off if that is meant`,
    );
  if (config.DB_URI && !/^mongodb(\+srv)?:\/\/[^/]+/.test(config.DB_URI))
    problems.push("DB_URI: must begin with mongodb:// or mongodb+srv:// and name a host");
  if (config.SMTP_HOST && !senderOf(config))
    problems.push("SMTP_EMAIL: is the sender's address; set it, or an address as SMTP_LOGIN");
  if (config.SMTP_PASSWORD && !config.SMTP_LOGIN)
    problems.push("SMTP_LOGIN: is missing beside SMTP_PASSWORD");
  return problems;
}

/** The address that mails come from; undefined when neither variable holds one. */
export function senderOf(config: Config): string | undefined {
  return config.SMTP_EMAIL ?? (config.SMTP_LOGIN?.includes("@") ? config.SMTP_LOGIN : undefined);
}

export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}

/** `config.example.env`: every variable with its sentence, form and default. */
export function exampleFile(): string {
  const lines = [
    "# Belfry's configuration. Copy to .env and change what you need; every line shows the default.",
  ];
  let group = "";
  for (const variable of variables) {
    if (variable.group !== group) {
      group = variable.group;
      lines.push("", `## ${group}`);
    }
    const also = variable.aliases ? ` Also read as ${variable.aliases.join(" and ")}.` : "";
    const file = variable.secret ? ` ${variable.name}_FILE names a file that holds it.` : "";
    lines.push(
      "",
      `# ${variable.says}${also}${file} (${variable.form})`,
      `# ${variable.name}=${variable.default}`,
    );
  }
  return `${lines.join("\n")}\n`;
}
