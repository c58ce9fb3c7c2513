import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { ObjectId } from "mongodb";
import { describe, expect, test, vi } from "vitest";
import { run } from "../src/cli/run.ts";
import { readMoment } from "../src/cli/time.ts";
import { type DeliveryDocument, newDelivery } from "../src/store/deliveries.ts";
import { usersOf } from "../src/store/inbox.ts";
import { prepareCollections } from "../src/store/indexes.ts";
import { freshDatabase } from "./support/database.ts";
import { call } from "./support/http.ts";
import { authorityFile, privateCertificate } from "./support/private-ca.ts";
import { eventually, startService } from "./support/service.ts";
import { startSmtp } from "./support/smtp.ts";

// Each command is a process of its own, and several of them are started in most tests.
vi.setConfig({ testTimeout: 240_000 });

const { uri, db } = freshDatabase();
const deliveries = db.collection<DeliveryDocument>("deliveries");
const program = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));
/** Nobody listens there. */
const nowhere = "mongodb://someone:secret-word@127.0.0.1:1/x?serverSelectionTimeoutMS=300";

interface Ended {
  code: number;
  out: string;
  err: string;
}

/** What it waits for is said after 2 s, which may be anything on a machine that has much to do. */
const waits = /^.* …\n/gm;

/** The built program, as an operator types it. */
function belfry(args: string[], variables: Record<string, string> = {}, cwd = tmpdir()): Promise<Ended> {
  const { PATH = "", HOME = "" } = process.env;
  const env = { PATH, HOME, DB_URI: uri, ...variables };
  return new Promise((resolve) => {
    execFile(process.execPath, [program, ...args], { env, cwd }, (error, out, err) =>
      resolve({ code: error ? Number(error.code) : 0, out, err: err.replace(waits, "") }),
    );
  });
}

/** The same inside this process, for lines that end before a command opens anything. */
async function belfryHere(args: string[]): Promise<Ended> {
  const text = { stdout: "", stderr: "" };
  const spies = (["stdout", "stderr"] as const).map((stream) =>
    vi.spyOn(process[stream], "write").mockImplementation((chunk) => {
      text[stream] += chunk;
      return true;
    }),
  );
  try {
    const code = await run(args);
    return { code, out: text.stdout, err: text.stderr };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

const lines = (text: string) =>
  text
    .trim()
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));

async function failed(count: number, fields: Partial<DeliveryDocument> = {}): Promise<string[]> {
  const user = new ObjectId();
  await db.collection("users").insertOne({ _id: user, email: `${user.toHexString()}@receiver.example` });
  const documents = Array.from({ length: count }, () => ({
    ...newDelivery(
      { id: new ObjectId().toHexString(), channel: "email" as const, content: { key: "new_login", at: 0 } },
      { notification: new ObjectId().toHexString(), user: user.toHexString() },
      new Date(),
      undefined,
    ),
    state: "failed" as const,
    reason: "exhausted" as const,
    ...fields,
  }));
  await deliveries.insertMany(documents);
  return documents.map((one) => one._id.toHexString());
}

describe("belfry", () => {
  test("help lists every command with examples; a typing error names what was probably meant and the help of the command", async () => {
    const help = await belfry(["help"]);
    expect(help.code).toBe(0);
    expect(Math.max(...help.out.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
    const names = [
      ...help.out.matchAll(
        /^ {2}([a-z]+(?: (?:check|generate|show|put|pause|resume|delete|subscrib\w+|unsubscribe))?) /gm,
      ),
    ].map(([, name = ""]) => name);
    expect(names.sort()).toEqual([
      ..."broadcast deliveries digests doctor inbox jobs ledger preferences recall redrive release retry schedules".split(
        " ",
      ),
      ..."delete pause put resume show".split(" ").map((name) => `schedules ${name}`),
      ..."send shard show simulate start suppressions token topics".split(" "),
      ..."delete put show subscribe subscribers unsubscribe".split(" ").map((name) => `topics ${name}`),
      "types",
      "types check",
      "types generate",
      "users",
      "why",
    ]);
    for (const name of names) {
      const { code, out } = await belfryHere([...name.split(" "), "--help"]);
      expect([code, out]).toEqual([0, expect.stringMatching(new RegExp(`Examples\\n.*belfry ${name}`, "s"))]);
      expect(Math.max(...out.split("\n").map((line) => line.length)), name).toBeLessThanOrEqual(80);
    }
    expect((await belfryHere(["help", "redrive"])).out).toContain("--dry-run");
    const slips: Array<[string[], string]> = [
      [["deliverys"], "unknown command deliverys; did you mean deliveries?"],
      [["constructor"], "unknown command constructor"],
      [["deliveries", "--statsu", "failed"], "unknown option --statsu; did you mean --status?"],
      [["deliveries", "--user"], "--user needs a value: --user <id>"],
      [["deliveries", "--user", "--json"], "--user needs a value: --user <id>"],
      [["deliveries", "--user=a", "--user=b"], "--user is given twice"],
      [["deliveries", "--json=yes"], "--json takes no value"],
      [["deliveries", "failed"], 'unexpected argument "failed"'],
      [["deliveries", "--limit", "many"], "--limit must be an integer from 1 to"],
      [["deliveries", "--status", "lost", "--from", "noon"], "--status must be some of pending"],
      [["deliveries", "--status", "lost", "--from", "noon"], "--from must be a time"],
      [["show"], "<id> is missing"],
      [["send", "--type", "new_login"], "--user is missing"],
      [["send", "--user", "alex"], "--type is missing"],
      [["send", "--user", "alex", "--type", "new_login", "--data", "[1]"], "--data must be a JSON object"],
      [
        ["send", "--user", "alex", "--type", "direct", "--data", '{"a": {"order": 9007199254740993}}'],
        "--data: /a/order is a number that would lose digits; send it as a string",
      ],
      [["send", "--user", "alex", "--type", "direct", "--channel", "fax"], "--channel must name some of"],
      [
        ["send", "--user", " ", "--type", "direct"],
        "--user must have 1 to 128 characters, at least one of them visible",
      ],
      [["send", "--user", "..", "--type", "direct"], "and must not be . or .."],
      [["inbox", "\u200b"], "<user> must have 1 to 128 characters, at least one of them visible"],
      [["token", "\u200b"], "<user> must have 1 to 128 characters, at least one of them visible"],
      [["simulate", "--interval", "0"], "--interval must be a number of seconds above 0"],
      [["simulate", "--count", "none"], "--count must be an integer from 1"],
      [["ledger", "--from", "x"], "--from must be a time"],
      [["suppressions", "--remove"], "--remove needs a filter: --user, --channel, --reason, --from or --to"],
      [["inbox"], "<user> is missing"],
      [["users", "alex", "bob"], 'unexpected argument "bob"'],
      [["token", "alex", "--ttl", "0"], "--ttl must be an integer from 1 to 86400"],
      [["deliveries", "--from", "-1y"], "--from must be a time"],
    ];
    const expectRefused = ({ code, out, err }: Ended, [name = "", ...args]: string[], says: string) => {
      expect([code, out], [name, ...args].join(" ")).toStrictEqual([2, ""]);
      expect(err).toContain(says);
      expect(err).toContain(names.includes(name) ? `See \`belfry ${name} --help\`.` : "See `belfry help`.");
    };
    for (const [args, says] of slips) expectRefused(await belfryHere(args), args, says);
    const opening: typeof slips = [
      [["retry", "7"], "24 hex characters"],
      [["send", "--user", "alex", "--type", "new_loggin"], "did you mean new_login?"],
    ];
    for (const [args, says] of opening) expectRefused(await belfry(args), args, says);
  });

  test("send stores a notification whole, and a running service delivers it", async () => {
    const smtp = await startSmtp();
    const app = await startService({ DB_URI: uri, ...smtp.variables });
    const user = new ObjectId().toHexString();
    await db.collection("users").insertOne({ _id: new ObjectId(user), email: "ann@receiver.example" });
    const data = JSON.stringify({ device: "phone" });
    const sent = await belfry([
      "send",
      "--user",
      user,
      "--type",
      "new_login",
      "--title",
      "Hi",
      "--data",
      data,
      "--json",
    ]);
    expect([sent.code, sent.err]).toStrictEqual([0, ""]);
    const { id } = JSON.parse(sent.out);
    await eventually(
      () => smtp.mails.some((mail) => mail.to === "ann@receiver.example"),
      "the mail to arrive",
    );
    const list = await call(app.url, "GET", `/list?user_id=${user}`);
    expect(list.body.data.list[0]).toMatchObject({ id, key: "new_login", data: { device: "phone" } });

    const found = await eventually(async () => {
      const { out } = await belfry(["deliveries", "--notification", id, "--status", "sent", "--json"]);
      return lines(out)[0];
    }, "its delivery to be sent");
    expect(found).toMatchObject({
      user_id: user,
      notification_id: id,
      status: "sent",
      provider: "smtp",
      tries: 1,
    });
    const shown = await belfry(["show", found.id]);
    expect(shown.out).toMatch(/status +sent/);
    expect(shown.out).toMatch(/ATTEMPT +PROVIDER +OUTCOME/);
    expect(
      (await belfry(["send", "--user", "alex", "--type", "direct", "--channel", "inbox", "--body", "x"]))
        .code,
    ).toBe(0);
    await app.close();
    await smtp.close();
  });

  test("simulate stores the use cases one after the other: so many, or until Ctrl-C", async () => {
    const counted = await belfry(["simulate", "--interval", "0.01", "--count", "3", "--json"]);
    expect([counted.code, counted.err.trim()]).toStrictEqual([0, "3 stored, 0 failed."]);
    for (const { id, user_id, title } of lines(counted.out)) {
      expect(title).toMatch(/^(New Message Received|Subscription Expiring Soon|Profile Setup Complete)$/);
      const user = await usersOf(db).findOne({ _id: user_id });
      expect(user?.notifications?.map((one) => one.id)).toContain(id);
    }

    const { PATH = "", HOME = "" } = process.env;
    const args = [program, "simulate", "--interval", "0.01"];
    const endless = spawn(process.execPath, args, { env: { PATH, HOME, DB_URI: uri }, cwd: tmpdir() });
    let out = "";
    let err = "";
    endless.stdout.on("data", (chunk) => {
      out += chunk;
    });
    endless.stderr.on("data", (chunk) => {
      err += chunk;
    });
    const ended = once(endless, "exit");
    await eventually(() => out.split("\n").length > 5, "five of them to be told");
    endless.kill("SIGINT");
    expect(await ended).toStrictEqual([0, null]);
    expect(err.replace(waits, "")).toMatch(/^Press Ctrl-C to stop\.\n\d+ stored, 0 failed\.\n$/);
    expect(out).toMatch(/^[0-9a-f]{24} {2}(alex|bob|carol|dan) +\S.*: /);
  });

  test("deliveries are a table, or JSON lines; retry and redrive do with the service down what it does later", async () => {
    await prepareCollections(db);
    const type = "cli";
    const ids = await failed(620, { type });
    const table = await belfry(["deliveries", "--type", type, "--limit", "2"]);
    expect(table.out.split("\n")[0]).toMatch(/^CREATED +ID +CHANNEL +STATUS +REASON/);
    expect(table.out).toContain(`${ids.at(-1)}  email    failed  exhausted`);
    expect(table.err).toContain("more than 2");
    const all = await belfry(["deliveries", "--type", type, "--limit", "1000", "--json"]);
    expect(lines(all.out).map((one) => one.id)).toStrictEqual(ids.toReversed());
    expect((await belfry(["deliveries", "--type", "none"])).out).toBe("No deliveries match these filters.\n");

    const [first = ""] = ids;
    expect((await belfry(["retry", first])).out).toContain("pending again");
    const twice = await belfry(["retry", first]);
    expect([twice.code, twice.err]).toStrictEqual([1, expect.stringContaining("it is still being sent")]);
    expect((await belfry(["show", new ObjectId().toHexString()])).code).toBe(1);

    const story = await belfry(["why", first]);
    expect(story.code, story.err).toBe(0);
    expect(story.out).toMatch(/^Notification [0-9a-f]{24}, cli, to /);
    expect(story.out).toMatch(/accepted and stored/);
    const unknown = new ObjectId().toHexString();
    expect(await belfry(["why", unknown])).toMatchObject({
      code: 1,
      err: expect.stringContaining(`No inbox and no delivery has a notification ${unknown}`),
    });
    expect((await belfry(["why", "x"])).code).toBe(2);

    const dry = await belfry(["redrive", "--type", type, "--dry-run"]);
    expect([dry.code, dry.out.trim()]).toStrictEqual([0, "619  would be sent again"]);
    expect(await deliveries.countDocuments({ type, state: "failed" })).toBe(619);
    const done = await belfry(["redrive", "--type", type]);
    expect(done.code).toBe(0);
    expect(done.err).toContain("619  can be sent again");
    expect(done.out.trim()).toBe("619  are pending again and due now");
    expect(await deliveries.countDocuments({ type, state: "pending" })).toBe(620);
    const none = await belfry(["redrive", "--type", type, "--json"]);
    expect(JSON.parse(none.out)).toMatchObject({ dry_run: false, redriven: 0 });
    await deliveries.deleteMany({ type });
  });

  test("the ledger counts what became of every delivery, and exits with 1 when it does not balance", async () => {
    // Stored past the commit, so not counted as accepted.
    await failed(1);
    const books = await belfry(["ledger"]);
    expect([books.code, books.err]).toStrictEqual([1, expect.stringContaining("does not balance")]);
    await deliveries.deleteMany({});
    await db.collection("ledger").deleteMany({ _id: { $type: "string", $ne: "since" as never } });
    expect((await belfry(["send", "--user", "alex", "--type", "new_login"])).code).toBe(0);
    const good = await belfry(["ledger", "--json"]);
    expect(good.code).toBe(0);
    expect(JSON.parse(good.out)).toMatchObject({
      balanced: true,
      channels: { email: { accepted: 1, pending: 1 } },
    });
    const { out } = await belfry(["ledger", "--from", "-1h"]);
    expect(out).toMatch(/^ +EMAIL +SMS +WEBHOOK +ALL$/m);
    expect(out).toMatch(/^accepted +1 +0 +0 +1$/m);
    expect(out).toMatch(/^balanced +yes +yes +yes +yes$/m);
  });

  test("suppressed addresses are listed and removed", async () => {
    const suppressed = { email: { address: "x@y.example", reason: "bounced", at: new Date() } };
    await db.collection<{ _id: string }>("users").insertOne({ _id: "sue", suppressed } as never);
    expect((await belfry(["suppressions"])).out).toMatch(/email +bounced +sue +x@y\.example/);
    expect((await belfry(["suppressions", "--remove", "--user", "sue", "--channel", "email"])).code).toBe(0);
    expect((await belfry(["suppressions"])).out).toBe("No suppressed addresses match.\n");
  });

  test("without DB_URI it uses the database of the service that runs with that DATA_DIR, or says that none does", async () => {
    const folder = mkdtempSync(join(tmpdir(), "belfry-cli-"));
    try {
      const none = await belfry(["ledger"], { DB_URI: "", DATA_DIR: folder });
      expect([none.code, none.err]).toStrictEqual([
        1,
        expect.stringContaining("DB_URI is not set, and no Belfry runs with its data in"),
      ]);
      const app = await startService({ DATA_DIR: folder });
      const found = await belfry(["ledger"], { DB_URI: "", DATA_DIR: folder });
      expect([found.code, found.err]).toStrictEqual([0, ""]);
      await app.close();
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe("belfry, looking at users", () => {
  test("users, an inbox and the types are listed, as tables and as JSON", async () => {
    const email = "uma@receiver.example";
    await db.collection<{ _id: string }>("users").insertOne({ _id: "uma-1", email } as never);
    for (const search of ["uma", email])
      expect((await belfry(["users", search])).out).toMatch(/uma-1 +uma@receiver/);
    expect(lines((await belfry(["users", "uma", "--json"])).out)).toEqual([{ id: "uma-1", email }]);
    expect((await belfry(["users", "nobody-like-that"])).out).toBe("No users match.\n");
    await belfry(["send", "--user", "uma-1", "--type", "new_message", "--title", "Hello Uma"]);
    const inbox = await belfry(["inbox", "uma-1"]);
    expect([inbox.out, inbox.err]).toEqual([
      expect.stringMatching(/unread +new_message +Hello Uma/),
      "1 unread of 1.\n",
    ]);
    expect(lines((await belfry(["inbox", "uma-1", "--json"])).out)).toMatchObject([
      { type: "new_message", title: "Hello Uma", read: false },
    ]);
    expect((await belfry(["inbox", "uma-1", "--archived"])).out).toBe("No items.\n");
    const types = await belfry(["types"], { DB_URI: nowhere });
    expect(types.out).toMatch(/^new_login +yes +email/m);
  });

  test("a user's preferences are a table of what is on, and where that comes from", async () => {
    const chosen = { types: { new_login: { email: false } }, quiet: [{ from: "22:00", to: "07:00" }] };
    await db
      .collection<{ _id: string }>("users")
      .insertOne({ _id: "una", notificationPreferences: chosen } as never);
    const { out, err } = await belfry(["preferences", "una"]);
    expect(out).toMatch(/^ +new_login +inbox +on +default$/m);
    expect(out).toMatch(/^ +new_login +email +off +types\.new_login\.email$/m);
    expect(err).toBe("Quiet every day from 22:00 to 07:00 (UTC): all channels.\n");
    const [json] = lines((await belfry(["preferences", "una", "--json"])).out);
    expect(json).toMatchObject({ preferences: chosen, time_zone: "UTC" });
  });

  test("a token opens the user's inbox; without TOKEN_SECRET the command says what to set", async () => {
    const secret = "s".repeat(32);
    const app = await startService({
      DB_URI: uri,
      API_KEYS: "key-of-sixteen-characters",
      TOKEN_SECRET: secret,
    });
    const { code, out } = await belfry(["token", "uma-1", "--ttl", "600"], { TOKEN_SECRET: secret });
    expect(code).toBe(0);
    const opened = await fetch(`${app.url}/v1/users/uma-1/inbox`, {
      headers: { authorization: `Bearer ${out.trim()}` },
    });
    expect(opened.status).toBe(200);
    const none = await belfry(["token", "uma-1"]);
    expect([none.code, none.err]).toEqual([1, expect.stringContaining("TOKEN_SECRET is not set")]);
  });

  test("deliveries --follow prints each new delivery and each change, until Ctrl-C", async () => {
    const { PATH = "", HOME = "" } = process.env;
    const args = [program, "deliveries", "--follow", "--json", "--type", "followed"];
    const child = spawn(process.execPath, args, { env: { PATH, HOME, DB_URI: uri }, cwd: tmpdir() });
    let out = "";
    let err = "";
    child.stdout.on("data", (chunk) => {
      out += chunk;
    });
    child.stderr.on("data", (chunk) => {
      err += chunk;
    });
    const ended = once(child, "exit");
    await eventually(() => err.includes("Press Ctrl-C"), "it to follow");
    const [id = ""] = await failed(1, { type: "followed", state: "pending" });
    const told = () => lines(out).map((one) => [one.id, one.status]);
    await eventually(() => told().length === 1, "the new delivery");
    await deliveries.updateOne({ _id: new ObjectId(id) }, { $set: { state: "sent", updatedAt: new Date() } });
    await eventually(() => told().length === 2, "its change");
    expect(told()).toEqual([
      [id, "pending"],
      [id, "sent"],
    ]);
    child.kill("SIGINT");
    expect(await ended).toStrictEqual([0, null]);
    await deliveries.deleteMany({});
  });

  test("on a terminal of 80 columns a table fits, keeps ids whole and has colours unless NO_COLOR is set", async () => {
    const [id = ""] = await failed(1, { type: "a_type_with_a_rather_long_name" });
    const terminal =
      "data:text/javascript,import{WriteStream}from'node:tty';Object.assign(process.stdout,{isTTY:true,columns:80,getColorDepth:WriteStream.prototype.getColorDepth})";
    const shown = async (variables: Record<string, string>) => {
      const { PATH = "", HOME = "" } = process.env;
      const env = { PATH, HOME, DB_URI: uri, TERM: "xterm", ...variables };
      const { stdout } = await promisify(execFile)(
        process.execPath,
        ["--import", terminal, program, "deliveries", "--limit", "1"],
        { env, cwd: tmpdir() },
      );
      return stdout;
    };
    const plain = await shown({ NO_COLOR: "1" });
    expect(plain).toContain(id);
    expect(plain).not.toContain("\u001b");
    expect(Math.max(...plain.split("\n").map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(await shown({ FORCE_COLOR: "1" })).toContain("\u001b[31mfailed");
    const piped = await belfry(["deliveries", "--limit", "1"]);
    expect(piped.out).toContain("a_type_with_a_rather_long_name");
    expect(piped.out).not.toContain("\u001b");
    await deliveries.deleteMany({});
  });
});

test("times are read as spans before now, as days of this machine, or as they are", () => {
  const now = new Date(2026, 2, 15, 12, 30);
  const at = (text: string) => readMoment(text, now);
  expect(at("-1h")).toBe(new Date(now.getTime() - 3_600_000).toISOString());
  expect(at("-30m")).toBe(new Date(now.getTime() - 1_800_000).toISOString());
  expect(at("-2d")).toBe(new Date(now.getTime() - 172_800_000).toISOString());
  expect(at("today")).toBe(new Date(2026, 2, 15).toISOString());
  expect(at("yesterday")).toBe(new Date(2026, 2, 14).toISOString());
  expect(at("2026-01-31T08:00:00Z")).toBe("2026-01-31T08:00:00Z");
});

test("belfry start runs the service until SIGTERM", async () => {
  const { PATH = "", HOME = "" } = process.env;
  const env = { PATH, HOME, DB_URI: uri, PORT: "0", LOG_FORMAT: "json" };
  const child = spawn(process.execPath, [program, "start"], { env, cwd: tmpdir() });
  let out = "";
  child.stdout.on("data", (chunk) => {
    out += chunk;
  });
  const ended = once(child, "exit");
  const url = await eventually(() => /"url":"([^"]+)"/.exec(out)?.[1], "it to be ready");
  expect((await fetch(`${url}/readyz`)).status).toBe(200);
  child.kill("SIGTERM");
  expect(await ended).toStrictEqual([0, null]);
  const wrong = await belfry(["start"], { PORT: "http" });
  expect([wrong.code, wrong.err]).toEqual([1, expect.stringContaining("PORT")]);
});

describe("belfry doctor", () => {
  test("a running service is asked; its broken provider is shown with the provider's words and the remedy", async () => {
    const smtp = await startSmtp({
      options: {
        allowInsecureAuth: true,
        onAuth: (_auth, _session, done) =>
          done(Object.assign(new Error("5.7.8 Credentials not accepted"), { responseCode: 535 })),
      },
    });
    const login = { ...smtp.variables, SMTP_LOGIN: "me", SMTP_PASSWORD: "secret-word", EMAIL: "a@b.example" };
    const app = await startService({ DB_URI: uri, ...login });
    const PORT = new URL(app.url).port;
    await belfry(["send", "--user", "dora", "--type", "new_login"], login);
    const { out } = await eventually(async () => {
      const ended = await belfry(["doctor"], { ...login, PORT });
      return ended.out.includes("paused by the service") && ended;
    }, "the service to pause the provider");
    expect(out).toMatch(new RegExp(`^ok +service +answers at http://127.0.0.1:${PORT}, and is ready$`, "m"));
    expect(out).toMatch(
      /^BAD +email: smtp +paused by the service: 535.*Credentials not accepted\n +→ .*check SMTP_LOGIN/m,
    );
    await app.close();
    await smtp.close();
    await deliveries.deleteMany({});
    const stopped = await belfry(["doctor"], { PORT });
    expect(stopped.out).toContain(`no service answers at http://127.0.0.1:${PORT}`);
  });

  test("without a database it does not say that nothing is wrong", async () => {
    const folder = mkdtempSync(join(tmpdir(), "belfry-cli-"));
    const { out } = await belfry(["doctor"], { DB_URI: "", DATA_DIR: folder });
    rmSync(folder, { recursive: true });
    expect(out).toMatch(/^note +MongoDB +not checked/m);
    expect(out.trim().split("\n").at(-1)).toBe("No database was checked. Nothing else is wrong.");
  });

  test("a healthy installation has nothing wrong", async () => {
    const smtp = await startSmtp({
      options: {
        allowInsecureAuth: true,
        onAuth: (auth, _session, done) => done(null, { user: auth.username ?? "" }),
      },
    });
    const { code, out } = await belfry(["doctor"], {
      ...smtp.variables,
      SMTP_LOGIN: "me",
      SMTP_PASSWORD: "secret-word",
    });
    expect(out).toMatch(/^ok +configuration/m);
    expect(out).toMatch(/^ok +MongoDB +\d+\.\d+\.\d+, database test_/m);
    expect(out).toMatch(/^ok +MongoDB +a replica set/m);
    expect(out).toMatch(/^ok +MongoDB +its clock and this machine/m);
    expect(out).toMatch(/^ok +email: smtp +answers, and accepts our login/m);
    expect(out).toMatch(/^note +sms: capture/m);
    expect(out).toMatch(/^note +EMAIL +not set: deliveries to users without an e-mail address are skipped/m);
    expect([code, out.trim().split("\n").at(-1)]).toStrictEqual([
      0,
      "Nothing is wrong. Please read the notes.",
    ]);
    await smtp.close();
  });

  test("a refused login, a closed port and a silent MongoDB are each named, with what to do, and no secret", async () => {
    const smtp = await startSmtp({
      options: {
        allowInsecureAuth: true,
        onAuth: (_auth, _session, done) => done(Object.assign(new Error("5.7.8 no"), { responseCode: 535 })),
      },
    });
    const login = { SMTP_LOGIN: "me", SMTP_PASSWORD: "secret-word" };
    const refused = await belfry(["doctor"], { ...smtp.variables, ...login, DB_URI: nowhere });
    await smtp.close();
    expect(refused.code).toBe(1);
    expect(refused.out).toMatch(/^BAD +MongoDB +connect ECONNREFUSED/m);
    expect(refused.out).toContain("Check the host and the port in DB_URI");
    expect(refused.out).toMatch(/^BAD +email: smtp +535/m);
    expect(refused.out).toContain("check SMTP_LOGIN and SMTP_PASSWORD");
    expect(refused.err).toContain("2 things are wrong.");
    expect(refused.out + refused.err).not.toContain("secret-word");
    const closed = await belfry(["doctor"], smtp.variables);
    expect(closed.code).toBe(1);
    expect(closed.out).toContain("Check SMTP_HOST, SMTP_PORT and SMTP_TLS");
  });

  test("a certificate of a private authority is told from a refused login, with the variable that trusts it", async () => {
    const smtp = await startSmtp({
      options: {
        ...privateCertificate,
        disabledCommands: [],
        onAuth: (auth, _session, done) => done(null, { user: auth.username ?? "" }),
      },
    });
    const variables = { ...smtp.variables, SMTP_LOGIN: "me", SMTP_PASSWORD: "secret-word" };
    const refused = await belfry(["doctor"], variables);
    expect(refused.code).toBe(1);
    expect(refused.out).toMatch(
      /^BAD +email: smtp .*certificate not trusted: .*\n +→ Set NODE_EXTRA_CA_CERTS /m,
    );
    expect(refused.out).not.toMatch(/SMTP_LOGIN|secret-word/);
    const trusted = await belfry(["doctor"], { ...variables, NODE_EXTRA_CA_CERTS: authorityFile });
    expect([trusted.code, trusted.out]).toEqual([
      0,
      expect.stringMatching(/^ok +email: smtp +answers, and accepts our login/m),
    ]);
    await smtp.close();
  });

  test("a configuration with problems, a bad types file and a broker that is not one are each named", async () => {
    const wrong = await belfry(["doctor"], { PORT: "http", SMTP_PORT: "0" });
    expect([wrong.code, wrong.out]).toStrictEqual([
      1,
      expect.stringMatching(/^BAD +configuration +PORT: [\s\S]*^BAD +configuration +SMTP_PORT: /m),
    ]);
    const folder = mkdtempSync(join(tmpdir(), "belfry-cli-"));
    writeFileSync(join(folder, "types.json"), '{"x": {"inbox": "yes"}}');
    const mute = createServer((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")).listen(
      0,
      "127.0.0.1",
    );
    try {
      await new Promise((resolve) => mute.once("listening", resolve));
      const { port } = mute.address() as { port: number };
      const { code, out, err } = await belfry(["doctor"], {
        NOTIFICATION_TYPES_FILE: join(folder, "types.json"),
        AMQP_URL: `amqp://someone:secret-word@127.0.0.1:${port}`,
      });
      expect(code).toBe(1);
      expect(out).toMatch(/^BAD +configuration +NOTIFICATION_TYPES_FILE: \/x/m);
      expect(out).toMatch(/^BAD +RabbitMQ .*\n +→ Check AMQP_URL/m);
      expect(out + err).not.toContain("secret-word");
    } finally {
      mute.close();
      rmSync(folder, { recursive: true });
    }
  });
});
