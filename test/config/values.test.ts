import { describe, expect, test } from "vitest";
import { ConfigError, loadConfig } from "../../src/config/load.ts";

function problemsOf(env: Record<string, string>): string[] {
  try {
    loadConfig(env);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as ConfigError).problems;
  }
  return [];
}

const sender = { SMTP_EMAIL: "from@sender.example" };
const mailgun = { MAILGUN_API_KEY: "key-of-mailgun" };

test.each([
  ["smtp.example.com:587", /set the port as SMTP_PORT/],
  ["smtp.example.com:", /set the port as SMTP_PORT/],
  ["[::1]:25", /set the port as SMTP_PORT/],
  ["smtp://smtp.example.com", /remove the scheme/],
  ["https://smtp.example.com/", /remove the scheme/],
  ["smtp://user:canary@smtp.example.com:25", /remove the scheme/],
  ["user:canary@smtp.example.com", /without user name/],
  ["smtp.example.com/", /without user name, port or path/],
  ["a.example,b.example", /must be a host name/],
  ["smtp example.com", /must be a host name/],
])("SMTP_HOST=%s is refused", (SMTP_HOST, why) => {
  const problems = problemsOf({ ...sender, SMTP_HOST });
  expect(problems).toEqual([expect.stringMatching(why)]);
  expect(problems[0]).toMatch(/^SMTP_HOST: /);
  expect(problems[0]).not.toContain("canary");
});

test.each([
  ["smtp.example.com", "smtp.example.com"],
  [" mail_pit ", "mail_pit"],
  ["192.0.2.7", "192.0.2.7"],
  ["::1", "::1"],
  ["[2001:db8::1]", "2001:db8::1"],
  ["post.bücher.example", "post.bücher.example"],
])("SMTP_HOST=%s is accepted", (SMTP_HOST, host) => {
  expect(loadConfig({ ...sender, SMTP_HOST }).config.SMTP_HOST).toBe(host);
});

test("HOST with a port says to use PORT", () => {
  expect(problemsOf({ HOST: "127.0.0.1:3000" })).toEqual([expect.stringMatching(/^HOST: .*PORT/)]);
});

test.each([
  "https://mg.example.com/",
  "https://mg.example.com",
  "mg.example.com/",
  "me@mg.example.com",
  "mg",
  "mg.example.com:443",
])("MAILGUN_DOMAIN=%s is refused", (MAILGUN_DOMAIN) => {
  expect(problemsOf({ ...mailgun, MAILGUN_DOMAIN })).toEqual([
    expect.stringMatching(/^MAILGUN_DOMAIN: must be a domain alone/),
  ]);
});

describe("DB_URI", () => {
  test.each([
    "mongodb://belfry:p@ss/w#rd@host/db",
    "mongodb://belfry:p@ss@host/db",
    "mongodb://belfry:pa/ss@host/db",
    "mongodb://belfry:pa?ss@host/db",
    "mongodb://belfry:p@h?ss@host/db",
    "mongodb://belfry:pa#ss@host/db",
    "mongodb://belfry:pa:ss@host/db",
    "mongodb://belfry:pa[ss@host/db",
    "mongodb://belfry:pa%ss@host/db",
    "mongodb://bel@fry:pass@host/db",
    "mongodb+srv://belfry:p@ss@cluster.example/?appName=@x@",
  ])("%s says what to percent-encode and does not show the value", (DB_URI) => {
    for (const name of ["DB_URI", "MONGO_URI"]) {
      const problems = problemsOf({ [name]: DB_URI });
      expect(problems).toEqual([
        expect.stringMatching(new RegExp(`^${name}: has a character that must be percent-encoded`)),
      ]);
      expect(problems[0]).toMatch(/@ → %40.*\/ → %2F.*# → %23.*% → %25/);
      expect(problems[0]).not.toMatch(/belfry|pass(?!word)|p@ss|w#rd|host/);
    }
  });

  test.each([
    "mongodb://127.0.0.1",
    "mongodb://[::1]:27017/shop?replicaSet=rs0",
    "mongodb://belfry:p%40ss%2Fw%23rd@a.example:27017,b.example:27018/db?authSource=admin&w=majority",
    "mongodb://user@host/db",
    "mongodb://account:key%3D%3D@account.mongo.example:10255/?ssl=true&appName=@account@",
    "mongodb+srv://belfry:secret@cluster.example/?retryWrites=true",
    "mongodb://%2Ftmp%2Fmongodb-27017.sock/?directConnection=true",
    "mongodb://host?replicaSet=rs0",
  ])("%s is accepted", (DB_URI) => {
    expect(problemsOf({ DB_URI })).toEqual([]);
  });

  test.each([
    "mongodb://",
    "http://host/db",
    "mongodb://u:p@host:port/db",
    "mongodb://host:27017:1/db",
    "mongodb://a b/db",
  ])("%s is refused for its form", (DB_URI) => {
    expect(problemsOf({ DB_URI })).toEqual([expect.stringMatching(/^DB_URI: must b/)]);
  });
});

describe("URLs", () => {
  test.each([
    "amqp://belfry:p@ss/w#rd@host/vhost",
    "amqp://belfry:p@ss@host",
    "amqp://belfry:p/ss@host",
    "amqp://belfry:p?ss@host",
    "amqp://belfry:p#ss@host",
    "amqp://belfry:p%ss@host",
  ])("AMQP_URL=%s says what to percent-encode", (AMQP_URL) => {
    const problems = problemsOf({ AMQP_URL });
    expect(problems).toEqual([
      expect.stringMatching(/^AMQP_URL: has a character that must be percent-encoded/),
    ]);
    expect(problems[0]).not.toMatch(/belfry|p@ss|w#rd|host/);
  });

  test("AMQP_URL with an encoded password is accepted", () => {
    expect(problemsOf({ AMQP_URL: "amqps://belfry:p%40ss@host:5671/%2F?heartbeat=30" })).toEqual([]);
  });

  const rest = { ...mailgun, MAILGUN_DOMAIN: "mg.example.com" };
  const twilio = { TWILIO_SID: "AC1", TWILIO_AUTH_TOKEN: "t", TWILIO_PHONE_NUMBER: "+15550100" };
  const webhook = { WEBHOOK_SECRET: `whsec_${"A".repeat(40)}` };
  test.each<[string, Record<string, string>]>([
    ["PUBLIC_URL", {}],
    ["MAILGUN_BASE_URL", rest],
    ["TWILIO_BASE_URL", twilio],
    ["WEBHOOK_URL", webhook],
  ])("%s with a login, a fragment or another scheme is refused and not shown", (name, others) => {
    for (const value of [
      "https://canary:canary@host.example",
      "https://canary:can/ary@host.example",
      "https://canary:can#ary@host.example",
      "https://canary:can?ary@host.example",
      "https://host.example/#canary",
      "ftp://canary:canary@host.example",
      "https://host.example:99999/?token=canary",
      "canary:canary@host.example",
    ]) {
      const problems = problemsOf({ ...others, [name]: value });
      expect(problems, value).toEqual([expect.stringMatching(new RegExp(`^${name}: must`))]);
      expect(problems[0]).not.toMatch(/canary|can|ary@/);
    }
  });

  test("PUBLIC_URL with a query is refused; WEBHOOK_URL keeps its query", () => {
    expect(problemsOf({ PUBLIC_URL: "https://a.example/?token=canary" })).toEqual([
      expect.stringMatching(/^PUBLIC_URL: must not contain a query .*not shown/),
    ]);
    const url = "https://hooks.example/@team/x/?token=1";
    expect(loadConfig({ ...webhook, WEBHOOK_URL: url }).config.WEBHOOK_URL).toBe(url);
  });

  test("a valid value with a login is not shown when another variable is wrong", () => {
    const problems = problemsOf({
      DB_URI: "mongodb://canary:canary@host/db",
      AMQP_URL: "amqp://canary:canary@h",
      PORT: "x",
    });
    expect(problems).toEqual([expect.stringMatching(/^PORT: /)]);
  });
});

test.each([
  ["John Doe <johndoe@email.com>", "johndoe@email.com"],
  ['"Doe, John" <johndoe@email.com>', "johndoe@email.com"],
  ["<johndoe@email.com>", "johndoe@email.com"],
  [" johndoe@email.com ", "johndoe@email.com"],
])("EMAIL=%s is accepted", (value, address) => {
  for (const name of ["EMAIL", "REGISTERED_RECEIVER_EMAIL"])
    expect(loadConfig({ [name]: value }).config.EMAIL).toBe(address);
  expect(loadConfig({}, `REGISTERED_RECEIVER_EMAIL='${value}'`).config.EMAIL).toBe(address);
});

test.each([
  "John Doe",
  "a@b.example, c@d.example",
  "A <a@b.example>, C <c@d.example>",
  "A <a@b.example> x",
  "a@b.example <x>",
  "grp: A <a@b.example>;",
])("EMAIL=%s is refused", (EMAIL) => {
  expect(problemsOf({ EMAIL })).toEqual([expect.stringMatching(/^EMAIL: must be one e-mail address/)]);
});

test("SMTP_EMAIL with a name says to use SMTP_NAME", () => {
  expect(problemsOf({ SMTP_HOST: "m.example", SMTP_EMAIL: "Desk <desk@sender.example>" })).toEqual([
    expect.stringMatching(/^SMTP_EMAIL: .*SMTP_NAME/),
  ]);
});

test("a token with a blank or a line break in it is refused", () => {
  const problems = problemsOf({
    ...mailgun,
    MAILGUN_DOMAIN: "mg.example.com",
    MAILGUN_API_KEY: "canary key",
  });
  expect(problems).toEqual(["MAILGUN_API_KEY: must not contain blanks or line breaks"]);
});

test("one wrong variable is reported as one problem, even if others depend on it", () => {
  expect(problemsOf({ HOST: "http://0.0.0.0" })).toHaveLength(1);
  expect(problemsOf({ SMTP_HOST: "smtp://m.example", SMTP_LOGIN: "joe@sender.example" })).toHaveLength(1);
  expect(problemsOf({ ...mailgun, MAILGUN_DOMAIN: "https://mg.example.com" })).toHaveLength(1);
  expect(problemsOf({ WEBHOOK_URL: "x", WEBHOOK_SECRET: `whsec_${"A".repeat(40)}` })).toHaveLength(1);
});
