import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { ObjectId } from "mongodb";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { type DeliveryDocument, deliveriesOf } from "../../src/store/deliveries.ts";
import { freshDatabase } from "../support/database.ts";
import { freePort } from "../support/free-port.ts";
import { call } from "../support/http.ts";
import type { Counterpart, Received, Verdict } from "../support/provider-counterpart.ts";
import { readMail } from "../support/provider-mail.ts";
import { eventually, startService } from "../support/service.ts";
import {
  type SmtpBehaviour,
  type SmtpSink,
  type Verdict as SmtpVerdict,
  startSmtp,
} from "../support/smtp.ts";
import { providerSuite } from "./shared.ts";

const minute = 60_000;

const database = freshDatabase();
providerSuite(database, { name: "smtp", channel: "email", start: startMailServer });

/** A mail server for whoever has the password. */
async function startMailServer(): Promise<Counterpart> {
  const [user, password] = ["belfry@sender.example", "open sesame"];
  const answers: Record<Verdict, SmtpVerdict> = {
    take: undefined,
    later: { code: 451, text: "4.3.0 try again later" },
    never: { code: 554, text: "5.6.0 not like that" },
    "no answer": "hang up",
  };
  let verdict: Verdict = "take";
  const received: Received[] = [];
  const recipients: string[] = [];
  const connections = { open: 0, ever: 0 };
  const sink = await startSmtp({
    onRecipient: (address) => void recipients.push(address),
    onData({ raw, messageId }) {
      const { headers, subject, text, html } = readMail(raw);
      const id = /^<([0-9a-f]{24})@sender\.example>$/.exec(messageId)?.[1] ?? "";
      received.push({ to: recipients.splice(0), id, title: subject, text, html, fields: headers });
      return answers[verdict];
    },
    options: {
      authOptional: false,
      allowInsecureAuth: true,
      onAuth(auth, _session, callback) {
        if (auth.username === user && auth.password === password) callback(null, { user });
        else callback(Object.assign(new Error("5.7.8 bad credentials"), { responseCode: 535 }));
      },
      onConnect(_session, callback) {
        connections.open++;
        connections.ever++;
        callback();
      },
      onClose: () => void connections.open--,
    },
  });
  onTestFinished(() => sink.close());
  const profile = { email: "canary@receiver.example" };
  return {
    variables: { ...sink.variables, SMTP_LOGIN: user, SMTP_PASSWORD: password },
    wrong: { SMTP_PASSWORD: "open barley" },
    secrets: [password, "open barley", user],
    profile,
    broken: { profile: { email: `${profile.email}\r\nBcc: eve@evil.example` } },
    answer: (next) => {
      verdict = next;
    },
    received: () => received,
    connections: () => connections,
  };
}

describe("through a running service and a real SMTP server", () => {
  const deliveries = deliveriesOf(database.db);
  const users = database.db.collection<{ _id: ObjectId; email?: string }>("users");
  beforeEach(async () => {
    await deliveries.deleteMany({});
  });

  const newUser = () => randomBytes(12).toString("hex");
  const variables = (sink: SmtpSink, more: Record<string, string> = {}) => ({
    DB_URI: database.uri,
    EMAIL: "user@receiver.example",
    RETRY_DELAY_MS: "50",
    RETRY_FACTOR: "1",
    ...sink.variables,
    ...more,
  });
  async function smtp(behaviour: SmtpBehaviour = {}): Promise<SmtpSink> {
    const sink = await startSmtp(behaviour);
    onTestFinished(() => sink.close());
    return sink;
  }
  async function login(url: string, user = newUser()): Promise<string> {
    const { status } = await call(url, "POST", "/create", { user_id: user, key: "new_login" });
    expect(status).toBe(201);
    return user;
  }
  const deliveryOf = async (user: string) =>
    (await deliveries.findOne({ user: new ObjectId(user) })) as DeliveryDocument;
  const inState = (user: string, state: string) =>
    eventually(async () => {
      const found = await deliveryOf(user);
      return found?.state === state && found;
    }, `the delivery is ${state}`);
  /** After so many attempts, whatever they came to. */
  const attempted = (user: string, count = 1) =>
    eventually(async () => {
      const found = await deliveryOf(user);
      return found?.attempts.length >= count && !found.lease && found;
    }, `${count} attempts`);
  const outcomes = (delivery: DeliveryDocument) => delivery.attempts.map((one) => one.outcome);

  const permanent: Array<[string, SmtpBehaviour, { reason: string; code: string; text: string }]> = [
    [
      "550 5.1.1 to the recipient",
      { onRecipient: () => ({ code: 550, text: "5.1.1 nobody here" }) },
      { reason: "address", code: "550 5.1.1", text: "550 5.1.1 nobody here" },
    ],
    [
      "553 to the recipient",
      { onRecipient: () => ({ code: 553, text: "not a mailbox" }) },
      { reason: "address", code: "553", text: "553 not a mailbox" },
    ],
    [
      "552 after DATA",
      { onData: () => ({ code: 552, text: "5.3.4 too big" }) },
      { reason: "message", code: "552 5.3.4", text: "552 5.3.4 too big" },
    ],
    [
      "554 5.6.0 after DATA",
      { onData: () => ({ code: 554, text: "5.6.0 malformed" }) },
      { reason: "message", code: "554 5.6.0", text: "554 5.6.0 malformed" },
    ],
    [
      "550 5.7.1 to the recipient",
      { onRecipient: () => ({ code: 550, text: "5.7.1 blocked" }) },
      { reason: "policy", code: "550 5.7.1", text: "550 5.7.1 blocked" },
    ],
    [
      "554 5.7.1 after DATA",
      { onData: () => ({ code: 554, text: "5.7.1 looks like spam" }) },
      { reason: "policy", code: "554 5.7.1", text: "554 5.7.1 looks like spam" },
    ],
  ];
  test.each(permanent)("%s: one attempt, failed, and the next mail is tried on its own", async (...given) => {
    const [, refusing, { reason, code, text }] = given;
    let refused = true;
    let offered = 0;
    const sink = await smtp({
      onRecipient: (to, asked) => (refused ? refusing.onRecipient?.(to, asked) : undefined),
      onData(mail, before) {
        offered++;
        return refused ? refusing.onData?.(mail, before) : undefined;
      },
    });
    const { url } = await startService(variables(sink));
    const user = await login(url);
    const delivery = await inState(user, "failed");
    expect(delivery).toMatchObject({ state: "failed", tries: 1, reason });
    expect(delivery.attempts).toMatchObject([{ outcome: "rejected", code, text }]);
    expect(delivery).not.toHaveProperty("lease");
    refused = false;
    await inState(await login(url), "sent");
    expect(await deliveryOf(user)).toEqual(delivery);
    expect(sink.mails).toHaveLength(1);
    expect(offered).toBe(refusing.onData ? 2 : 1);
  });

  test.each(["550 relay not permitted", "550 Administrative prohibition", "554 5.7.1 Relay access denied"])(
    "a relay that refuses us (%s) pauses the provider and suppresses nobody; once it is mended every mail goes out",
    async (answer) => {
      let broken = true;
      const refusal = { code: Number(answer.slice(0, 3)), text: answer.slice(4) };
      const sink = await smtp({ onRecipient: () => (broken ? refusal : undefined) });
      const all = Array.from({ length: 12 }, newUser);
      const first = await startService(variables(sink, { DELIVERY_CONCURRENCY: "4" }));
      await Promise.all(all.map((user) => login(first.url, user)));
      await eventually(
        async () => (await deliveries.countDocuments({ lease: { $exists: false }, state: "pending" })) === 12,
        "all are given back",
      );
      const { smtp: shown } = (await call(first.url, "GET", "/readyz?verbose")).body.providers.email;
      expect(shown).toMatchObject({ state: "paused", text: answer, remedy: expect.stringMatching(/relay/) });
      await first.close();
      for (const { tries } of await deliveries.find().toArray()) expect(tries).toBe(0);

      broken = false;
      // Instead of a wait for the minute to pass.
      await deliveries.updateMany({}, { $set: { due: new Date(0) } });
      const second = await startService(variables(sink));
      await Promise.all(all.map((user) => inState(user, "sent")));
      await login(second.url, all[0]);
      const ids = all.map((user) => new ObjectId(user));
      expect(await users.countDocuments({ _id: { $in: ids }, suppressed: { $exists: true } })).toBe(0);
      await eventually(() => sink.mails.length === 13, "the mail that came after it is sent too");
    },
  );

  test("a server that refuses every recipient with a bare 5.7.1 is misconfigured from the fifth on", async () => {
    const sink = await smtp({ onRecipient: () => ({ code: 550, text: "5.7.1 blocked" }) });
    const { url } = await startService(variables(sink, { DELIVERY_CONCURRENCY: "1" }));
    const [fifth = "", ...four] = Array.from({ length: 5 }, newUser);
    for (const user of [...four, fifth])
      await users.insertOne({ _id: new ObjectId(user), email: `${user}@receiver.example` });
    for (const user of four)
      expect(await inState(await login(url, user), "failed")).toMatchObject({ reason: "policy" });
    await login(url, fifth);
    await eventually(async () => {
      const { smtp: shown } = (await call(url, "GET", "/readyz?verbose")).body.providers.email;
      return shown.state === "paused";
    }, "the provider is paused");
    const { state, tries } = await attempted(fifth);
    expect({ state, tries }).toEqual({ state: "pending", tries: 0 });
    const all = { $in: [...four, fifth].map((user) => new ObjectId(user)) };
    expect(await users.countDocuments({ _id: all, suppressed: { $exists: true } })).toBe(0);
  });

  test("a plain 550 to one recipient is remembered once the server has accepted others in between", async () => {
    const sink = await smtp({
      onRecipient: (to) => (to.startsWith("bad") ? { code: 550, text: "no such user" } : undefined),
    });
    const { url } = await startService(variables(sink));
    await inState(await login(url), "sent");
    const bad = newUser();
    await users.insertOne({ _id: new ObjectId(bad), email: "bad@receiver.example" });
    expect(await inState(await login(url, bad), "failed")).toMatchObject({ reason: "address", tries: 1 });
    expect(await users.findOne({ _id: new ObjectId(bad) })).toMatchObject({
      suppressed: { email: { address: "bad@receiver.example", reason: "address" } },
    });
  });

  test("a server that closes without a greeting has got nothing: tried again", async () => {
    const closing = await rawServer((socket) => socket.end());
    const { url } = await startService(variables(await smtp(), { SMTP_PORT: String(closing.port) }));
    const user = await login(url);
    const delivery = await attempted(user);
    expect(delivery.attempts[0]).toMatchObject({ outcome: "retry" });
    expect(delivery.reason).toBeUndefined();
  });

  test("a server that has nothing but 554 for us is our configuration's trouble, not each mail's", async () => {
    const refusing = await rawServer((socket) => socket.end("554 5.7.1 no service for you\r\n"));
    const { url } = await startService(variables(await smtp(), { SMTP_PORT: String(refusing.port) }));
    const delivery = await attempted(await login(url));
    expect(delivery).toMatchObject({ state: "pending", tries: 0 });
    expect(delivery.attempts).toMatchObject([{ outcome: "misconfigured", code: "554 5.7.1" }]);
  });

  test("a server that is down for a while is probed, not hammered: every mail arrives once it is back, each once", async () => {
    const gone = await startSmtp({ port: Number(await freePort()) });
    await gone.close();
    const { url } = await startService(
      variables(gone, { MAX_RETRIES: "100", RETRY_DELAY_MS: "100", DELIVERY_CONCURRENCY: "4" }),
    );
    const all = await Promise.all(Array.from({ length: 30 }, () => login(url)));
    const tried = async () => (await deliveries.find().toArray()).flatMap(outcomes);
    const state = async () => (await call(url, "GET", "/readyz?verbose")).body.providers.email.smtp;
    const open = await eventually(async () => {
      const found = await state();
      return found.state === "open" && found;
    }, "the outage is shown");
    expect(open).toMatchObject({ code: expect.any(String), since: expect.any(String) });
    await eventually(async () => {
      const { until, since } = await state();
      return Date.parse(until) - Date.parse(since) >= 3_000;
    }, "it was probed at a growing distance");
    const during = await tried();
    expect(new Set(during)).toEqual(new Set(["retry"]));
    // Five until it opened, three more that were under way then, and the probes: two, or three by now.
    expect(during.length).toBeLessThanOrEqual(11);
    const back = await smtp({ port: gone.port });
    await Promise.all(all.map((user) => inState(user, "sent")));
    expect(back.mails).toHaveLength(30);
    expect(new Set(back.mails.map((mail) => mail.messageId)).size).toBe(30);
    expect((await tried()).filter((outcome) => outcome === "sent")).toHaveLength(30);
    expect(await state()).toEqual({ state: "ok" });
  });

  test("535: of forty mails none is lost or uses up a try, and the server sees a handful of logins", async () => {
    let logins = 0;
    const sink = await smtp({
      options: {
        authOptional: false,
        allowInsecureAuth: true,
        onAuth(_auth, _session, callback) {
          logins++;
          callback(Object.assign(new Error("5.7.8 bad credentials"), { responseCode: 535 }));
        },
      },
    });
    const credentials = { SMTP_LOGIN: "belfry@sender.example", SMTP_PASSWORD: "open sesame" };
    const { url } = await startService(variables(sink, { DELIVERY_CONCURRENCY: "2", ...credentials }));
    await Promise.all(Array.from({ length: 40 }, () => login(url)));
    await eventually(
      async () => (await deliveries.countDocuments({ lease: { $exists: false }, state: "pending" })) === 40,
      "all are given back",
    );
    const found = await deliveries.find().toArray();
    for (const { tries, due, attempts } of found) {
      expect(tries).toBe(0);
      expect(attempts.length).toBeLessThanOrEqual(1);
      for (const attempt of attempts)
        expect(attempt).toMatchObject({ outcome: "misconfigured", code: expect.stringMatching(/^535/) });
      if (attempts.length > 0) expect(due.getTime()).toBeGreaterThan(Date.now() + 50_000);
    }
    expect(logins).toBeGreaterThanOrEqual(1);
    expect(logins).toBeLessThanOrEqual(4);
    const { smtp: shown } = (await call(url, "GET", "/readyz?verbose")).body.providers.email;
    expect(Date.parse(shown.until)).toBeGreaterThan(Date.now() + 50_000);
    expect(Date.parse(shown.since)).toBeLessThan(Date.parse(shown.until) - 50_000);
  });

  test("greylisted: due again in five minutes at the earliest, not by the short schedule", async () => {
    const sink = await smtp({ onRecipient: () => ({ code: 450, text: "4.7.1 Greylisted, come back" }) });
    const { url } = await startService(variables(sink));
    const delivery = await attempted(await login(url));
    expect(delivery).toMatchObject({ state: "pending", tries: 1 });
    expect(delivery.attempts).toMatchObject([{ outcome: "retry", code: "450 4.7.1" }]);
    const [ended = Number.NaN] = delivery.attempts.map(({ at, ms }) => at.getTime() + ms);
    expect(delivery.due.getTime() - ended).toBeGreaterThanOrEqual(5 * minute);
  });

  test("MAX_RETRIES used up: failed as exhausted, with every attempt on record", async () => {
    const offered: string[] = [];
    const sink = await smtp({
      onData(mail) {
        offered.push(mail.messageId);
        return { code: 451, text: "4.3.0 never" };
      },
    });
    const { url } = await startService(variables(sink, { MAX_RETRIES: "3" }));
    const delivery = await inState(await login(url), "failed");
    expect(delivery).toMatchObject({ reason: "exhausted", tries: 4 });
    expect(outcomes(delivery)).toEqual(["retry", "retry", "retry", "retry"]);
    expect(offered).toHaveLength(4);
    expect(new Set(offered).size).toBe(1);
    expect(sink.mails).toEqual([]);
  });

  test.each([
    "a@x.example, b@y.example",
    "Bob <b@y.example>",
    "nobody",
    "a@b@c",
    "a b@c.example",
    "evil@x.yz(.corp.com)",
    "grp:evil@x.yz",
    "a@b.cc\u200b",
  ])("an address that is not one mailbox (%s) fails without asking the server", async (email) => {
    let asked = 0;
    const sink = await smtp({ onRecipient: () => void asked++ });
    const user = newUser();
    await users.insertOne({ _id: new ObjectId(user), email });
    const { url } = await startService(variables(sink));
    const delivery = await inState(await login(url, user), "failed");
    expect(delivery).toMatchObject({ reason: "address", tries: 1 });
    expect(delivery.attempts).toMatchObject([{ outcome: "rejected", code: "EADDRESS" }]);
    expect(asked).toBe(0);
  });

  test("each mail goes to its own user, from the configured sender, under its delivery's id", async () => {
    const sink = await smtp();
    const { url } = await startService(variables(sink));
    const all = Array.from({ length: 10 }, newUser);
    await users.insertMany(
      all.map((user) => ({ _id: new ObjectId(user), email: `${user}@receiver.example` })),
    );
    await Promise.all(all.map((user) => login(url, user)));
    for (const user of all) {
      const { _id, attempts, providerId } = await inState(user, "sent");
      const mails = sink.mails.filter((mail) => mail.to === `${user}@receiver.example`);
      expect(mails).toMatchObject([
        { messageId: `<${_id.toHexString()}@sender.example>`, subject: "New login" },
      ]);
      expect(providerId).toBe(mails[0]?.messageId);
      expect(attempts).toMatchObject([{ text: expect.stringMatching(/^250/) }]);
      expect(mails[0]?.raw).toMatch(/^From: Belfry <belfry@sender\.example>\r$/m);
      expect(mails[0]?.raw).toMatch(new RegExp(`^To: ${user}@receiver\\.example\r$`, "m"));
    }
  });

  test("SMTP_TLS=required against a server without STARTTLS: nothing is handed over in clear text", async () => {
    let asked = 0;
    const sink = await smtp({ onRecipient: () => void asked++ });
    const { url } = await startService(variables(sink, { SMTP_TLS: "required" }));
    const delivery = await attempted(await login(url));
    expect(delivery).toMatchObject({ state: "pending", tries: 0 });
    expect(delivery.attempts).toMatchObject([{ outcome: "misconfigured" }]);
    expect(asked).toBe(0);
    expect(sink.mails).toEqual([]);
  });

  test("a server that offers STARTTLS with a certificate that is not accepted gets no mail, unless SMTP_TLS=none", async () => {
    const secure: boolean[] = [];
    const offering: SmtpBehaviour = {
      options: {
        disabledCommands: ["AUTH"],
        onMailFrom(_address, session, callback) {
          secure.push(session.secure);
          callback();
        },
      },
    };
    const sink = await smtp(offering);
    const careful = await startService(variables(sink));
    const delivery = await attempted(await login(careful.url));
    expect(delivery).toMatchObject({ state: "pending", tries: 0 });
    expect(delivery.attempts).toMatchObject([
      { outcome: "misconfigured", text: expect.stringMatching(/certificate/) },
    ]);
    expect(secure).toEqual([]);
    await careful.close();
    const careless = await startService(variables(sink, { SMTP_TLS: "none" }));
    await inState(await login(careless.url), "sent");
    expect(new Set(secure)).toEqual(new Set([false]));
  });
});

/** A server that speaks no SMTP of its own. */
async function rawServer(onConnection: (socket: Socket) => void): Promise<{ port: number }> {
  const server = createServer();
  server.on("connection", onConnection);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return { port: (server.address() as AddressInfo).port };
}
