import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { parseEnvFile } from "../../src/config/env-file.ts";
import { ConfigError, loadConfig } from "../../src/config/load.ts";
import { variables } from "../../src/config/table.ts";
import { openRegistry } from "../../src/settings.ts";

const folder = mkdtempSync(join(tmpdir(), "belfry-env-"));
afterAll(() => rmSync(folder, { recursive: true }));

const smtp = "SMTP_HOST=mail.example\nSMTP_LOGIN=joe@sender.example\n";
const passwordIn = (line: string) => loadConfig({}, `${smtp}${line}`).config.SMTP_PASSWORD;
const ours = (name: string) => variables.some((one) => one.name === name);
function problemsIn(envFile: string, env: Record<string, string> = {}): string[] {
  try {
    loadConfig(env, envFile);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as ConfigError).problems;
  }
  return [];
}

describe("a value in .env is taken whole:", () => {
  test.each([
    ["abc#def", "abc#def"],
    ["#x", "#x"],
    ["##", "##"],
    ["a=b==", "a=b=="],
    ["a'b\"c`d", "a'b\"c`d"],
    ["a\\nb$c", "a\\nb$c"],
    [" abc ", "abc"],
    ["'  lead and trail  '", "  lead and trail  "],
    ['"  lead and trail  "', "  lead and trail  "],
    ["` a'b\"c `", " a'b\"c "],
    ["'abc #def'", "abc #def"],
    ["'abc' # a comment", "abc"],
    ["'abc'#a comment", "abc"],
    ["'pä ß'", "pä ß"],
  ])("SMTP_PASSWORD=%s", (written, value) => {
    expect(passwordIn(`SMTP_PASSWORD=${written}\n`)).toBe(value);
    if (!written.startsWith("#")) expect(passwordIn(`export SMTP_PASSWORD = ${written}\r\n`)).toBe(value);
  });

  test("API_KEYS with a # inside", () => {
    const key = "abcdefghijklmnop#QRSTUVWXYZ";
    expect(loadConfig({}, `API_KEYS=${key}`).config.API_KEYS).toEqual([key]);
  });

  test("blanks at its ends come through the environment too", () => {
    const env = { SMTP_HOST: "m.example", SMTP_LOGIN: "joe@sender.example", SMTP_PASSWORD: " p " };
    expect(loadConfig(env).config.SMTP_PASSWORD).toBe(" p ");
  });

  test("a quoted value may span lines, and a comment may follow a number", () => {
    const { entries, problems } = parseEnvFile('A="1\n2" # two\nPORT=3000 # the port\nB=\n', ours);
    expect(problems).toEqual([]);
    expect(entries.map(({ name, value }) => [name, value])).toEqual([
      ["A", "1\n2"],
      ["PORT", "3000"],
      ["B", ""],
    ]);
  });

  test.each(["\r\n", "\n", "\r"])("lines end with %j", (end) => {
    const text = ["", "# a comment", "  # another", "PORT=4000", "SMTP_NAME='Night Desk'", ""].join(end);
    expect(loadConfig({}, text).config).toMatchObject({ PORT: 4000, SMTP_NAME: "Night Desk" });
  });
});

describe("the start names the line in .env", () => {
  test.each<[string, string, RegExp]>([
    [
      "a secret that a comment may have cut",
      "SMTP_NAME=x\nMAILGUN_SIGNING_KEY=abc #def",
      /line 2: MAILGUN_SIGNING_KEY has an unquoted #/,
    ],
    ["a secret that is a comment only", "API_KEYS= # later", /line 1: API_KEYS has an unquoted #/],
    ["a name that a comment may have cut", "SMTP_NAME=Desk #1", /line 1: SMTP_NAME has an unquoted #/],
    [
      "a quote that does not close",
      "PORT=1\n\nSMTP_NAME='Bob\nHOST=::1",
      /line 3: SMTP_NAME begins with ' and has no/,
    ],
    ["a quote that closes in another value", "SMTP_NAME='Bob\nHOST='::1'", /line 1: SMTP_NAME begins with '/],
    [
      "text after the closing quote",
      'SMTP_NAME="Bob" Smith',
      /line 1: SMTP_NAME has text after its closing "/,
    ],
    ["a quote inside its own kind", 'SMTP_NAME="B\\"ob"', /line 1: SMTP_NAME has text after its closing "/],
    ["a line without =", "PORT=1\nSMTP_NAME", /line 2: must be NAME=value/],
    ["a name that is none", "PORT=1\n9LIVES=x", /line 2: must be NAME=value/],
    ["a name that is set twice", "PORT=1\nHOST=::1\nPORT=2", /line 3: PORT is already set on line 1/],
  ])("of %s", (_what, text, problem) => {
    const problems = problemsIn(text).filter((one) => one.includes(".env"));
    expect(problems).toEqual([expect.stringMatching(problem)]);
    expect(problems[0]).not.toMatch(/def|Bob|Smith/);
  });

  test("other programs' names may be there twice", () => {
    expect(problemsIn("FOO=1\nFOO=2\n")).toEqual([]);
  });
});

describe("a misspelled name stops the start", () => {
  test.each([
    ["SMPT_HOST", "SMTP_HOST"],
    ["SMTP_HOTS", "SMTP_HOST"],
    ["SMTPHOST", "SMTP_HOST"],
    ["smtp_password", "SMTP_PASSWORD"],
    ["MAILGUN_DOMIAN", "MAILGUN_DOMAIN"],
    ["TWILIO_AUTH_TOKENS", "TWILIO_AUTH_TOKEN"],
    ["WEBHOOK_SECRETS_FILE", "WEBHOOK_SECRET_FILE"],
    ["MONGO_URL", "MONGO_URI"],
    ["ALOWED_ORIGNS", "ALLOWED_ORIGINS"],
  ])("%s: did you mean %s?", (name, meant) => {
    const message = (where: string) =>
      `${name} (in ${where}) is not a variable of Belfry; did you mean ${meant}?`;
    expect(problemsIn(`${name}=canary`)).toEqual([message(".env")]);
    if (name.length >= 9) expect(problemsIn("", { [name]: "canary" })).toEqual([message("the environment")]);
  });

  test.each(["API_KEY", "PORTS", "DB_URL", "EMIAL"])("%s does so in .env only", (name) => {
    expect(problemsIn(`${name}=x`)).toHaveLength(1);
    expect(problemsIn("", { [name]: "x" })).toEqual([]);
  });

  test.each([
    "SMTP_PROXY",
    "SMTP_POOL",
    "SMTP_USER",
    "HOME",
    "HOSTNAME",
    "MAIL",
    "LOGNAME",
    "LOG_FILE",
    "NODE_ENV",
    "TWILIO_API_KEY",
    "WEBHOOK_TOKEN",
    "RABBITMQ_HOST",
    "http_proxy",
    "npm_config_loglevel",
  ])("%s is somebody else's", (name) => {
    expect(problemsIn(`${name}=x`, { [name]: "x" })).toEqual([]);
  });

  test("not when the variable that it resembles is set", () => {
    const env = { MONGO_URL: "mongodb://a.example/x", DB_URI: "mongodb://a.example/x" };
    expect(problemsIn("", env)).toEqual([]);
  });
});

describe("files", () => {
  const write = (content: string | Buffer) => {
    const path = join(folder, `${Math.random()}`);
    writeFileSync(path, content);
    return path;
  };
  const fromFile = (content: string | Buffer) =>
    loadConfig({ SMTP_PASSWORD_FILE: write(content) }, smtp).config.SMTP_PASSWORD;

  test("of a secret lose one line break at the end and nothing else", () => {
    expect(fromFile("pass\n")).toBe("pass");
    expect(fromFile("pass\r\n")).toBe("pass");
    expect(fromFile("  pass # word  \n")).toBe("  pass # word  ");
    expect(fromFile("pass")).toBe("pass");
  });

  test("lose a byte order mark, and may be UTF-16 with one", () => {
    expect(fromFile("\uFEFFpass\n")).toBe("pass");
    expect(fromFile(Buffer.from("\uFEFFpäss\r\n", "utf16le"))).toBe("päss");
    expect(loadConfig({}, "\uFEFFAPI_KEYS=abcdefghijklmnopqrst\n").config.API_KEYS).toEqual([
      "abcdefghijklmnopqrst",
    ]);
  });

  test("of notification types lose a byte order mark, too, and may be UTF-16 with one", () => {
    const types = '\uFEFF{"ping":{"inbox":false,"channels":{"webhook":{}}}}';
    for (const bytes of [types, Buffer.from(types, "utf16le")]) {
      const { config } = loadConfig({ NOTIFICATION_TYPES_FILE: write(bytes) });
      expect(openRegistry(config).get("ping")).toMatchObject({ inbox: false });
    }
  });

  test("that are not text, or that are folders, are named", () => {
    const problem = (path: string) => problemsIn(smtp, { SMTP_PASSWORD_FILE: path });
    expect(problem(write(Buffer.from([0x70, 0xff, 0xfe])))).toEqual([
      "SMTP_PASSWORD_FILE: the file it names is not UTF-8 text",
    ]);
    expect(problem(folder)).toEqual(["SMTP_PASSWORD_FILE: the file it names cannot be read (EISDIR)"]);
  });

  test.each(variables.filter((one) => one.secret).map((one) => one.name))("%s has a _FILE twin", (name) => {
    expect(problemsIn("", { [`${name}_FILE`]: join(folder, "missing") })[0]).toBe(
      `${name}_FILE: the file it names cannot be read (ENOENT)`,
    );
  });
});
