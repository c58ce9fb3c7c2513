import { spawn } from "node:child_process";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { senderAddress } from "../../src/channels/email/smtp.ts";
import { exampleFile } from "../../src/config/example.ts";
import { ConfigError, loadConfig } from "../../src/config/load.ts";
import { variables } from "../../src/config/table.ts";
import { freshDatabase } from "../support/database.ts";
import { call } from "../support/http.ts";
import { eventually, spawnMain, spawnService, type Variables } from "../support/service.ts";

const { uri } = freshDatabase();
const folder = mkdtempSync(join(tmpdir(), "belfry-config-"));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;
function file(text: string, name = `file-${files++}`): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const key = "k3y-that-nobody-should-see";
const config = (env: Variables, envFile?: string) => loadConfig(env, envFile).config;

function problemsOf(env: Variables, envFile?: string): string[] {
  try {
    loadConfig(env, envFile);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as ConfigError).problems;
  }
  return [];
}

/** A start that must end by itself: its exit code and everything it wrote. */
async function failedStart(env: Variables, options?: { cwd?: string }) {
  const service = spawnMain(env, { cwd: folder, ...options });
  const code = await service.ended;
  const said = await eventually(
    () =>
      service.child.stderr?.readableEnded &&
      service.child.stdout?.readableEnded && { text: service.output() },
    "the end of its output",
  );
  return { code, output: said.text };
}

describe("with nothing set", () => {
  test("every setting has the default that the documentation names", () => {
    const { config: found, unknown } = loadConfig({});
    expect(unknown).toStrictEqual([]);
    expect(found).toStrictEqual({
      HOST: "127.0.0.1",
      PORT: 3000,
      API_KEYS: undefined,
      AUTH: "on",
      ROLES: ["api", "worker", "realtime"],
      CLOCK: "real",
      LOG_LEVEL: "info",
      LOG_FORMAT: "auto",
      DB_URI: undefined,
      DB_WAIT_SECONDS: 60,
      DATA_DIR: "./data",
      MONGOD_BINARY: undefined,
      EMAIL: undefined,
      RECEIVER_PHONE_NUMBER: undefined,
      INBOX_LIMIT: 100,
      NOTIFICATION_TYPES_FILE: undefined,
      LOCALES_DIR: undefined,
      DEFAULT_LOCALE: "en",
      COMMIT_QUEUE_LIMIT: 10_000,
      ALLOWED_HOSTS: undefined,
      ALLOWED_ORIGINS: undefined,
      BASE_PATH: undefined,
      HTTP_CONNECTIONS: 10_000,
      HTTP_CONNECTIONS_PER_ADDRESS: 1_000,
      TIME_ZONE: "UTC",
      TOKEN_AUDIENCE: "belfry",
      TOKEN_MAX_SECONDS: 3_600,
      TOKEN_SECRET: undefined,
      TOKEN_PUBLIC_KEY: undefined,
      TOKEN_TTL_SECONDS: 900,
      LIVE_CONNECTIONS_PER_USER: 50,
      LIVE_CONNECTIONS_PER_ADDRESS: 1_000,
      LIVE_HEARTBEAT_SECONDS: 25,
      TRUST_PROXY: undefined,
      SIMULATOR_INTERVAL_SECONDS: 0,
      RETRY_DELAY_MS: 10_000,
      RETRY_FACTOR: 2,
      MAX_RETRIES: 5,
      LEASE_MS: 30_000,
      DELIVERY_CONCURRENCY: 32,
      DELIVERY_RETENTION_DAYS: 90,
      PROVIDER_TIMEOUT_MS: 15_000,
      PUBLIC_URL: undefined,
      AMQP_URL: undefined,
      RABBITMQ_EXCHANGE: "belfry",
      RABBITMQ_QUEUE: "belfry.deliveries",
      RABBITMQ_ROUTING_KEY: "delivery",
      EMAIL_PROVIDERS: undefined,
      SMS_PROVIDERS: undefined,
      SMTP_HOST: undefined,
      SMTP_PORT: 587,
      SMTP_LOGIN: undefined,
      SMTP_PASSWORD: undefined,
      SMTP_EMAIL: undefined,
      SMTP_NAME: "Belfry",
      SMTP_TLS: "auto",
      SMTP_CONNECTIONS: 16,
      SMTP_EHLO: undefined,
      SMTP_DKIM_DOMAIN: undefined,
      SMTP_DKIM_PRIVATE_KEY: undefined,
      SMTP_DKIM_SELECTOR: undefined,
      SMTP_OAUTH_CLIENT_ID: undefined,
      SMTP_OAUTH_CLIENT_SECRET: undefined,
      SMTP_OAUTH_REFRESH_TOKEN: undefined,
      SMTP_OAUTH_SCOPE: undefined,
      SMTP_OAUTH_TOKEN_URL: undefined,
      SMTP_RATE: undefined,
      MAILGUN_API_KEY: undefined,
      MAILGUN_DOMAIN: undefined,
      MAILGUN_BASE_URL: "https://api.mailgun.net",
      MAILGUN_SIGNING_KEY: undefined,
      MAILGUN_RATE: undefined,
      TWILIO_SID: undefined,
      TWILIO_AUTH_TOKEN: undefined,
      TWILIO_PHONE_NUMBER: undefined,
      TWILIO_MESSAGING_SERVICE_SID: undefined,
      TWILIO_BASE_URL: "https://api.twilio.com",
      TWILIO_VALIDITY_SECONDS: 14_400,
      TWILIO_RATE: undefined,
      WEBHOOK_URL: undefined,
      WEBHOOK_SECRET: undefined,
      WEBHOOK_ALLOW_HTTP: false,
      WEBHOOK_ALLOW_NETWORKS: undefined,
      WEBHOOK_PORTS: ["80", "443"],
      WEBHOOK_RATE: undefined,
    });
  });

  test("the example file, copied to .env as it is and with every line switched on, changes nothing", () => {
    const text = exampleFile();
    expect(loadConfig({}, text)).toStrictEqual(loadConfig({}));
    const switchedOn = text.replace(/^# ([A-Z_]+=)/gm, "$1");
    expect(switchedOn.match(/^[A-Z_]+=/gm)).toHaveLength(variables.length);
    expect(loadConfig({}, switchedOn)).toStrictEqual(loadConfig({}));
  });

  test("an empty or blank value is as good as none", () => {
    const blank = Object.fromEntries(variables.map(({ name }, index) => [name, index % 2 ? "" : "  "]));
    expect(config(blank)).toStrictEqual(config({}));
  });
});

describe("values", () => {
  test("are read as what they are, without blanks around them", () => {
    expect(
      config({
        HOST: "::1",
        PORT: " 0 ",
        API_KEYS: `${key} , another-key-of-26-letters`,
        ROLES: "worker",
        RETRY_FACTOR: "1.5",
        EMAIL: "someone@users.example",
        SMTP_HOST: "mail.example",
        SMTP_LOGIN: "sender@sender.example",
        SMTP_PASSWORD: "p a$$ word",
        SMTP_NAME: "Night Desk",
      }),
    ).toMatchObject({
      HOST: "::1",
      PORT: 0,
      API_KEYS: [key, "another-key-of-26-letters"],
      ROLES: ["worker"],
      RETRY_FACTOR: 1.5,
      EMAIL: "someone@users.example",
      SMTP_PASSWORD: "p a$$ word",
      SMTP_NAME: "Night Desk",
    });
  });

  test("the sender is SMTP_EMAIL, else SMTP_LOGIN when that is an address", () => {
    const sender = (more: object) => senderAddress(config({ SMTP_HOST: "mail.example", ...more }));
    const both = { SMTP_EMAIL: "from@sender.example", SMTP_LOGIN: "login@sender.example" };
    expect(sender(both)).toBe("from@sender.example");
    expect(sender({ SMTP_LOGIN: "login@sender.example" })).toBe("login@sender.example");
    expect(senderAddress(config({}))).toBeUndefined();
  });

  test.each([
    ["PORT", "abc"],
    ["PORT", "65536"],
    ["PORT", "-1"],
    ["PORT", "80.5"],
    ["PORT", "0x50"],
    ["PORT", "1e3"],
    ["AUTH", "no"],
    ["ROLES", "api,reader"],
    ["ROLES", "api,"],
    ["LOG_LEVEL", "loud"],
    ["LOG_FORMAT", "xml"],
    ["EMAIL", "nobody"],
    ["EMAIL", "a@users.example,b@users.example"],
    ["INBOX_LIMIT", "0"],
    ["INBOX_LIMIT", "1001"],
    ["COMMIT_QUEUE_LIMIT", "0"],
    ["RETRY_DELAY_MS", "0"],
    ["RETRY_FACTOR", "0.5"],
    ["RETRY_FACTOR", "Infinity"],
    ["MAX_RETRIES", "-1"],
    ["LEASE_MS", "999"],
    ["DELIVERY_CONCURRENCY", "0"],
    ["SMTP_PORT", "0"],
    ["SMTP_EMAIL", "sender"],
    ["SMTP_TLS", "maybe"],
    ["ROLES", "api,push"],
    ["ALLOWED_ORIGINS", "app.example"],
    ["ALLOWED_ORIGINS", "https://app.example/"],
    ["ALLOWED_ORIGINS", "https://app.example/path"],
    ["ALLOWED_ORIGINS", "https://App.example"],
    ["ALLOWED_ORIGINS", "https://app.example:443"],
    ["ALLOWED_ORIGINS", "https://*.example"],
    ["ALLOWED_ORIGINS", "https://app.example,"],
    ["ALLOWED_ORIGINS", "null"],
    ["ALLOWED_ORIGINS", "capacitor://localhost/"],
    ["ALLOWED_ORIGINS", "capacitor://"],
    ["ALLOWED_ORIGINS", "capacitor:localhost"],
    ["ALLOWED_ORIGINS", "chrome-extension://*"],
    ["ALLOWED_ORIGINS", "ionic://LocalHost"],
    ["ALLOWED_ORIGINS", "https://app.example:99999"],
    ["ALLOWED_ORIGINS", "file:///"],
    ["BASE_PATH", "belfry"],
    ["BASE_PATH", "//evil"],
    ["BASE_PATH", "/a/../b"],
    ["BASE_PATH", "https://x/belfry"],
    ["ALLOWED_HOSTS", "http://belfry"],
    ["ALLOWED_HOSTS", "belfry:3000"],
    ["ALLOWED_HOSTS", "belfry/path"],
    ["ALLOWED_HOSTS", "*.example"],
    ["ALLOWED_HOSTS", "belfry,"],
    ["TOKEN_TTL_SECONDS", "9"],
    ["TOKEN_TTL_SECONDS", "86401"],
    ["LIVE_CONNECTIONS_PER_USER", "0"],
    ["LIVE_CONNECTIONS_PER_USER", "100001"],
    ["LIVE_CONNECTIONS_PER_ADDRESS", "0"],
    ["LIVE_HEARTBEAT_SECONDS", "0"],
    ["LIVE_HEARTBEAT_SECONDS", "601"],
    ["TRUST_PROXY", "true"],
    ["TRUST_PROXY", "1"],
    ["TRUST_PROXY", "loopback"],
    ["TRUST_PROXY", "proxy.example"],
    ["TRUST_PROXY", "10.0.0.0/33"],
    ["TRUST_PROXY", "10.0.0.1,"],
    ["SIMULATOR_INTERVAL_SECONDS", "-1"],
    ["SIMULATOR_INTERVAL_SECONDS", "3601"],
  ])("%s=%s is refused and shown", (name, value) => {
    const [problem, ...more] = problemsOf({ [name]: value });
    expect(problem).toMatch(new RegExp(`^${name}: `));
    expect(problem).toContain(JSON.stringify(value));
    expect(more).toStrictEqual([]);
  });

  test.each(["https://user@app.example", "https://app.example?x"])(
    "ALLOWED_ORIGINS=%s is refused and not shown, since it may contain a password",
    (value) => {
      const problems = problemsOf({ ALLOWED_ORIGINS: value });
      expect(problems).toStrictEqual([expect.stringMatching(/^ALLOWED_ORIGINS: must be /)]);
      expect(problems[0]).not.toContain(value);
    },
  );

  test.each([
    ["API_KEYS", "short", "short"],
    ["API_KEYS", `${key},tooshort`, "tooshort"],
    ["API_KEYS", `${key},`, key],
    ["API_KEYS", "sixteen letters ü", "sixteen"],
    ["DB_URI", "postgres://canary-host/db", "canary"],
    ["DB_URI", "mongodb://", "mongodb:// "],
    ["TOKEN_SECRET", "canary-of-31-characters-xxxxxxx", "canary"],
    ["TOKEN_SECRET", `${"x".repeat(32)},canary`, "canary"],
    ["TOKEN_SECRET", "canary with blanks, and more than 32 characters", "canary"],
    ["TOKEN_PUBLIC_KEY", "canary", "canary"],
  ])("%s=%s is refused and not shown", (name, value, canary) => {
    const [problem, ...more] = problemsOf({ [name]: value });
    expect(problem).toMatch(new RegExp(`^${name}: `));
    expect(problem?.replace(/mongodb(\+srv)?:\/\/ /g, "")).not.toContain(canary);
    expect(more).toStrictEqual([]);
  });

  const oauth = {
    SMTP_HOST: "mail.example",
    SMTP_LOGIN: "box@sender.example",
    SMTP_OAUTH_TOKEN_URL: "https://login.example/token",
    SMTP_OAUTH_CLIENT_ID: "belfry",
    SMTP_OAUTH_CLIENT_SECRET: "hush",
  };
  const dkim = {
    SMTP_HOST: "mail.example",
    SMTP_EMAIL: "box@sender.example",
    SMTP_DKIM_DOMAIN: "sender.example",
    SMTP_DKIM_SELECTOR: "one",
    SMTP_DKIM_PRIVATE_KEY: generateKeyPairSync("rsa", { modulusLength: 1_024 }).privateKey.export({
      type: "pkcs8",
      format: "pem",
    }) as string,
  };
  test("three variables for DKIM fit together", () => {
    expect(problemsOf(dkim)).toStrictEqual([]);
  });
  test.each(["mail-1.example.com", "web", "[203.0.113.9]", "[IPv6:2001:db8::1]"])("SMTP_EHLO=%s", (name) => {
    expect(problemsOf({ SMTP_EHLO: name })).toStrictEqual([]);
  });
  test.each<[string, Variables, string]>([
    ["an SMTP server without a sender", { SMTP_HOST: "mail.example" }, "SMTP_EMAIL"],
    [
      "a login that is no address as only sender",
      { SMTP_HOST: "m.example", SMTP_LOGIN: "joe" },
      "SMTP_EMAIL",
    ],
    ["a password without a login", { SMTP_PASSWORD: key }, "SMTP_LOGIN"],
    ["a sender that many servers cannot take", { SMTP_EMAIL: "jörg@sender.example" }, "SMTP_EMAIL"],
    ["a sender with a comment", { SMTP_EMAIL: "a(c)@sender.example" }, "SMTP_EMAIL"],
    ["a default address with an invisible character", { EMAIL: "a@users.example\u200b" }, "EMAIL"],
    ["a greeting with blanks", { SMTP_EHLO: "my host" }, "SMTP_EHLO"],
    ["a greeting with a bare IP address", { SMTP_EHLO: "203.0.113.9" }, "SMTP_EHLO"],
    ["a greeting that ends the line", { SMTP_EHLO: "a.example\r\nQUIT" }, "SMTP_EHLO"],
    ["a token server without a client", { ...oauth, SMTP_OAUTH_CLIENT_ID: "" }, "SMTP_OAUTH_CLIENT_ID"],
    ["a client without a token server", { ...oauth, SMTP_OAUTH_TOKEN_URL: "" }, "SMTP_OAUTH_TOKEN_URL"],
    ["a token login with a password too", { ...oauth, SMTP_PASSWORD: key }, "SMTP_PASSWORD"],
    [
      "a token login without secret and refresh token",
      { ...oauth, SMTP_OAUTH_CLIENT_SECRET: "" },
      "SMTP_OAUTH_CLIENT_SECRET",
    ],
    ["DKIM without a key", { ...dkim, SMTP_DKIM_PRIVATE_KEY: "" }, "SMTP_DKIM_PRIVATE_KEY"],
    ["DKIM without a selector", { ...dkim, SMTP_DKIM_SELECTOR: "" }, "SMTP_DKIM_SELECTOR"],
    ["DKIM without a domain", { ...dkim, SMTP_DKIM_DOMAIN: "" }, "SMTP_DKIM_DOMAIN"],
    ["a selector that ends a tag", { ...dkim, SMTP_DKIM_SELECTOR: "one;l=0" }, "SMTP_DKIM_SELECTOR"],
    ["a DKIM key that is none", { ...dkim, SMTP_DKIM_PRIVATE_KEY: key }, "SMTP_DKIM_PRIVATE_KEY"],
    ["DKIM without a mail server", { ...dkim, SMTP_HOST: "" }, "SMTP_HOST"],
  ])("%s is refused", (_what, env, name) => {
    const [problem, ...more] = problemsOf(env);
    expect(problem).toMatch(new RegExp(`^${name}: `));
    expect(problem).not.toContain(key);
    expect(more).toStrictEqual([]);
  });
});

describe("a virtual clock", () => {
  const smtp = { SMTP_HOST: "127.0.0.1", SMTP_EMAIL: "a@sender.example" };
  const twilio = {
    TWILIO_SID: `AC${"0".repeat(32)}`,
    TWILIO_AUTH_TOKEN: key,
    TWILIO_PHONE_NUMBER: "+15550100",
  };
  const webhook = {
    WEBHOOK_URL: "https://hooks.example/x",
    WEBHOOK_SECRET: `whsec_${Buffer.alloc(32).toString("base64")}`,
  };

  test("is refused beside everything that really sends, with every problem", () => {
    const problems = problemsOf({
      CLOCK: "virtual",
      ...smtp,
      ...twilio,
      ...webhook,
      AMQP_URL: "amqp://queue.example",
      ROLES: "realtime",
    });
    expect(problems).toStrictEqual([
      "WEBHOOK_URL: must name this machine, such as 127.0.0.1: with CLOCK=virtual webhooks call nothing else",
      "CLOCK: is virtual, but smtp would send real messages: remove SMTP_HOST, or set EMAIL_PROVIDERS=capture",
      "CLOCK: is virtual, but twilio would send real messages: remove TWILIO_SID, or set SMS_PROVIDERS=capture",
      "CLOCK: is virtual, and RabbitMQ leads to processes with other clocks: remove AMQP_URL",
      "CLOCK: is virtual for one process, which needs the role api: add it to ROLES",
      "CLOCK: is virtual for one process, which needs the role worker: add it to ROLES",
    ]);
  });

  test("goes with captured messages and webhooks of this machine", () => {
    const local = { ...webhook, WEBHOOK_URL: "http://localhost:80/x", WEBHOOK_ALLOW_HTTP: "on" };
    expect(problemsOf({ CLOCK: "virtual", ...local })).toStrictEqual([]);
    expect(
      problemsOf({
        CLOCK: "virtual",
        ...smtp,
        ...twilio,
        EMAIL_PROVIDERS: "capture",
        SMS_PROVIDERS: "capture",
      }),
    ).toStrictEqual([]);
  });

  test("a wrong variable beside it is told once", () => {
    expect(problemsOf({ CLOCK: "virtual", ROLES: "captain" })).toHaveLength(1);
  });
});

test.each([
  "https://app.example",
  "http://localhost:5173",
  "http://[::1]:3000",
  "capacitor://localhost",
  "ionic://localhost",
  "tauri://localhost",
  "tauri://localhost:1420",
  "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
  "moz-extension://0f9a2b3c-1111-4222-8333-444455556666",
  "*",
])("ALLOWED_ORIGINS takes %s", (origin) => {
  expect(config({ ALLOWED_ORIGINS: `https://first.example, ${origin}` }).ALLOWED_ORIGINS).toEqual([
    "https://first.example",
    origin,
  ]);
});

test("a wrong origin is told with the right one", () => {
  expect(problemsOf({ ALLOWED_ORIGINS: "https://App.example:443/inbox" })[0]).toContain(
    "write https://app.example ",
  );
});

describe("TOKEN_PUBLIC_KEY", () => {
  const spki = (key: KeyObject) => key.export({ type: "spki", format: "pem" }).toString();
  const ed = generateKeyPairSync("ed25519");
  const rsa = (modulusLength: number) => generateKeyPairSync("rsa", { modulusLength });
  const ec = (namedCurve: string) => spki(generateKeyPairSync("ec", { namedCurve }).publicKey);

  test.each([
    ["Ed25519", spki(ed.publicKey)],
    ["RSA", spki(rsa(2048).publicKey)],
    ["P-256", ec("P-256")],
    ["P-384", ec("P-384")],
  ])("takes %s, on one line too, and from a file or .env", (_kind, pem) => {
    for (const TOKEN_PUBLIC_KEY of [pem, pem.trim().replaceAll("\n", "\\n")])
      expect(problemsOf({ TOKEN_PUBLIC_KEY })).toStrictEqual([]);
    expect(problemsOf({ TOKEN_PUBLIC_KEY_FILE: file(pem) })).toStrictEqual([]);
    expect(config({}, `TOKEN_PUBLIC_KEY="${pem}"`).TOKEN_PUBLIC_KEY).toBe(pem.trim());
  });

  const secretKey = ed.privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  const inner = secretKey.split("\n")[1] as string;
  test.each<[string, string, RegExp]>([
    ["a private key", secretKey, /is a private key/],
    ["a private key beside the public one", spki(ed.publicKey) + secretKey, /is a private key/],
    [
      "a private key in a public one's clothes",
      secretKey.replaceAll("PRIVATE", "PUBLIC"),
      /cut short or damaged/,
    ],
    ["half a key", spki(ed.publicKey).slice(0, 50), /cut short or damaged/],
    ["another kind of PEM", spki(ed.publicKey).replaceAll("PUBLIC KEY", "CERTIFICATE"), /must be a PEM/],
    ["PKCS #1", rsa(2048).publicKey.export({ type: "pkcs1", format: "pem" }).toString(), /must be a PEM/],
    ["a short RSA key", spki(rsa(1024).publicKey), /2048 bits/],
    ["a curve that few programs sign with", ec("secp256k1"), /P-256/],
    ["a key for exchanges alone", spki(generateKeyPairSync("x25519").publicKey), /Ed25519/],
    ["Ed448", spki(generateKeyPairSync("ed448").publicKey), /Ed25519/],
  ])("refuses %s, says why and does not show it", (_what, TOKEN_PUBLIC_KEY, why) => {
    const [problem, ...more] = problemsOf({ TOKEN_PUBLIC_KEY });
    expect(problem).toMatch(/^TOKEN_PUBLIC_KEY: /);
    expect(problem).toMatch(why);
    expect(problem).not.toContain(inner);
    expect(more).toStrictEqual([]);
  });
});

test.each(["0.0.0.0/0", "::/0", "10.0.0.0/8, 0.0.0.0/00"])(
  "TRUST_PROXY=%s would believe everybody: refused",
  (value) => {
    expect(problemsOf({ TRUST_PROXY: value })).toStrictEqual([
      expect.stringMatching(/^TRUST_PROXY: .*everybody/),
    ]);
  },
);

test("TRUST_PROXY takes addresses and networks of both families", () => {
  expect(config({ TRUST_PROXY: "10.0.0.0/8, 127.0.0.1,::1 ,fd00::/8" }).TRUST_PROXY).toStrictEqual([
    "10.0.0.0/8",
    "127.0.0.1",
    "::1",
    "fd00::/8",
  ]);
});

describe("secrets", () => {
  test.each(["API_KEYS", "DB_URI", "MONGO_URI", "MONGODB_URI", "SMTP_PASSWORD"])(
    "%s may come from the file that its _FILE twin names",
    (name) => {
      const canonical = /URI/.test(name) ? "DB_URI" : name;
      const value = canonical === "DB_URI" ? "mongodb://one.example/shop" : key;
      const smtp = { SMTP_HOST: "mail.example", SMTP_LOGIN: "joe@sender.example" };
      const env = { [`${name}_FILE`]: file(`${value}\n`), ...smtp };
      const found = config(env) as Record<string, unknown>;
      expect(found[canonical]).toStrictEqual(canonical === "API_KEYS" ? [value] : value);
    },
  );

  test("a file that is missing, or empty, stops the start", () => {
    expect(problemsOf({ API_KEYS_FILE: join(folder, "missing") })).toStrictEqual([
      "API_KEYS_FILE: the file it names cannot be read (ENOENT)",
    ]);
    expect(problemsOf({ API_KEYS_FILE: file(" \n") })).toStrictEqual([
      "API_KEYS_FILE: the file it names is empty",
    ]);
  });

  test("only secrets have such a twin", () => {
    expect(loadConfig({}, "PORT_FILE=/nowhere\n").unknown).toStrictEqual(["PORT_FILE"]);
    expect(config({ PORT_FILE: "/nowhere" }).PORT).toBe(3000);
  });

  test("a name, its twin and its older names must not contradict each other; saying the same twice is fine", () => {
    const [one, two] = ["mongodb://one.example/a", "mongodb://two.example/b"];
    for (const env of [
      { DB_URI: one, MONGO_URI: two },
      { MONGO_URI: one, MONGODB_URI: two },
      { DB_URI: one, DB_URI_FILE: file(two) },
      { API_KEYS: key, API_KEYS_FILE: file("another-key-of-26-letters") },
    ] as Variables[]) {
      const problems = problemsOf(env);
      expect(problems).toStrictEqual([
        `${Object.keys(env).join(" and ")} contradict each other: set one of them`,
      ]);
    }
    expect(config({ DB_URI: one, MONGO_URI: one, MONGODB_URI_FILE: file(one) }).DB_URI).toBe(one);
  });
});

describe(".env", () => {
  test("is read, and the process's variables win over it", () => {
    const envFile =
      'PORT=4000\n# HOST=0.0.0.0\nSMTP_NAME="Night Desk" # the name\nEMAIL=from-file@users.example\n';
    expect(config({}, envFile)).toMatchObject({ PORT: 4000, HOST: "127.0.0.1", SMTP_NAME: "Night Desk" });
    expect(config({ PORT: "5000" }, envFile)).toMatchObject({ PORT: 5000, EMAIL: "from-file@users.example" });
  });

  test("the process's variable wins over the file's under another of its names, too", () => {
    const [one, two] = ["mongodb://one.example/a", "mongodb://two.example/b"];
    expect(config({ DB_URI: one }, `MONGO_URI=${two}`).DB_URI).toBe(one);
    expect(config({ DB_URI_FILE: file(one) }, `DB_URI=${two}`).DB_URI).toBe(one);
  });

  test("names that mean nothing here are told, not refused", () => {
    const { unknown } = loadConfig(
      { ELSEWHERE: "1" },
      "RABBITMQ_QUEUE=q\nKAFKA_TOPIC=t\nPORT=1\nMONGO_URI=mongodb://a/b\nFOO=1\n",
    );
    expect(unknown.sort()).toStrictEqual(["FOO", "KAFKA_TOPIC"]);
  });

  test("a started service has read it from the folder it was started in, and warns of names it does not know", async () => {
    const cwd = mkdtempSync(join(folder, "start-"));
    writeFileSync(
      join(cwd, ".env"),
      `DB_URI=${uri}\nINBOX_LIMIT=2\nLOG_LEVEL=fatal\nKAFKA_TOPIC=secret-topic\n`,
    );
    const service = await spawnService({ LOG_LEVEL: "info" }, { cwd });
    const user = "638f394d4b7243fc0399ea67";
    for (let n = 0; n < 3; n++)
      await call(service.url, "POST", "/create", { user_id: user, key: "new_post" });
    const { body } = await call(service.url, "GET", `/list?user_id=${user}`);
    expect(body.data.elements).toBe(2);
    const warning = service
      .output()
      .split("\n")
      .find((line) => line.includes("KAFKA_TOPIC"));
    expect(JSON.parse(warning ?? "{}")).toMatchObject({ level: 40, names: ["KAFKA_TOPIC"] });
    expect(service.output()).not.toContain("secret-topic");
  });
});

describe("who may reach it", () => {
  const cases = ["127.0.0.1", "0.0.0.0"].flatMap((HOST) =>
    [undefined, key].flatMap((API_KEYS) =>
      ["on", "off"].map((AUTH) => [HOST, API_KEYS ? "a key" : "no key", AUTH, API_KEYS] as const),
    ),
  );
  test.each(cases)("HOST=%s with %s and AUTH=%s", (HOST, _with, AUTH, API_KEYS) => {
    const env = { HOST, AUTH, ...(API_KEYS && { API_KEYS }) };
    const refused = HOST === "0.0.0.0" && !API_KEYS && AUTH === "on";
    const problems = problemsOf(env);
    expect(problems).toHaveLength(refused ? 1 : 0);
    if (refused) expect(problems[0]).toMatch(/^HOST: 0\.0\.0\.0 .*API_KEYS.*AUTH=off/);
  });

  test.each([
    ["127.0.0.1", true],
    ["127.9.9.9", true],
    ["localhost", true],
    ["::1", true],
    ["::", false],
    ["192.0.2.7", false],
    ["127.0.0.1.example.org", false],
    ["127.example.org", false],
    ["localhost.example.org", false],
    ["belfry.example.org", false],
  ])("HOST=%s counts as loopback: %s", (HOST, loopback) => {
    expect(problemsOf({ HOST })).toHaveLength(loopback ? 0 : 1);
  });
});

describe("a start with a wrong environment", () => {
  test("stops with code 1 and tells every problem at once, and no secret", async () => {
    const env = {
      PORT: "http",
      HOST: "0.0.0.0",
      INBOX_LIMIT: "many",
      LOG_LEVEL: "loud",
      EMAIL: "nobody",
      SMTP_HOST: "mail.example",
      SMTP_PASSWORD: "canary-password",
      DB_URI: "mongodb://canary-user:canary-pass@one.example",
      MONGO_URI: "mongodb://canary-user:canary-pass@two.example",
    };
    const { code, output } = await failedStart(env);
    expect(code).toBe(1);
    const lines = output.split("\n").filter((line) => line.startsWith("- "));
    const named = lines.map((line) => /^- ([A-Z_]+)/.exec(line)?.[1]).sort();
    expect(named, output).toStrictEqual(
      ["DB_URI", "EMAIL", "HOST", "INBOX_LIMIT", "LOG_LEVEL", "PORT", "SMTP_EMAIL", "SMTP_LOGIN"].sort(),
    );
    expect(output).toContain("8 problems");
    expect(output).not.toContain("canary");
    expect(output).not.toMatch(/\n\s+at /);
  });

  test("a wrong API key list is not mistaken for a missing one, nor a wrong sender", () => {
    expect(problemsOf({ HOST: "0.0.0.0", API_KEYS: "short" })).toHaveLength(1);
    expect(problemsOf({ SMTP_HOST: "mail.example", SMTP_EMAIL: "sender" })).toHaveLength(1);
  });

  test.each<[string, string | undefined, RegExp[]]>([
    ["is missing", undefined, [/NOTIFICATION_TYPES_FILE: .*ENOENT/]],
    ["is not JSON", "{types}", [/NOTIFICATION_TYPES_FILE: .*JSON/]],
    ["is a list", "[]", [/NOTIFICATION_TYPES_FILE: \/: /]],
    [
      "has unknown channels and fields and wrong types",
      JSON.stringify({
        pigeon: { inbox: true, channels: { pigeon: {} } },
        half: { channels: {} },
        wrong: { inbox: "yes", channels: { email: { subject: 1 } } },
        more: { inbox: true, channels: {}, colour: "red" },
        "a key with blanks": { inbox: true, channels: {} },
      }),
      [
        /\/pigeon\/channels/,
        /\/half/,
        /\/wrong\/inbox/,
        /\/wrong\/channels\/email\/subject/,
        /\/more/,
        /blanks/,
      ],
    ],
    [
      "has templates that cannot be rendered",
      JSON.stringify({
        open: { inbox: true, channels: { email: { text: "{% if title %}never closed" } } },
        filter: { inbox: true, channels: { email: { subject: "{{ title | shout }}" } } },
        hidden: { inbox: true, channels: { email: { html: "{% if data.x %}{{ key | shout }}{% endif %}" } } },
        tag: { inbox: true, channels: { email: { text: "{% dance %}" } } },
        fine: { inbox: true, channels: { email: { text: "{{ data.x | upcase }}" } } },
      }),
      [
        /type open, channel email, text: /,
        /type filter.*subject.*shout/,
        /type hidden.*html.*shout/,
        /type tag.*dance/,
      ],
    ],
  ])("a types file that %s stops it, each problem told", async (_what, text, wanted) => {
    const path = text === undefined ? join(folder, "no-such.json") : file(text);
    const { code, output } = await failedStart({ DB_URI: uri, NOTIFICATION_TYPES_FILE: path });
    expect(code).toBe(1);
    for (const pattern of wanted) expect(output).toMatch(pattern);
    expect(output).not.toContain("type fine");
    expect(output).not.toMatch(/\n\s+at /);
  });

  test("an argument is refused: it takes variables only", async () => {
    const main = fileURLToPath(new URL("../../dist/main.js", import.meta.url));
    const child = spawn(process.execPath, [main, "--port", "4000"], {
      cwd: folder,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let text = "";
    child.stderr.on("data", (chunk) => {
      text += chunk;
    });
    const [code] = await once(child, "close");
    expect(code).toBe(1);
    expect(text).toContain("unknown argument --port 4000");
  });

  test("a port that is taken is named, and nothing is left running", async () => {
    const holder = createServer().listen(0, "127.0.0.1");
    await once(holder, "listening");
    const { port } = holder.address() as AddressInfo;
    const { code, output } = await failedStart({ DB_URI: uri, PORT: String(port) });
    holder.close();
    expect(code).toBe(1);
    expect(output).toContain(`PORT: another program uses port ${port} on 127.0.0.1`);
    expect(output).not.toMatch(/\n\s+at /);
  });

  test("an address that this machine does not have is named", async () => {
    const { code, output } = await failedStart({ DB_URI: uri, HOST: "192.0.2.7", AUTH: "off" });
    expect(code).toBe(1);
    expect(output).toContain("HOST: 192.0.2.7 is not an address of this machine");
  });

  test("a MongoDB that is not there stops it without showing the URI's password", async () => {
    const DB_URI = "mongodb://canary-user:canary-pass@127.0.0.1:9/x?serverSelectionTimeoutMS=300";
    const { code, output } = await failedStart({ DB_URI, DB_WAIT_SECONDS: "0" });
    expect(code).toBe(1);
    expect(output).toContain("MongoDB at 127.0.0.1:9 did not answer");
    expect(output).not.toContain("canary");
  });
});
