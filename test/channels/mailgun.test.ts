import { beforeEach, describe, expect, test } from "vitest";
import { createMailgunProvider } from "../../src/channels/email/mailgun.ts";
import type { DeliveryDocument } from "../../src/store/deliveries.ts";
import { freshDatabase } from "../support/database.ts";
import { call } from "../support/http.ts";
import type { Counterpart, Verdict } from "../support/provider-counterpart.ts";
import { addUser, deliver, typesFile } from "../support/provider-deliveries.ts";
import { type ProviderAnswer, startProvider } from "../support/provider-server.ts";
import { eventually, startService } from "../support/service.ts";
import { startSmtp } from "../support/smtp.ts";
import { providerSuite } from "./shared.ts";

const database = freshDatabase();
const NOTIFICATION_TYPES_FILE = typesFile();
const apiKey = "key-0123456789abcdef";

/** As documentation.mailgun.com shows it. */
const taken = (id = "20261120064600.1@mg.example"): ProviderAnswer => ({
  status: 200,
  json: { id: `<${id}>`, message: "Queued. Thank you." },
});
const refused = (status: number, message: string): ProviderAnswer => ({ status, json: { message } });

const authorization = `Basic ${Buffer.from(`api:${apiKey}`).toString("base64")}`;
const mailgunAccount = (url: string) => ({
  MAILGUN_API_KEY: apiKey,
  MAILGUN_DOMAIN: "mg.example",
  MAILGUN_BASE_URL: url,
});
const mailgunAt = (url: string) => ({
  DB_URI: database.uri,
  NOTIFICATION_TYPES_FILE,
  ...mailgunAccount(url),
  // Once is enough to see how a failure is booked; tests of the repeat shorten it.
  RETRY_DELAY_MS: "60000",
});

providerSuite(database, { name: "mailgun", channel: "email", start: startMailgun });

/** Mailgun's API for whoever has the key. */
async function startMailgun(): Promise<Counterpart> {
  const answers: Record<Verdict, ProviderAnswer> = {
    take: taken(),
    later: refused(429, "Domain mg.example is not allowed to send: try again after 1 seconds"),
    never: refused(400, "to parameter is not a valid address. please check documentation"),
    "no answer": "hang up",
  };
  let verdict: Verdict = "take";
  const server = await startProvider(({ headers }) =>
    headers.authorization === authorization ? answers[verdict] : { status: 401, text: "Forbidden" },
  );
  const profile = { email: "canary@receiver.example" };
  return {
    variables: mailgunAccount(server.url),
    wrong: { MAILGUN_API_KEY: "key-that-was-revoked" },
    secrets: [apiKey, "key-that-was-revoked"],
    profile,
    broken: { profile: { email: `${profile.email}\r\nBcc: eve@evil.example` } },
    answer: (next) => {
      verdict = next;
    },
    received: () =>
      server.calls.map(({ headers, form }) => ({
        to: [form.to ?? ""],
        id: /^<([0-9a-f]{24})@/.exec(form["h:Message-Id"] ?? "")?.[1] ?? "",
        title: form.subject,
        text: form.text ?? "",
        html: form.html,
        fields: [...Object.keys(headers), ...Object.keys(form)],
      })),
    connections: server.connections,
  };
}

beforeEach(async () => {
  await database.db.collection("deliveries").deleteMany({});
});

const attempted = (times: number) => (one: DeliveryDocument) => one.attempts.length >= times && !one.lease;
const waitOf = ({ due, attempts }: DeliveryDocument) =>
  due.getTime() - Math.max(...attempts.map(({ at, ms }) => at.getTime() + ms));

test("a mail reaches Mailgun with the delivery's id in Message-Id and variables", async () => {
  const mailgun = await startProvider(({ form }) => taken(form["h:Message-Id"]?.slice(1, -1)));
  const { url } = await startService({ ...mailgunAt(mailgun.url), SMTP_NAME: 'Bell, "Big"' });
  const user = await addUser(database, { email: "ann@example.org" });

  const delivery = await deliver(database, url, user, "mail");

  const id = delivery._id.toHexString();
  const [sent] = mailgun.calls;
  expect(mailgun.calls).toHaveLength(1);
  expect(sent).toMatchObject({ method: "POST", path: "/v3/mg.example/messages" });
  expect(sent?.headers.authorization).toBe(authorization);
  expect(sent?.form).toMatchObject({
    from: '"Bell, \\"Big\\"" <belfry@mg.example>',
    to: "ann@example.org",
    subject: "mail",
    "h:Message-Id": `<${id}@mg.example>`,
    "h:Auto-Submitted": "auto-generated",
    "v:delivery_id": id,
  });
  expect(sent?.form.text).toContain("mail");
  expect(sent?.form.html).toContain("<html>");
  expect(delivery).toMatchObject({ state: "sent", tries: 1, providerId: `${id}@mg.example` });
  expect(delivery.attempts).toMatchObject([
    { provider: "mailgun", outcome: "sent", text: "Queued. Thank you." },
  ]);
});

describe("each answer ends as docs/providers/mailgun.md says", () => {
  const inAnHour = () => new Date(Math.floor(Date.now() / 1000) * 1000 + 3_600_000).toUTCString();
  const text = "Domain mg.example is not allowed to send: request limit exceeded, try again";

  test.each([
    { status: 400, message: "to parameter is not a valid address. please check documentation" },
    { status: 413, message: "Message size exceeds the limit of 25MB" },
  ])("$status: failed after one attempt", async ({ status, message }) => {
    const mailgun = await startProvider(() => refused(status, message));
    const { url } = await startService(mailgunAt(mailgun.url));
    const user = await addUser(database, { email: "ann@example.org" });
    const delivery = await deliver(database, url, user, "mail");
    expect(delivery).toMatchObject({ state: "failed", reason: "message", tries: 1 });
    expect(delivery.attempts).toMatchObject([{ outcome: "rejected", code: String(status), text: message }]);
    expect(mailgun.calls).toHaveLength(1);
  });

  test.each([
    { status: 401, answer: { status: 401, text: "Forbidden" } },
    { status: 402, answer: refused(402, "Payment required") },
    { status: 403, answer: refused(403, "Domain mg.example is disabled") },
    { status: 404, answer: refused(404, "Domain not found: mg.example") },
    { status: 404, answer: { status: 404, text: "404 page not found" } },
    {
      status: 400,
      answer: refused(400, "'from' parameter is not a valid address. please check documentation"),
    },
    { status: 400, answer: refused(400, "Domain mg.example is not allowed to send: it is unverified") },
  ])("$status: no try is used up and the provider is paused ($answer.text)", async ({ status, answer }) => {
    const mailgun = await startProvider(() => answer);
    const { url } = await startService(mailgunAt(mailgun.url));
    const user = await addUser(database, { email: "ann@example.org" });
    const delivery = await deliver(database, url, user, "mail", attempted(1));
    expect(delivery).toMatchObject({ state: "pending", tries: 0 });
    expect(delivery.attempts).toMatchObject([{ outcome: "misconfigured", code: String(status) }]);
    expect(waitOf(delivery)).toBeGreaterThan(55_000);
    expect(mailgun.calls).toHaveLength(1);
  });

  test.each([
    { name: "seconds", after: () => "120 seconds", least: 120_000, most: 125_000 },
    { name: "a date", after: inAnHour, least: 3_500_000, most: 3_601_000 },
    { name: "nothing", least: 60_000, most: 75_000 },
    { name: "too many seconds", after: () => "99999999999 seconds", least: 86_400_000, most: 86_401_000 },
  ])("429 with $name: tried again not before that", async ({ after, least, most }) => {
    // Said when it is asked: what is said of a date must not grow old while other tests run.
    const says = after ? `${text} after ${after()}` : "Too many requests";
    const mailgun = await startProvider(() => refused(429, says));
    const { url } = await startService(mailgunAt(mailgun.url));
    const user = await addUser(database, { email: "ann@example.org" });
    const delivery = await deliver(database, url, user, "mail", attempted(1));
    expect(delivery).toMatchObject({ state: "pending", tries: 1 });
    expect(delivery.attempts).toMatchObject([{ outcome: "retry", code: "429", text: says }]);
    expect(waitOf(delivery)).toBeGreaterThanOrEqual(least - 1_000);
    expect(waitOf(delivery)).toBeLessThan(most + 1_000);
  });

  test.each<{ name: string; answer: ProviderAnswer; code: string }>([
    { name: "500", answer: refused(500, "Internal Server Error"), code: "500" },
    { name: "503 that is not JSON", answer: { status: 503, text: "<html>busy" }, code: "503" },
    { name: "a lost connection", answer: "hang up", code: "ECONNRESET" },
    { name: "no answer in time", answer: "silence", code: "TIMEOUT" },
  ])(
    "$name: sent again under the same Message-Id, or uncertain when the type would rather not",
    async (row) => {
      const mailgun = await startProvider((_, earlier) => (earlier === 1 ? taken() : row.answer));
      const { url } = await startService({
        ...mailgunAt(mailgun.url),
        RETRY_DELAY_MS: "50",
        // Only silence may run out of time.
        ...(row.answer === "silence" && { PROVIDER_TIMEOUT_MS: "1000" }),
      });
      const user = await addUser(database, { email: "ann@example.org" });
      const twice = await deliver(database, url, user, "mail");
      expect(twice).toMatchObject({ state: "sent", tries: 2 });
      expect(twice.attempts).toMatchObject([{ outcome: "unknown" }, { outcome: "sent" }]);
      expect(["ECONNABORTED", row.code]).toContain(twice.attempts[0]?.code);
      const [first, second] = mailgun.calls.map(({ form }) => form["h:Message-Id"]);
      expect(second).toBe(first);

      const once = await deliver(database, url, user, "careful_mail");
      expect(once).toMatchObject({ state: "uncertain", reason: "unanswered", tries: 1 });
      expect(mailgun.calls).toHaveLength(3);
    },
  );

  test("nobody listens, or no such host: nothing was sent, so tried again, even when the type would rather not", async () => {
    const gone = await startProvider(() => taken());
    await gone.close();
    const user = await addUser(database, { email: "ann@example.org" });
    for (const [base, code] of [
      [gone.url, "ECONNREFUSED"],
      ["http://mailgun.invalid", "ENOTFOUND|EAI_AGAIN"],
    ] as const) {
      const { url } = await startService(mailgunAt(base));
      const delivery = await deliver(database, url, user, "careful_mail", attempted(1));
      expect(delivery).toMatchObject({ state: "pending", tries: 1 });
      expect(delivery.attempts).toMatchObject([
        { outcome: "retry", code: expect.stringMatching(new RegExp(code)) },
      ]);
    }
  });

  test("an address that is not one mailbox: failed, and Mailgun is not asked", async () => {
    const mailgun = await startProvider(() => taken());
    const { url } = await startService(mailgunAt(mailgun.url));
    const user = await addUser(database, { email: "ann@example.org, bob@example.org" });
    expect(await deliver(database, url, user, "mail")).toMatchObject({ state: "failed", reason: "address" });
    expect(mailgun.calls).toHaveLength(0);
  });
});

test("answers of a wrong shape are booked all the same", async () => {
  const answers: ProviderAnswer[] = [
    { status: 200, json: { id: 5, message: { a: 1 } } },
    { status: 400, json: { message: { a: ["x"] }, error: 7 } },
    { status: 429, json: [] },
  ];
  const mailgun = await startProvider((_, earlier) => answers[earlier] as ProviderAnswer);
  const { url } = await startService(mailgunAt(mailgun.url));
  const user = await addUser(database, { email: "ann@example.org" });
  expect(await deliver(database, url, user, "mail")).toMatchObject({ state: "sent" });
  expect(await deliver(database, url, user, "mail")).toMatchObject({ state: "failed", reason: "message" });
  expect(await deliver(database, url, user, "mail", attempted(1))).toMatchObject({
    attempts: [{ outcome: "retry", code: "429" }],
  });
});

describe("with EMAIL_PROVIDERS=mailgun,smtp", () => {
  test.each<{ name: string; answer: ProviderAnswer; outcome: string }>([
    { name: "is at its limit", answer: refused(429, "Too many requests"), outcome: "retry" },
    { name: "refuses our key", answer: { status: 401, text: "Forbidden" }, outcome: "misconfigured" },
  ])("Mailgun $name: SMTP takes over within the turn, under the same id", async ({ answer, outcome }) => {
    const mailgun = await startProvider(() => answer);
    const smtp = await startSmtp();
    const variables = { ...mailgunAt(mailgun.url), ...smtp.variables, EMAIL_PROVIDERS: "mailgun,smtp" };
    const { url } = await startService(variables);
    const user = await addUser(database, { email: "ann@example.org" });
    const delivery = await deliver(database, url, user, "mail");
    expect(delivery).toMatchObject({ state: "sent", tries: 1 });
    expect(delivery.attempts).toMatchObject([
      { provider: "mailgun", outcome },
      { provider: "smtp", outcome: "sent" },
    ]);
    expect(smtp.mails[0]?.messageId).toContain(delivery._id.toHexString());
    await smtp.close();
  });

  test("a paused Mailgun is passed over without being asked", async () => {
    const mailgun = await startProvider(() => ({ status: 401, text: "Forbidden" }));
    const smtp = await startSmtp();
    const variables = { ...mailgunAt(mailgun.url), ...smtp.variables, EMAIL_PROVIDERS: "mailgun,smtp" };
    const { url } = await startService(variables);
    const user = await addUser(database, { email: "ann@example.org" });
    await deliver(database, url, user, "mail");
    const second = await deliver(database, url, user, "mail");
    expect(second.attempts).toMatchObject([{ provider: "smtp", outcome: "sent" }]);
    expect(mailgun.calls).toHaveLength(1);
    await smtp.close();
  });

  test("an answer that never came goes to nobody else", async () => {
    const mailgun = await startProvider((_, earlier) => (earlier === 0 ? "silence" : "hang up"));
    const smtp = await startSmtp();
    const variables = {
      ...mailgunAt(mailgun.url),
      ...smtp.variables,
      EMAIL_PROVIDERS: "mailgun,smtp",
      PROVIDER_TIMEOUT_MS: "500",
    };
    const { url } = await startService(variables);
    const user = await addUser(database, { email: "ann@example.org" });
    for (let round = 0; round < 2; round++) {
      const delivery = await deliver(database, url, user, "careful_mail");
      expect(delivery).toMatchObject({ state: "uncertain", reason: "unanswered" });
      expect(delivery.attempts).toMatchObject([{ provider: "mailgun", outcome: "unknown" }]);
    }
    expect(smtp.mails).toHaveLength(0);
    await smtp.close();
  });
});

test("with both configured Mailgun is asked first; EMAIL_PROVIDERS can turn it round", async () => {
  const mailgun = await startProvider(() => taken());
  const smtp = await startSmtp();
  const user = await addUser(database, { email: "ann@example.org" });
  const first = await startService({ ...mailgunAt(mailgun.url), ...smtp.variables });
  expect((await deliver(database, first.url, user, "mail")).attempts[0]?.provider).toBe("mailgun");
  await first.close();
  const second = await startService({
    ...mailgunAt(mailgun.url),
    ...smtp.variables,
    EMAIL_PROVIDERS: "smtp, mailgun",
  });
  expect((await deliver(database, second.url, user, "mail")).attempts[0]?.provider).toBe("smtp");
  await smtp.close();
});

test("Mailgun alone: a user of the first notification gets no invented address", async () => {
  const mailgun = await startProvider(() => taken());
  const { url } = await startService(mailgunAt(mailgun.url));
  const { status } = await call(url, "POST", "/create", { user_id: "f".repeat(24), key: "mail" });
  expect(status).toBe(201);
  const delivery = await eventually(
    async () => (await database.db.collection("deliveries").findOne({ state: "skipped" })) ?? undefined,
    "the delivery to be skipped",
  );
  expect(delivery.reason).toBe("no_address");
  expect(mailgun.calls).toHaveLength(0);
});

test.each([
  { given: { MAILGUN_API_KEY: apiKey }, missing: "MAILGUN_DOMAIN" },
  { given: { MAILGUN_DOMAIN: "mg.example" }, missing: "MAILGUN_API_KEY" },
  { given: { MAILGUN_SIGNING_KEY: "s" }, missing: "MAILGUN_API_KEY" },
])("half of the configuration is a problem at start: $missing is missing", async ({ given, missing }) => {
  await expect(startService({ DB_URI: database.uri, ...given })).rejects.toThrow(`${missing}: is missing`);
});

test("further headers of a message are passed on", async () => {
  const server = await startProvider(() => taken());
  const from = { address: "belfry@mg.example", name: "Belfry" };
  const options = {
    apiKey,
    domain: "mg.example",
    baseUrl: server.url,
    from,
    timeoutMs: 5_000,
    now: Date.now,
  };
  const headers = { "List-Unsubscribe": "<https://belfry.example/u/1>" };
  const message = { id: "a".repeat(24), user: "u", to: "ann@example.org", subject: "s", text: "t", headers };
  await createMailgunProvider(options).send(message);
  expect(server.calls[0]?.form["h:List-Unsubscribe"]).toBe(headers["List-Unsubscribe"]);
});
