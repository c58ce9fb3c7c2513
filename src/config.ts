import { existsSync, readFileSync } from "node:fs";
import { parseEnv } from "node:util";
import { contradictions } from "./config-rules.ts";
import { inGroup, Problem, type Variable } from "./config-variable.ts";
import { parseNetwork } from "./providers/webhook-guard.ts";
import { webhookKey } from "./providers/webhook-signature.ts";

const server = inGroup("Server");
const database = inGroup("MongoDB");
const inbox = inGroup("Inbox and notification types");
const delivery = inGroup("Delivery");
const queue = inGroup("Queue");
const mail = inGroup("E-mail");
const sms = inGroup("SMS");
const webhook = inGroup("Webhook");
const live = inGroup("Live");

const table = {
  HOST: server.text({ says: "Address to listen on.", default: "127.0.0.1" }, "IP address or host name"),
  PORT: server.integer(0, 65535, { says: "Port to listen on; 0 takes a free one.", default: "3000" }),
  PUBLIC_URL: server.url(
    { says: "Where providers reach this service from outside; without it Twilio reports nothing back." },
    ["https", "http"],
  ),
  API_KEYS: server.list(
    "keys of at least 16 characters, separated by commas",
    {
      says: "When set, every route but health, docs, the page at / and signed callbacks wants `Authorization: Bearer <key>`.",
      secret: true,
    },
    (key) =>
      /^[\x21-\x7e]{16,}$/.test(key) ? undefined : "each key must have at least 16 printable characters",
  ),
  AUTH: server.choice(["on", "off"], {
    says: "`off` allows an address that is not loopback without any key.",
    default: "on",
  }),
  ROLES: server.list(
    "api, worker, realtime",
    {
      says: "What this process does: take requests, send deliveries, keep pages and apps live, or several of them.",
      default: "api,worker,realtime",
    },
    (role) =>
      ["api", "worker", "realtime"].includes(role) ? undefined : "must name some of api, worker and realtime",
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

  ALLOWED_ORIGINS: live.list(
    "origins such as https://app.example, or *",
    {
      says: "Pages of other origins that may call the inbox and listen; those of this service's own always may.",
    },
    (origin) =>
      origin === "*" || (!origin.includes("*") && URL.canParse(origin) && new URL(origin).origin === origin)
        ? undefined
        : "must be an origin: scheme, host and port, without a path",
  ),
  TOKEN_SECRET: live.list(
    "secrets of at least 32 characters, separated by commas",
    {
      says: "Signs the tokens that let a user's pages listen; the first signs, all are accepted, so that one can be replaced.",
      secret: true,
    },
    (key) =>
      /^[\x21-\x7e]{32,}$/.test(key) ? undefined : "each secret must have at least 32 printable characters",
  ),
  TOKEN_PUBLIC_KEY: live.text(
    {
      says: "Tokens that your own program has signed are accepted, too: its public key (RSA, EC or Ed25519).",
      secret: true,
    },
    "PEM",
  ),
  TOKEN_TTL_SECONDS: live.integer(10, 86_400, {
    says: "How long a token of ours is good for.",
    default: "900",
  }),
  LIVE_CONNECTIONS_PER_USER: live.integer(1, 100_000, {
    says: "Open connections of one user, in each process.",
    default: "50",
  }),
  LIVE_CONNECTIONS_PER_ADDRESS: live.integer(1, 1_000_000, {
    says: "Open connections from one address (IPv6: /64), in each process.",
    default: "1000",
  }),
  LIVE_HEARTBEAT_SECONDS: live.integer(1, 600, {
    says: "How often an open connection is asked whether it is still there.",
    default: "25",
  }),
  TRUST_PROXY: live.list(
    "addresses and networks in CIDR form, separated by commas",
    { says: "Proxies whose X-Forwarded-For is believed." },
    (one) => (parseNetwork(one) ? undefined : "must be IP addresses or networks such as 10.0.0.0/8"),
  ),
  SIMULATOR_INTERVAL_SECONDS: live.number(0, 3_600, {
    says: "How often the simulator notifies alex, bob, carol or dan; 0 is never.",
    default: "0",
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
  DELIVERY_RETENTION_DAYS: delivery.integer(1, 3_650, {
    says: "How long a finished delivery is kept for whoever asks what happened to it.",
    default: "90",
  }),
  DELIVERY_CONCURRENCY: delivery.integer(1, 1_000, {
    says: "Deliveries in hand at once, until their outcome is stored; also how many a crash may repeat.",
    default: "32",
  }),
  PROVIDER_TIMEOUT_MS: delivery.integer(100, 25_000, {
    says: "How long Mailgun and Twilio may take to answer; after that it is not known whether they sent.",
    default: "15000",
  }),

  AMQP_URL: queue.url(
    {
      says: "A RabbitMQ that tells the workers what is to be sent; without it they look into MongoDB alone.",
      secret: true,
    },
    ["amqp", "amqps"],
  ),
  RABBITMQ_EXCHANGE: queue.text({ says: "Its durable direct exchange.", default: "belfry" }, "name"),
  RABBITMQ_QUEUE: queue.text(
    { says: "Its quorum queue; what is dead-lettered goes to `<name>.dead`.", default: "belfry.deliveries" },
    "name",
  ),
  RABBITMQ_ROUTING_KEY: queue.text({ says: "What binds the two.", default: "delivery" }, "text"),

  EMAIL_PROVIDERS: mail.list(
    "smtp, mailgun, capture",
    { says: "The order in which e-mail providers are asked; by default those configured, Mailgun first." },
    (name) =>
      ["smtp", "mailgun", "capture"].includes(name) ? undefined : "must name some of smtp, mailgun, capture",
  ),
  SMTP_HOST: mail.text(
    { says: "With neither it nor Mailgun, mails are captured and shown at GET /v1/captured." },
    "host name",
  ),
  SMTP_PORT: mail.integer(1, 65535, {
    says: "465 is TLS from the start, any other STARTTLS when offered.",
    default: "587",
  }),
  SMTP_LOGIN: mail.text({ says: "User name, when the server wants one." }),
  SMTP_PASSWORD: mail.text({ says: "Its password.", secret: true }),
  SMTP_EMAIL: mail.mailbox({ says: "The sender's address; without it `SMTP_LOGIN` is the address." }),
  SMTP_NAME: mail.text({ says: "The sender's name.", default: "Belfry" }),
  SMTP_CONNECTIONS: mail.integer(1, 1_000, {
    says: "Connections to the mail server at most, by each process.",
    default: "16",
  }),
  SMTP_RATE: mail.rate({ says: "Mails sent through SMTP at most, by each process." }),
  SMTP_TLS: mail.choice(["auto", "required", "none"], {
    says: "`required` refuses to send without TLS, `none` never asks for it.",
    default: "auto",
  }),
  MAILGUN_API_KEY: mail.text({ says: "A key that may send.", secret: true }),
  MAILGUN_DOMAIN: mail.text(
    { says: "The domain that Mailgun sends for; mails come from `SMTP_EMAIL`, or else from belfry@ it." },
    "domain name",
  ),
  MAILGUN_BASE_URL: mail.url(
    { says: "https://api.eu.mailgun.net for domains in the EU.", default: "https://api.mailgun.net" },
    ["https", "http"],
  ),
  MAILGUN_SIGNING_KEY: mail.text({
    says: "The HTTP webhook signing key; with it Mailgun's webhooks are taken at /v1/callbacks/mailgun.",
    secret: true,
  }),
  MAILGUN_RATE: mail.rate({ says: "Mails sent through Mailgun at most." }),

  SMS_PROVIDERS: sms.list(
    "twilio, capture",
    { says: "The order in which SMS providers are asked; by default those that are configured." },
    (name) => (["twilio", "capture"].includes(name) ? undefined : "must name some of twilio, capture"),
  ),
  TWILIO_SID: sms.text({ says: "Without it texts are captured and shown at GET /v1/captured." }, "AC…"),
  TWILIO_AUTH_TOKEN: sms.text({ says: "Its token, which signs the callbacks too.", secret: true }),
  TWILIO_PHONE_NUMBER: sms.text({ says: "The sender: one of the account's numbers." }, "E.164 number"),
  TWILIO_BASE_URL: sms.url(
    { says: "Another host for Twilio's API, such as a region's.", default: "https://api.twilio.com" },
    ["https", "http"],
  ),
  TWILIO_VALIDITY_SECONDS: sms.integer(1, 36_000, {
    says: "A text that could not be handed over for so long is dropped by Twilio.",
    default: "14400",
  }),
  TWILIO_RATE: sms.rate({ says: "Segments sent through Twilio at most." }),

  WEBHOOK_URL: webhook.text({ says: "Where users are called who have no `webhook` of their own." }, "URL"),
  WEBHOOK_SECRET: webhook.list(
    "one whsec_<base64>, or two during a rotation",
    { says: "What signs those calls.", secret: true },
    (secret) => (webhookKey(secret) ? undefined : "must be whsec_ and the base64 of 24 to 64 bytes"),
  ),
  WEBHOOK_ALLOW_HTTP: webhook.flag({ says: "`on` allows http:// beside https://.", default: "off" }),
  WEBHOOK_ALLOW_NETWORKS: webhook.list(
    "networks such as 10.1.0.0/16, separated by commas",
    { says: "Networks that may be called although they are not public." },
    (text) => (parseNetwork(text) ? undefined : "must be networks such as 10.1.0.0/16 or fd00::/8"),
  ),
  WEBHOOK_PORTS: webhook.list(
    "port numbers, separated by commas",
    { says: "Ports that may be called, in allowed networks too.", default: "80,443" },
    (port) =>
      /^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65535
        ? undefined
        : "must be port numbers from 1 to 65535",
  ),
  WEBHOOK_RATE: webhook.rate({ says: "Webhook calls made at most." }),
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
  const wrong = new Set<string>();
  const values = variables.map((variable) => {
    // Whichever of its names they use, the process's variables win.
    const given = namesOf(variable).some((name) => env[name] !== undefined) ? env : fromFile;
    const before = problems.length;
    const value = readVariable(variable, given, problems);
    if (problems.length > before) wrong.add(variable.name);
    return [variable.name, value];
  });
  const config = Object.fromEntries(values) as Config;
  problems.push(...contradictions(config, wrong));
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
      const held = readFileSync(text, "utf8").trim();
      // Taken for unset it would open the service to everyone.
      if (held === "") problems.push(`${name}: the file it names is empty`);
      return held;
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
