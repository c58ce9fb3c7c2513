import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dkimVerify } from "mailauth/lib/dkim/verify.js";
import { simpleParser } from "mailparser";
import { ObjectId } from "mongodb";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type App, startApp } from "../src/app.ts";
import { publicPart, readDkimKey } from "../src/channels/email/dkim.ts";
import { loadConfig } from "../src/config/load.ts";
import { createLinks } from "../src/core/links.ts";
import { failCommands, freshDatabase, ownDatabase } from "./support/database.ts";
import { call } from "./support/http.ts";
import { startProvider } from "./support/provider-server.ts";
import { eventually, spawnService, startService } from "./support/service.ts";
import { type SmtpSink, startSmtp } from "./support/smtp.ts";

// From a mail to its unsubscribe button and back: a mail server, a parser, a signature check and requests as Gmail makes
// them.

const { uri, db } = freshDatabase();
const folder = mkdtempSync(join(tmpdir(), "belfry-unsubscribe-"));
afterAll(() => rmSync(folder, { recursive: true }));
const NOTIFICATION_TYPES_FILE = join(folder, "types.json");
writeFileSync(
  NOTIFICATION_TYPES_FILE,
  JSON.stringify({
    categories: {
      social: { label: { en: "Comments & likes", ru: "Комментарии" } },
      billing: { label: "Billing", locked: true },
      digest: { label: "Digests", default: { email: "daily" } },
    },
    comment: { category: "social", inbox: true, channels: { email: {} } },
    like: { category: "social", inbox: true, channels: { email: {}, sms: {} } },
    own: {
      inbox: false,
      channels: {
        email: {
          text: "{{ unsubscribe_url }} {{ preferences_url }}",
          html: "<a href='{{ unsubscribe_url }}'>x</a>",
        },
        sms: { text: "[{{ unsubscribe_url }}] {{ preferences_url }}" },
      },
    },
    summary: { category: "digest", inbox: false, channels: { email: {} } },
    invoice: { category: "billing", inbox: false, channels: { email: {} } },
    reset: { category: "social", mandatory: true, inbox: false, channels: { email: {} } },
  }),
);

const key = "first-key-of-26-characters";
const auth = { authorization: `Bearer ${key}` };
const secret = "first-secret-of-over-32-characters";
const pem = generateKeyPairSync("rsa", { modulusLength: 2_048 }).privateKey.export({
  type: "pkcs8",
  format: "pem",
}) as string;
const publicUrl = "https://notify.example/belfry";

let smtp: SmtpSink;
let usual: App;
beforeAll(async () => {
  smtp = await startSmtp();
  const { config } = loadConfig({ PORT: "0", ...variables() });
  usual = await startApp(config, pino({ level: "silent" }));
});
afterAll(async () => {
  await usual.close();
  await smtp.close();
});

const variables = (more: Record<string, string> = {}) => ({
  DB_URI: uri,
  NOTIFICATION_TYPES_FILE,
  API_KEYS: key,
  TOKEN_SECRET: secret,
  PUBLIC_URL: publicUrl,
  ...smtp.variables,
  SMTP_DKIM_DOMAIN: "sender.example",
  SMTP_DKIM_SELECTOR: "one",
  SMTP_DKIM_PRIVATE_KEY: pem,
  ...more,
});
/** One of its own when it differs. */
const start = async (more?: Record<string, string>) => (more ? startService(variables(more)) : usual);

let users = 0;
async function newUser(url: string, profile: object = {}): Promise<string> {
  const user = `user${++users}`;
  await call(
    url,
    "PUT",
    `/v1/users/${user}`,
    { email: `${user}@users.example`, phone: "+12025550123", ...profile },
    auth,
  );
  return user;
}

/** The delivery of a new notification, once it has ended. */
async function notify(url: string, user: string, type: string, channel = "email") {
  const sent = await call(url, "POST", "/v1/notifications", { recipients: [user], type }, auth);
  const notification = new ObjectId(sent.body.notifications[0].id as string);
  return eventually(async () => {
    const found = await db.collection("deliveries").findOne({ user: user as never, notification, channel });
    return found && !["pending", "sending"].includes(found.state) ? found : undefined;
  }, `${type} ends`);
}

/** The mail that the user got last. */
const mailTo = (user: string) =>
  simpleParser(smtp.mails.findLast(({ to }) => to.startsWith(`${user}@`))?.raw ?? "");
type Mail = Awaited<ReturnType<typeof mailTo>>;

/** Where a link leads, at the service itself. The proxy in between passes the path on. */
const pathOf = (link: string) => new URL(link).pathname;
const listOf = (mail: Mail) =>
  mail.headers.get("list") as { unsubscribe?: { url: string }; id?: { name: string } } | undefined;

async function unsubscribePath(url: string, user: string, type = "comment"): Promise<string> {
  await notify(url, user, type);
  return pathOf(listOf(await mailTo(user))?.unsubscribe?.url as string);
}

/** As Gmail sends it: RFC 8058, section 3.2. */
const gmail = (url: string, path: string) =>
  call(url, "POST", path, "List-Unsubscribe=One-Click", {
    "content-type": "application/x-www-form-urlencoded",
  });

/** As the service makes them. */
const linksOf = (user: string) =>
  createLinks({ secrets: [secret], publicUrl }).of({ key: "own", mandatory: false }, "email", user);

const preferencesOf = async (user: string) =>
  (await db.collection("users").findOne({ _id: user as never }))?.notificationPreferences;

describe("a mail", () => {
  test("names its list and its link, in headers that a mail parser reads and a signature covers", async () => {
    const { url } = await start();
    const user = await newUser(url);
    await notify(url, user, "comment");
    const mail = await mailTo(user);
    expect(listOf(mail)).toEqual({
      unsubscribe: { url: expect.stringMatching(/^https:\/\/notify\.example\/belfry\/u\/[\w-]{20,60}$/) },
      "unsubscribe-post": { name: "List-Unsubscribe=One-Click" },
      id: { name: "social.notify.example" },
    });
    const link = listOf(mail)?.unsubscribe?.url as string;
    expect(mail.text).toContain(`Unsubscribe: ${link}\n`);
    expect(mail.html).toContain(`href="${link}"`);

    const raw = smtp.mails.at(-1)?.raw as string;
    const record = `v=DKIM1; k=rsa; p=${publicPart(readDkimKey(pem))}`;
    const resolver = async (name: string) => {
      expect(name).toBe("one._domainkey.sender.example");
      return [[record]];
    };
    for (const [text, result] of [
      [raw, "pass"],
      [raw.replace("One-Click", "Two-Click"), "fail"],
      [raw.replace("/belfry/u/", "/belfry/p/"), "fail"],
    ] as const)
      expect((await dkimVerify(text, { resolver })).results[0]?.status.result).toBe(result);
  });

  test.each([
    ["of a mandatory type", "reset"],
    ["of a locked category", "invoice"],
  ])("%s has no such headers and no link", async (_what, type) => {
    const { url } = await start();
    const user = await newUser(url);
    await notify(url, user, type);
    const mail = await mailTo(user);
    expect([...mail.headers.keys()].filter((name) => name.startsWith("list"))).toEqual([]);
    expect(mail.text).not.toContain("nsubscribe");
    expect(mail.html).not.toContain("nsubscribe");
  });

  test.each<[string, Record<string, string>]>([
    ["PUBLIC_URL is http", { PUBLIC_URL: "http://notify.example" }],
    ["there is no TOKEN_SECRET", { TOKEN_SECRET: "" }],
  ])("has none either when %s", async (_what, more) => {
    const { url } = await start(more);
    const user = await newUser(url);
    await notify(url, user, "own");
    const mail = await mailTo(user);
    expect(listOf(mail)).toBeUndefined();
    expect(mail.text?.trim()).toBe("");
  });

  test("shows both links to the type's templates; an SMS has only that of the preferences", async () => {
    const { url } = await start({ SMTP_DKIM_PRIVATE_KEY: pem.replaceAll("\n", "\\n") });
    const user = await newUser(url);
    await notify(url, user, "own");
    const mail = await mailTo(user);
    const [unsubscribe, preferences] = (mail.text ?? "").trim().split(" ") as [string, string];
    expect(unsubscribe).toBe(listOf(mail)?.unsubscribe?.url);
    expect(listOf(mail)?.id?.name).toBe("own.notify.example");
    expect((await call(url, "GET", pathOf(preferences))).status).toBe(200);
    expect(await notify(url, user, "own", "sms")).toMatchObject({ state: "sent" });
    const sms = await db.collection("captured").findOne({ user_id: user, channel: "sms" });
    expect(sms?.text).toBe(`[] ${preferences}`);
  });

  test("through Mailgun has them as h: fields", async () => {
    const mailgun = await startProvider(() => ({ status: 200, json: { id: "<1@mg.example>" } }));
    const { url } = await start({
      MAILGUN_API_KEY: "key-0123456789abcdef",
      MAILGUN_DOMAIN: "mg.example",
      MAILGUN_BASE_URL: mailgun.url,
    });
    const user = await newUser(url);
    await notify(url, user, "comment");
    expect(mailgun.calls.at(-1)?.form).toMatchObject({
      "h:List-Unsubscribe": expect.stringMatching(/^<https:\/\/notify\.example\/belfry\/u\/[\w-]+>$/),
      "h:List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
      "h:List-Id": "<social.notify.example>",
    });
    await notify(url, user, "reset");
    expect(mailgun.calls).toHaveLength(2);
    expect(Object.keys(mailgun.calls[1]?.form ?? {}).filter((name) => name.startsWith("h:List"))).toEqual([]);
  });

  test("shows no link that works in a preview, in the console and among captured messages", async () => {
    const { url } = await start({
      SMTP_HOST: "",
      SMTP_DKIM_DOMAIN: "",
      SMTP_DKIM_SELECTOR: "",
      SMTP_DKIM_PRIVATE_KEY: "",
    });
    const user = await newUser(url);
    const { _id } = await notify(url, user, "own");
    const views = await Promise.all([
      call(url, "POST", "/v1/types/own/preview", {}, auth),
      call(url, "GET", `/v1/deliveries/${_id}/message`, undefined, auth),
      call(url, "GET", `/v1/captured/${_id}`, undefined, auth),
      call(url, "GET", "/v1/captured", undefined, auth),
    ]);
    for (const { status, body } of views) {
      expect(status).toBe(200);
      const links = JSON.stringify(body).match(/https:\/\/notify\.example\/belfry\/[up]\/[^ "'\\]*/g);
      expect(links?.length).toBeGreaterThanOrEqual(3);
      for (const link of links ?? []) expect(link).toMatch(/\/(preview|…)$/);
    }
  });
});

describe("the unsubscribe button", () => {
  test("as Gmail sends it turns off the e-mails of the category, and nothing else", async () => {
    const { url } = await start();
    const user = await newUser(url);
    const path = await unsubscribePath(url, user);
    const { status, headers } = await gmail(url, path);
    expect([status, headers.get("location")]).toEqual([200, null]);
    expect(await preferencesOf(user)).toEqual({ categories: { social: { email: false } } });
    for (const type of ["comment", "like"])
      expect(await notify(url, user, type)).toMatchObject({
        state: "skipped",
        reason: "preference",
        decisions: [{ rule: "preference:categories.social.email" }],
      });
    expect(await notify(url, user, "like", "sms")).toMatchObject({ state: "sent" });
    for (const type of ["reset", "own"])
      expect(await notify(url, user, type)).toMatchObject({ state: "sent" });
  });

  test("of a type without a category turns off that type", async () => {
    const { url } = await start();
    const user = await newUser(url);
    await gmail(url, await unsubscribePath(url, user, "own"));
    expect(await notify(url, user, "own")).toMatchObject({
      state: "skipped",
      decisions: [{ rule: "preference:types.own.email" }],
    });
    expect(await notify(url, user, "comment")).toMatchObject({ state: "sent" });
  });

  test.each<[string, string | FormData | Uint8Array | undefined, string | undefined]>([
    ["multipart/form-data", formData({ "List-Unsubscribe": "One-Click" }), undefined],
    ["no body", undefined, undefined],
    ["a body without a type", new TextEncoder().encode("List-Unsubscribe=One-Click"), ""],
    ["a foreign body", '{"undo":true}', "application/json"],
    ["bytes", new Uint8Array([0xff, 0xfe, 0, 0x26]), "application/octet-stream"],
    ["another form", "undo=perhaps&x=%zz", "application/x-www-form-urlencoded"],
  ])("acts with %s", async (_what, body, type) => {
    const { url } = await start();
    const user = await newUser(url);
    const path = await unsubscribePath(url, user);
    const answer = await fetch(url + path, {
      method: "POST",
      ...(body !== undefined && { body }),
      ...(type && { headers: { "content-type": type } }),
    });
    expect(answer.status).toBe(200);
    expect(await preferencesOf(user)).toEqual({ categories: { social: { email: false } } });
  });

  test("refuses a body that is too large", async () => {
    const { url } = await start();
    const user = await newUser(url);
    const path = await unsubscribePath(url, user);
    expect((await call(url, "POST", path, "x".repeat(100_000))).status).toBe(413);
    expect(await preferencesOf(user)).toBeUndefined();
  });

  test("sent twice acts once", async () => {
    const { url } = await start();
    const user = await newUser(url);
    const path = await unsubscribePath(url, user);
    const revOf = async () => (await db.collection("users").findOne({ _id: user as never }))?.rev;
    await gmail(url, path);
    const rev = await revOf();
    const answers = await Promise.all(Array.from({ length: 8 }, () => gmail(url, path)));
    expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(200));
    expect(await revOf()).toBe(rev);
  });

  test("wins over narrower choices, and keeps those for other channels", async () => {
    const { url } = await start();
    const user = await newUser(url);
    await call(
      url,
      "PUT",
      `/v1/users/${user}/preferences`,
      {
        categories: { social: "weekly" },
        types: { comment: { email: true, inbox: false }, like: { email: false, sms: true } },
        topics: { "post:7": true, "post:8": false },
      },
      auth,
    );
    await gmail(url, await unsubscribePath(url, user));
    expect(await preferencesOf(user)).toEqual({
      categories: { social: { "*": "weekly", email: false } },
      types: { comment: { inbox: false }, like: { email: false, sms: true } },
      topics: { "post:8": false },
    });
    expect(await notify(url, user, "comment")).toMatchObject({ state: "skipped" });
  });

  test("is limited by user: a loop is told when to come back", async () => {
    const { url } = await start();
    const [user, other] = [await newUser(url), await newUser(url)];
    const [path, otherPath] = [await unsubscribePath(url, user), await unsubscribePath(url, other)];
    let answer = await gmail(url, path);
    for (let n = 0; n < 100 && answer.status === 200; n++) answer = await gmail(url, path);
    expect(answer.status).toBe(503);
    expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
    expect((await gmail(url, otherPath)).status).toBe(200);
  });
});

describe("a link", () => {
  test("that a mail scanner follows a hundred times changes nothing", async () => {
    const { url } = await start();
    const user = await newUser(url);
    const path = await unsubscribePath(url, user);
    const before = await db.collection("users").findOne({ _id: user as never });
    for (let n = 0; n < 100; n++) {
      const { status } = await fetch(url + path, { method: n % 2 ? "HEAD" : "GET" });
      expect(status).toBe(200);
    }
    expect(await db.collection("users").findOne({ _id: user as never })).toEqual(before);
    expect(await notify(url, user, "comment")).toMatchObject({ state: "sent" });
  });

  test("shows a page that names the kind of e-mails, in the user's language or the browser's", async () => {
    const { url } = await start();
    const titles = async (locale: string | undefined, accept: string) => {
      const user = await newUser(url, locale === undefined ? {} : { locale });
      const path = await unsubscribePath(url, user);
      const { body, headers } = await call(url, "GET", path, undefined, { "accept-language": accept });
      for (const [name, value] of Object.entries({
        "content-type": "text/html; charset=utf-8",
        "cache-control": "no-store",
        "referrer-policy": "no-referrer",
        "x-robots-tag": "noindex, nofollow",
        "content-security-policy": expect.stringMatching(
          /^default-src 'none'; style-src 'sha256-[^;]+; .*frame-ancestors 'none'$/,
        ),
      }))
        expect(headers.get(name)).toEqual(value);
      expect(body).toMatch(/<meta name="robots" content="noindex/);
      expect(body.match(/<form /g)).toHaveLength(1);
      expect(body).not.toContain(user);
      return [/<html lang="(\w+)"/.exec(body)?.[1], /<p>(.*?)<\/p>/.exec(body)?.[1]];
    };
    const english = ["en", "Stop e-mails of the kind “Comments &#38; likes”?"];
    const russian = ["ru", "Больше не присылать письма «Комментарии»?"];
    expect(await titles("ru-RU", "en")).toEqual(russian);
    expect(await titles("en-GB", "ru")).toEqual(english);
    expect(await titles("de", "fr, ru;q=0.5, en;q=0.4")).toEqual(russian);
    expect(await titles(undefined, "fr;q=0.9, ru;q=0, *")).toEqual(english);
  });

  test("of a removed secret stops, and one of a replaced secret works", async () => {
    const user = await newUser(usual.url);
    const path = await unsubscribePath(usual.url, user);
    const next = "second-secret-of-over-32-characters";
    const removed = await start({ TOKEN_SECRET: next });
    expect((await gmail(removed.url, path)).status).toBe(404);
    expect(await preferencesOf(user)).toBeUndefined();
    await removed.close();
    const rotated = await start({ TOKEN_SECRET: `${next},${secret}` });
    expect((await gmail(rotated.url, path)).status).toBe(200);
    expect(await preferencesOf(user)).toEqual({ categories: { social: { email: false } } });
  });

  test("that is cut, altered, of another kind, or of an unknown or erased user gets one answer, and creates nobody", async () => {
    const { url } = await start();
    const [user, erased, kept] = [await newUser(url), await newUser(url), await newUser(url)];
    const path = await unsubscribePath(url, user);
    const paths = [await unsubscribePath(url, erased), await unsubscribePath(url, kept)];
    const page = /href="\.\.(\/p\/[\w-]+)"/.exec((await call(url, "GET", path)).body)?.[1] as string;
    const erasedPage = /href="\.\.(\/p\/[\w-]+)"/.exec(
      (await call(url, "GET", paths[0] as string)).body,
    )?.[1] as string;
    // The product team's own field keeps the document.
    await db.collection("users").updateOne({ _id: kept as never }, { $set: { plan: "pro" } });
    for (const one of [erased, kept]) await call(url, "DELETE", `/v1/users/${one}`, undefined, auth);
    const unknown = linksOf("nobody-knows-me");
    const wrong = [
      path.slice(0, -1),
      `${path.slice(0, -1)}${path.endsWith("A") ? "B" : "A"}`,
      `${path}A`,
      `/u/${"x".repeat(5_000)}`,
      "/u/preview",
      "/u/%E2%98%83",
      page.replace("/p/", "/u/"),
      path.replace("/u/", "/p/"),
      ...paths,
      erasedPage,
      pathOf(unknown?.unsubscribe as string),
      pathOf(unknown?.preferences as string),
    ];
    const bodies = new Set<string>();
    for (const one of wrong)
      for (const method of ["GET", "POST"]) {
        const { status, body } = await call(url, method, one);
        expect(status, `${method} ${one}`).toBe(404);
        bodies.add(body);
      }
    expect(bodies.size).toBe(1);
    expect([...bodies][0]).toContain("This link is not valid");
    for (const one of [erased, "nobody-knows-me"])
      expect(await db.collection("users").countDocuments({ _id: one as never })).toBe(0);
    expect(await db.collection("users").findOne({ _id: kept as never })).toEqual({ _id: kept, plan: "pro" });
    expect(await preferencesOf(user)).toBeUndefined();
  });

  test("of a category that was locked since says that it cannot be turned off", async () => {
    const user = await newUser(usual.url);
    const path = await unsubscribePath(usual.url, user);
    const file = join(folder, "locked.json");
    const types = JSON.parse(readFileSync(NOTIFICATION_TYPES_FILE, "utf8"));
    types.categories.social.locked = true;
    writeFileSync(file, JSON.stringify(types));
    const { url } = await start({ NOTIFICATION_TYPES_FILE: file });
    expect((await call(url, "GET", path)).body).toContain("cannot be turned off");
    expect((await gmail(url, path)).status).toBe(409);
    expect(await preferencesOf(user)).toBeUndefined();
  });

  test("of a type that is gone is answered as done", async () => {
    const user = await newUser(usual.url);
    const path = await unsubscribePath(usual.url, user);
    const { url } = await start({ NOTIFICATION_TYPES_FILE: "" });
    expect((await call(url, "GET", path)).body).toContain("You are unsubscribed");
    expect((await gmail(url, path)).status).toBe(200);
  });

  test("says to try again while the database is away, with a page", async () => {
    const own = await ownDatabase();
    const { url } = await start({ DB_URI: own.uri });
    const user = await newUser(url);
    const path = pathOf(linksOf(user)?.unsubscribe as string);
    expect((await call(url, "GET", path)).status).toBe(200);
    const off = await failCommands(own.client, "alwaysOn", {
      failCommands: ["find", "findAndModify"],
      errorCode: 91,
    });
    const { status, headers, body } = await gmail(url, path);
    await off();
    expect([status, headers.get("retry-after")]).toEqual([503, expect.any(String)]);
    expect(body).toContain("Please try again");
  });

  test("works without API_KEYS under the name of PUBLIC_URL, and for pages of mail services", async () => {
    const { url } = await start({ API_KEYS: "" });
    const user = await newUser(url);
    const path = await unsubscribePath(url, user);
    const { port } = new URL(url);
    const ask = (headers: Record<string, string>) =>
      new Promise<number>((resolve, reject) => {
        const asked = request({ port, path, method: "POST", headers, host: "127.0.0.1" }, (answer) => {
          answer.resume();
          resolve(answer.statusCode as number);
        });
        asked.on("error", reject).end();
      });
    expect(await ask({ host: "notify.example", origin: "https://mail.google.com" })).toBe(200);
    expect(await ask({ host: "notify.example", origin: "null" })).toBe(200);
    expect(await ask({ host: "evil.example" })).toBe(403);
  });

  test("is in no log", async () => {
    const service = await spawnService({ ...variables(), LOG_LEVEL: "trace" });
    const user = await newUser(service.url);
    const path = await unsubscribePath(service.url, user);
    await call(service.url, "GET", path);
    await gmail(service.url, path);
    await gmail(service.url, `${path}x`);
    service.kill("SIGTERM");
    await service.ended;
    expect(service.output()).toContain('"/u/:token"');
    expect(service.output()).not.toContain(path.split("/").at(-1));
  });
});

function formData(fields: Record<string, string>): FormData {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.set(name, value);
  return form;
}
