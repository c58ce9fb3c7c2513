import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ObjectId } from "mongodb";
import { describe, expect, test } from "vitest";
import { type DeliveryDocument, newDelivery } from "../src/store/deliveries.ts";
import { usersOf } from "../src/store/inbox.ts";
import { prepareCollections } from "../src/store/indexes.ts";
import { freshDatabase } from "./support/database.ts";
import { call } from "./support/http.ts";
import { eventually, startService } from "./support/service.ts";
import { startSmtp } from "./support/smtp.ts";

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
  test("help says what there is; a slip names what was probably meant", async () => {
    const help = await belfry(["help"]);
    expect(help.code).toBe(0);
    for (const name of "deliveries show retry redrive ledger suppressions send simulate doctor".split(" "))
      expect(help.out).toMatch(new RegExp(`^  ${name} `, "m"));
    expect((await belfry(["help", "redrive"])).out).toContain("--dry-run");
    expect((await belfry(["redrive", "--help"])).out).toContain("--dry-run");
    const slips: Array<[string[], string]> = [
      [["deliverys"], "unknown command deliverys; did you mean deliveries?"],
      [["constructor"], "unknown command constructor"],
      [["deliveries", "--statsu", "failed"], "unknown option --statsu; did you mean --status?"],
      [["deliveries", "--user"], "--user wants a value: --user <id>"],
      [["deliveries", "--user=a", "--user=b"], "--user is given twice"],
      [["deliveries", "--json=yes"], "--json takes no value"],
      [["deliveries", "failed"], 'unexpected argument "failed"'],
      [["deliveries", "--limit", "many"], "--limit must be an integer from 1 to"],
      [["deliveries", "--status", "lost", "--from", "noon"], "--status must be some of pending"],
      [["deliveries", "--status", "lost", "--from", "noon"], "--from must be a time"],
      [["show"], "<id> is missing"],
      [["retry", "7"], "24 hex characters"],
      [["send", "--type", "new_login"], "--user"],
      [["send", "--user", "alex", "--type", "new_loggin"], "did you mean new_login?"],
      [["send", "--user", "alex", "--type", "new_login", "--data", "[1]"], "--data must be a JSON object"],
      [["send", "--user", "alex", "--type", "direct", "--channel", "fax"], "--channel must be some of"],
      [["simulate", "--interval", "0"], "--interval must be seconds, more than 0"],
      [["simulate", "--count", "none"], "--count must be an integer from 1"],
      [["ledger", "--from", "x"], "--from must be a time"],
      [["suppressions", "--remove"], "--remove wants --user and --channel"],
    ];
    // Two at a time, as there are cores.
    for (let at = 0; at < slips.length; at += 2)
      await Promise.all(
        slips.slice(at, at + 2).map(async ([args, says]) => {
          const { code, out, err } = await belfry(args);
          expect([code, out], args.join(" ")).toStrictEqual([2, ""]);
          expect(err).toContain(says);
        }),
      );
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
    expect([counted.code, counted.err.trim()]).toStrictEqual([0, "3 stored, 0 not."]);
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
    expect(err.replace(waits, "")).toMatch(/^Ctrl-C ends it\.\n\d+ stored, 0 not\.\n$/);
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
    expect((await belfry(["deliveries", "--type", "none"])).out).toBe("No delivery matches.\n");

    const [first = ""] = ids;
    expect((await belfry(["retry", first])).out).toContain("pending again");
    const twice = await belfry(["retry", first]);
    expect([twice.code, twice.err]).toStrictEqual([1, expect.stringContaining("it is on its way")]);
    expect((await belfry(["show", new ObjectId().toHexString()])).code).toBe(1);

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

  test("the ledger shows what became of what, and ends with 1 when the books do not balance", async () => {
    // Stored past the commit, so not counted as accepted.
    await failed(1);
    const books = await belfry(["ledger"]);
    expect([books.code, books.err]).toStrictEqual([1, expect.stringContaining("do not balance")]);
    await deliveries.deleteMany({});
    await db.collection("ledger").deleteMany({ _id: { $type: "string", $ne: "since" as never } });
    expect((await belfry(["send", "--user", "alex", "--type", "new_login"])).code).toBe(0);
    const good = await belfry(["ledger", "--json"]);
    expect(good.code).toBe(0);
    expect(JSON.parse(good.out)).toMatchObject({
      balanced: true,
      channels: { email: { accepted: 1, pending: 1 } },
    });
    expect((await belfry(["ledger"])).out).toMatch(/email +1 +0 +0 +0 +0 +0 +0 +1 +yes/);
  });

  test("suppressed addresses are listed and removed", async () => {
    const suppressed = { email: { address: "x@y.example", reason: "bounced", at: new Date() } };
    await db.collection<{ _id: string }>("users").insertOne({ _id: "sue", suppressed } as never);
    expect((await belfry(["suppressions"])).out).toMatch(/email +bounced +sue +x@y\.example/);
    expect((await belfry(["suppressions", "--remove", "--user", "sue", "--channel", "email"])).code).toBe(0);
    expect((await belfry(["suppressions"])).out).toBe("No address is suppressed.\n");
  });

  test("without DB_URI it finds the database of the service that runs on DATA_DIR, or says that none does", async () => {
    const folder = mkdtempSync(join(tmpdir(), "belfry-cli-"));
    try {
      const none = await belfry(["ledger"], { DB_URI: "", DATA_DIR: folder });
      expect([none.code, none.err]).toStrictEqual([
        1,
        expect.stringContaining("DB_URI is not set and no Belfry runs on"),
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

describe("belfry doctor", () => {
  test("a healthy set-up has nothing wrong", async () => {
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
    expect(out).toMatch(/^ok +MongoDB +its clock and ours agree/m);
    expect(out).toMatch(/^ok +email: smtp +answers, and takes our login/m);
    expect(out).toMatch(/^note +sms: capture/m);
    expect([code, out.trim().split("\n").at(-1)]).toStrictEqual([0, "Nothing is wrong."]);
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
    expect(refused.out).toMatch(/^BAD +MongoDB +cannot be used/m);
    expect(refused.out).toContain("Check the host and the port in DB_URI");
    expect(refused.out).toMatch(/^BAD +email: smtp +535/m);
    expect(refused.out).toContain("check SMTP_LOGIN and SMTP_PASSWORD");
    expect(refused.err).toContain("2 things are wrong.");
    expect(refused.out + refused.err).not.toContain("secret-word");
    const closed = await belfry(["doctor"], smtp.variables);
    expect(closed.code).toBe(1);
    expect(closed.out).toContain("Check SMTP_HOST, SMTP_PORT and SMTP_TLS");
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
      expect(out).toMatch(/^BAD +RabbitMQ +cannot be used/m);
      expect(out + err).not.toContain("secret-word");
    } finally {
      mute.close();
      rmSync(folder, { recursive: true });
    }
  });
});
