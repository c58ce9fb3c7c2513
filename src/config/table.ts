import { channelVariables } from "../channels/index.ts";
import { parseNetwork } from "../channels/webhook/guard.ts";
import { isHostName } from "../http/hosts.ts";
import { originProblem } from "../http/origins.ts";
import { canonicalLocale, localeForm } from "../model/locale.ts";
import { inGroup, Problem, type SettingsOf, type Variable } from "./variable.ts";

const server = inGroup("Server");
const database = inGroup("MongoDB");
const inbox = inGroup("Inbox and notification types");
const delivery = inGroup("Delivery");
const queue = inGroup("Queue");
const live = inGroup("Live");

const table = {
  HOST: server.host({ description: "Address to listen on.", default: "127.0.0.1" }, "PORT"),
  PORT: server.integer(0, 65535, { description: "Port to listen on; 0 picks a free one.", default: "3000" }),
  PUBLIC_URL: server.url(
    {
      description:
        "URL at which providers and mail programs reach this service: for reports of a message's status, and with https for unsubscribe links.",
    },
    ["https", "http"],
  ),
  API_KEYS: server.list(
    "keys of at least 16 characters, separated by commas",
    {
      description:
        "Clients must send one of these keys as `Authorization: Bearer <key>`. Health, docs, the page at / and signed callbacks need none.",
      secret: true,
    },
    (key) =>
      /^[\x21-\x7e]{16,}$/.test(key) ? undefined : "each key must have at least 16 printable characters",
  ),
  AUTH: server.choice(["on", "off"], {
    description: "`off` lets Belfry listen beyond loopback without a key.",
    default: "on",
  }),
  ALLOWED_HOSTS: server.list(
    "host names, separated by commas",
    {
      description:
        "Host names that Belfry answers to without API_KEYS, beside IP addresses, localhost and the host of PUBLIC_URL. Other names are refused, which stops DNS rebinding.",
    },
    (name) => (isHostName(name) ? undefined : "must be host names without scheme, port, path and wildcard"),
  ),
  BASE_PATH: server.path({
    description:
      "Path under which a proxy publishes Belfry, such as /belfry. Without it the path of PUBLIC_URL, or X-Forwarded-Prefix of a TRUST_PROXY.",
  }),
  HTTP_CONNECTIONS: server.integer(10, 1_000_000, {
    description: "Most open HTTP connections, per process. Live connections are not counted.",
    default: "10000",
  }),
  HTTP_CONNECTIONS_PER_ADDRESS: server.integer(1, 1_000_000, {
    description:
      "Most open HTTP connections from one address (IPv6: /64), per process. Loopback and TRUST_PROXY are not limited.",
    default: "1000",
  }),
  ROLES: server.list(
    "api, worker, realtime",
    {
      description:
        "What this process does: `api` takes requests, `worker` sends deliveries, `realtime` serves live connections.",
      default: "api,worker,realtime",
    },
    (role) =>
      ["api", "worker", "realtime"].includes(role) ? undefined : "must name some of api, worker and realtime",
  ),
  CLOCK: server.choice(["real", "virtual"], {
    description:
      "`virtual` lets tests move the time with `POST /v1/test/clock`. It is refused beside anything that really sends.",
    default: "real",
  }),
  LOG_LEVEL: server.choice(["fatal", "error", "warn", "info", "debug", "trace", "silent"], {
    description: "Lowest level to log; `debug` logs each request.",
    default: "info",
  }),
  LOG_FORMAT: server.choice(["auto", "json", "pretty"], {
    description: "`auto` prints readable lines on a terminal and JSON elsewhere.",
    default: "auto",
  }),

  DB_URI: database.mongoUri({
    description:
      "MongoDB connection string; the default database is `belfry`. Without it Belfry runs a MongoDB of its own.",
    secret: true,
    aliases: ["MONGO_URI", "MONGODB_URI"],
  }),
  DB_WAIT_SECONDS: database.integer(0, 3_600, {
    description: "How long a start waits for a MongoDB that does not answer yet.",
    default: "60",
  }),
  DATA_DIR: database.text(
    { description: "Folder for the data of Belfry's own MongoDB.", default: "./data" },
    "folder",
  ),
  MONGOD_BINARY: database.text(
    { description: "mongod to run. Without it Belfry looks for one, then downloads one." },
    "file",
  ),

  EMAIL: inbox.namedMailbox({
    description: "E-mail address of users that are created by their first notification.",
    aliases: ["REGISTERED_RECEIVER_EMAIL"],
  }),
  RECEIVER_PHONE_NUMBER: inbox.phone({
    description: "Phone number of users that are created by their first notification.",
  }),
  INBOX_LIMIT: inbox.integer(1, 1000, {
    description: "Notifications kept for each user; older ones are removed.",
    default: "100",
  }),
  NOTIFICATION_TYPES_FILE: inbox.text(
    { description: "JSON file with notification types. They add to the built-in types or replace them." },
    "JSON file",
  ),
  LOCALES_DIR: inbox.text(
    {
      description:
        "Folder with a file of texts per language, such as de.json, for the Liquid filter `t`. Without it the folder `locales` beside NOTIFICATION_TYPES_FILE, if there is one.",
    },
    "folder",
  ),
  DEFAULT_LOCALE: inbox.define(
    {
      description:
        "Language of messages to users without a locale, and of texts that a user's language lacks.",
      default: "en",
    },
    "BCP 47 tag",
    (text) => canonicalLocale(text) ?? new Problem(`must be ${localeForm}`),
  ),
  COMMIT_QUEUE_LIMIT: inbox.integer(1, 1_000_000, {
    description: "Requests that may wait to be stored. Above it the answer is 503 with `Retry-After`.",
    default: "10000",
  }),

  ALLOWED_ORIGINS: live.list(
    "origins such as https://app.example or capacitor://localhost, or *",
    {
      description:
        "Origins whose pages may call the inbox API and open live connections. This service's own pages always may.",
    },
    originProblem,
  ),
  TOKEN_SECRET: live.list(
    "secrets of at least 32 characters, separated by commas",
    {
      description:
        "Secret that signs user tokens and the links in e-mails. With several, the first signs and all are accepted, so a secret can be replaced.",
      secret: true,
    },
    (key) =>
      /^[\x21-\x7e]{32,}$/.test(key) ? undefined : "each secret must have at least 32 printable characters",
  ),
  TOKEN_PUBLIC_KEY: live.lines(
    {
      description: "Public key (RSA, EC or Ed25519) of user tokens that your own program signs.",
      secret: true,
    },
    "PEM",
  ),
  TOKEN_TTL_SECONDS: live.integer(10, 86_400, {
    description: "How long a user token from Belfry is valid.",
    default: "900",
  }),
  TOKEN_AUDIENCE: live.text({
    description: "Audience (`aud`) of user tokens. Tokens of TOKEN_PUBLIC_KEY must name it.",
    default: "belfry",
  }),
  TOKEN_MAX_SECONDS: live.integer(60, 86_400, {
    description: "Longest time between `iat` and `exp` of a token of TOKEN_PUBLIC_KEY.",
    default: "3600",
  }),
  LIVE_CONNECTIONS_PER_USER: live.integer(1, 100_000, {
    description: "Most open live connections of one user, per process.",
    default: "50",
  }),
  LIVE_CONNECTIONS_PER_ADDRESS: live.integer(1, 1_000_000, {
    description: "Most open live connections from one address (IPv6: /64), per process.",
    default: "1000",
  }),
  LIVE_HEARTBEAT_SECONDS: live.integer(1, 600, {
    description: "How often Belfry pings each live connection.",
    default: "25",
  }),
  TRUST_PROXY: live.list(
    "addresses and networks in CIDR form, separated by commas",
    { description: "Proxies whose X-Forwarded-For and X-Forwarded-Prefix headers are trusted." },
    (one) => (parseNetwork(one) ? undefined : "must be IP addresses or networks such as 10.0.0.0/8"),
  ),
  SIMULATOR_INTERVAL_SECONDS: live.number(0, 3_600, {
    description: "How often the simulator notifies alex, bob, carol or dan; 0 turns it off.",
    default: "0",
  }),

  RETRY_DELAY_MS: delivery.integer(1, 86_400_000, {
    description: "Delay before the first retry.",
    default: "10000",
  }),
  RETRY_FACTOR: delivery.number(1, 10, {
    description: "Each further delay is this many times longer; 1 keeps it fixed.",
    default: "2",
  }),
  MAX_RETRIES: delivery.integer(0, 100, {
    description: "Most retries after the first attempt.",
    default: "5",
  }),
  TIME_ZONE: delivery.timeZone({
    description: "Time zone of users whose profile has none, for their quiet hours.",
    default: "UTC",
  }),
  LEASE_MS: delivery.integer(1_000, 3_600_000, {
    description: "After this long without a sign of life, a worker's deliveries go to another worker.",
    default: "30000",
  }),
  DELIVERY_RETENTION_DAYS: delivery.integer(1, 3_650, {
    description: "How long finished deliveries are kept.",
    default: "90",
  }),
  DELIVERY_CONCURRENCY: delivery.integer(1, 1_000, {
    description: "Most deliveries in progress per channel and process. A crash can repeat at most this many.",
    default: "32",
  }),
  PROVIDER_TIMEOUT_MS: delivery.integer(100, 25_000, {
    description:
      "How long a provider's API or a webhook may take to answer. Every send ends 5 seconds later at the latest; its outcome is then unknown.",
    default: "15000",
  }),

  AMQP_URL: queue.url(
    {
      description: "RabbitMQ that tells workers about new deliveries. Without it they poll MongoDB.",
      secret: true,
    },
    ["amqp", "amqps"],
    { login: true, query: true },
  ),
  RABBITMQ_EXCHANGE: queue.text({ description: "Durable direct exchange.", default: "belfry" }, "name"),
  RABBITMQ_QUEUE: queue.text(
    { description: "Quorum queue. Dead letters go to `<name>.dead`.", default: "belfry.deliveries" },
    "name",
  ),
  RABBITMQ_ROUTING_KEY: queue.text(
    { description: "Routing key between the exchange and the queue.", default: "delivery" },
    "text",
  ),

  ...channelVariables,
};

/** The settings, by their variables' names. */
export type Config = SettingsOf<typeof table>;

export const variables: Array<Variable<unknown> & { name: string }> = Object.entries(table).map(
  ([name, variable]) => ({
    ...(variable as Variable<unknown>),
    name,
  }),
);
