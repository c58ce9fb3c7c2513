import fc from "fast-check";
import { ObjectId } from "mongodb";
import { getExpectedTwilioSignature, validateRequest } from "twilio/lib/webhooks/webhooks.js";
import { beforeEach, describe, expect, test } from "vitest";
import { smsSegments } from "../../src/channels/sms/segments.ts";
import { isTwilios } from "../../src/channels/sms/twilio-callback.ts";
import { createRateLimit } from "../../src/delivery/rate.ts";
import type { DeliveryDocument } from "../../src/store/deliveries.ts";
import { freshDatabase } from "../support/database.ts";
import { call } from "../support/http.ts";
import type { Counterpart, Verdict } from "../support/provider-counterpart.ts";
import { addUser, deliver, typesFile } from "../support/provider-deliveries.ts";
import { type ProviderAnswer, startProvider } from "../support/provider-server.ts";
import { eventually, startService } from "../support/service.ts";
import { providerSuite } from "./shared.ts";

const database = freshDatabase();
const NOTIFICATION_TYPES_FILE = typesFile();
const sid = `AC${"0123456789abcdef".repeat(2)}`;
const authToken = "canary-auth-token";

/** As twilio.com/docs/messaging/api/message-resource shows it. */
const taken = (): ProviderAnswer => ({
  status: 201,
  json: {
    account_sid: sid,
    api_version: "2010-04-01",
    body: "Hello",
    error_code: null,
    error_message: null,
    num_segments: "1",
    sid: "SM0123456789abcdef0123456789abcdef",
    status: "queued",
  },
});
const refused = (status: number, code: number, message = `error ${code}`): ProviderAnswer => ({
  status,
  json: { code, message, more_info: `https://www.twilio.com/docs/errors/${code}`, status },
});

const authorization = `Basic ${Buffer.from(`${sid}:${authToken}`).toString("base64")}`;
const twilioAccount = (url: string) => ({
  TWILIO_SID: sid,
  TWILIO_AUTH_TOKEN: authToken,
  TWILIO_PHONE_NUMBER: "+15550001111",
  TWILIO_BASE_URL: url,
});
const twilioAt = (url: string) => ({
  DB_URI: database.uri,
  NOTIFICATION_TYPES_FILE,
  ...twilioAccount(url),
  // One attempt shows how a failure is stored; tests of the retry shorten the delay.
  RETRY_DELAY_MS: "60000",
});

providerSuite(database, { name: "twilio", channel: "sms", start: startTwilio });

/** Twilio's API for whoever has the token. A text has no id of ours but in the callback that it names. */
async function startTwilio(): Promise<Counterpart> {
  const answers: Record<Verdict, ProviderAnswer> = {
    take: taken(),
    later: refused(429, 20429, "Too Many Requests"),
    never: refused(400, 21211, "Invalid 'To' Phone Number"),
    "no answer": "hang up",
  };
  let verdict: Verdict = "take";
  const server = await startProvider(({ headers }) =>
    headers.authorization === authorization ? answers[verdict] : refused(401, 20003, "Authenticate"),
  );
  const profile = { phone: "+15552223333" };
  const broken = `${profile.phone}\r\nTo: +15556667777`;
  return {
    variables: { ...twilioAccount(server.url), PUBLIC_URL: "https://belfry.example" },
    wrong: { TWILIO_AUTH_TOKEN: "token-that-was-revoked" },
    secrets: [authToken, "token-that-was-revoked"],
    profile,
    broken: { profile: { phone: broken }, arrivesAs: broken },
    answer: (next) => {
      verdict = next;
    },
    received: () =>
      server.calls.map(({ headers, form }) => ({
        to: [form.To ?? ""],
        id: new URL(form.StatusCallback ?? "").searchParams.get("delivery") ?? "",
        text: form.Body ?? "",
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
  due.getTime() - (attempts.at(-1)?.at.getTime() as number);
const newPhone = () => addUser(database, { phone: "+15552223333" });

test("a text reaches Twilio with a validity, and with a callback URL when PUBLIC_URL is set", async () => {
  const twilio = await startProvider(taken);
  const { url } = await startService({ ...twilioAt(twilio.url), PUBLIC_URL: "https://belfry.example/n/" });

  const delivery = await deliver(database, url, await newPhone(), "text");

  const [sent] = twilio.calls;
  expect(twilio.calls).toHaveLength(1);
  expect(sent).toMatchObject({ method: "POST", path: `/2010-04-01/Accounts/${sid}/Messages.json` });
  expect(sent?.headers).toMatchObject({
    authorization,
    "content-type": "application/x-www-form-urlencoded",
  });
  expect(sent?.form).toEqual({
    From: "+15550001111",
    To: "+15552223333",
    Body: "Hello",
    ValidityPeriod: "14400",
    StatusCallback: `https://belfry.example/n/v1/callbacks/twilio?delivery=${delivery._id.toHexString()}`,
  });
  expect(delivery).toMatchObject({
    state: "sent",
    tries: 1,
    providerId: "SM0123456789abcdef0123456789abcdef",
    attempts: [{ provider: "twilio", outcome: "sent", text: "queued" }],
  });
});

test("without PUBLIC_URL there is no callback URL; TWILIO_VALIDITY_SECONDS is sent as the validity", async () => {
  const twilio = await startProvider(taken);
  const { url } = await startService({ ...twilioAt(twilio.url), TWILIO_VALIDITY_SECONDS: "600" });
  await deliver(database, url, await newPhone(), "text");
  expect(twilio.calls[0]?.form).toMatchObject({ ValidityPeriod: "600" });
  expect(twilio.calls[0]?.form).not.toHaveProperty("StatusCallback");
});

describe("each answer ends as docs/providers/twilio.md says", () => {
  test.each([
    { answer: refused(429, 20429, "Too Many Requests"), code: "20429", least: 40_000 },
    { answer: { status: 429, text: "slow down" }, code: "429", least: 40_000 },
    { answer: refused(429, 21611), code: "21611", least: 300_000 },
    { answer: refused(400, 21611), code: "21611", least: 300_000 },
    { answer: refused(400, 30001), code: "30001", least: 300_000 },
    { answer: refused(400, 21730), code: "21730", least: 300_000 },
  ])("$code was not processed and is retried after at least $least ms", async ({ answer, code, least }) => {
    const twilio = await startProvider(() => answer);
    const { url } = await startService(twilioAt(twilio.url));
    const delivery = await deliver(database, url, await newPhone(), "careful_text", attempted(1));
    expect(delivery).toMatchObject({ state: "pending", tries: 1 });
    expect(delivery.attempts).toMatchObject([{ outcome: "retry", code }]);
    expect(waitOf(delivery)).toBeGreaterThanOrEqual(least);
  });

  test.each<{ name: string; answer: ProviderAnswer; code: string }>([
    { name: "20500", answer: refused(500, 20500, "Internal Server Error"), code: "20500" },
    { name: "503 that is not JSON", answer: { status: 503, text: "<html>busy" }, code: "503" },
    { name: "a lost connection", answer: "hang up", code: "ECONNRESET" },
    { name: "no answer in time", answer: "silence", code: "TIMEOUT|ECONNABORTED|ERR_CANCELED" },
    { name: "an answer over 64 KiB", answer: { status: 201, text: "x".repeat(70_000) }, code: "ERR_BAD" },
  ])(
    "$name is retried without an idempotency key, or becomes uncertain when the type says give_up",
    async (row) => {
      const twilio = await startProvider((_, earlier) => (earlier === 1 ? taken() : row.answer));
      const { url } = await startService({
        ...twilioAt(twilio.url),
        RETRY_DELAY_MS: "50",
        // Only silence may run out of time.
        ...(row.answer === "silence" && { PROVIDER_TIMEOUT_MS: "1000" }),
      });
      const twice = await deliver(database, url, await newPhone(), "text");
      expect(twice).toMatchObject({ state: "sent", tries: 2 });
      expect(twice.attempts).toMatchObject([
        { outcome: "unknown", code: expect.stringMatching(new RegExp(row.code)) },
        { outcome: "sent" },
      ]);
      expect(Object.keys(twilio.calls[1]?.headers ?? {}).filter((name) => /idempotency/i.test(name))).toEqual(
        [],
      );

      const once = await deliver(database, url, await newPhone(), "careful_text");
      expect(once).toMatchObject({ state: "uncertain", reason: "unanswered", tries: 1 });
      expect(twilio.calls).toHaveLength(3);
    },
  );

  test("a closed port is retried, even when the type says give_up", async () => {
    const gone = await startProvider(taken);
    await gone.close();
    const { url } = await startService(twilioAt(gone.url));
    const delivery = await deliver(database, url, await newPhone(), "careful_text", attempted(1));
    expect(delivery).toMatchObject({ state: "pending", tries: 1 });
    expect(delivery.attempts).toMatchObject([{ outcome: "retry", code: "ECONNREFUSED" }]);
  });

  test.each([
    { status: 401, code: 20003 },
    { status: 404, code: 20404 },
    { status: 400, code: 21606 },
    { status: 400, code: 21703 },
    { status: 400, code: 30002 },
    { status: 400, code: 21212 },
    { status: 400, code: 21603 },
    { status: 400, code: 21659 },
    { status: 400, code: 21660 },
    { status: 403, code: 20005 },
  ])("$code uses up no try and pauses the provider", async ({ status, code }) => {
    const twilio = await startProvider(() => refused(status, code));
    const { url } = await startService(twilioAt(twilio.url));
    const delivery = await deliver(database, url, await newPhone(), "text", attempted(1));
    expect(delivery).toMatchObject({ state: "pending", tries: 0 });
    expect(delivery.attempts).toMatchObject([{ outcome: "misconfigured", code: String(code) }]);
    expect(waitOf(delivery)).toBeGreaterThan(55_000);
    expect(twilio.calls).toHaveLength(1);
  });

  test.each([
    ...[21211, 21614, 21635, 30004, 30005, 30006].map((code) => ({ code, reason: "address" })),
    ...[21408, 21612, 30007, 30034].map((code) => ({ code, reason: "policy" })),
    { code: 21617, reason: "message" },
    { code: 21602, reason: "message" },
    { code: 21610, reason: "opt_out" },
    { code: 30036, reason: "expired" },
  ])("$code fails after one attempt with reason $reason", async ({ code, reason }) => {
    const twilio = await startProvider(() => refused(400, code));
    const { url } = await startService(twilioAt(twilio.url));
    const user = await newPhone();
    const delivery = await deliver(database, url, user, "text");
    expect(delivery).toMatchObject({ state: "failed", reason, tries: 1 });
    expect(delivery.attempts).toMatchObject([
      { outcome: "rejected", code: String(code), text: `error ${code}` },
    ]);

    const remembered = reason === "address" || reason === "opt_out";
    const second = await deliver(database, url, user, "text");
    expect(second).toMatchObject(
      remembered ? { state: "skipped", reason: "suppressed", attempts: [] } : { state: "failed", reason },
    );
    expect(twilio.calls).toHaveLength(remembered ? 1 : 2);
  });
});

test("a suppressed number does not stop texts to the user's new number", async () => {
  const twilio = await startProvider(({ form }) =>
    form.To === "+15552223333" ? refused(400, 21211) : taken(),
  );
  const { url } = await startService(twilioAt(twilio.url));
  const user = await newPhone();
  await deliver(database, url, user, "text");
  expect(await deliver(database, url, user, "text")).toMatchObject({ state: "skipped" });
  await database.db
    .collection("users")
    .updateOne({ _id: new ObjectId(user) }, { $set: { phone: "+15554445555" } });
  expect(await deliver(database, url, user, "text")).toMatchObject({ state: "sent" });
});

test("a user created by the first notification gets texts at RECEIVER_PHONE_NUMBER", async () => {
  const twilio = await startProvider(taken);
  const { url } = await startService({ ...twilioAt(twilio.url), RECEIVER_PHONE_NUMBER: "+15559998888" });
  await call(url, "POST", "/create", { user_id: "e".repeat(24), key: "text" });
  await eventually(() => twilio.calls.length > 0, "the text to be sent");
  expect(twilio.calls[0]?.form.To).toBe("+15559998888");
});

test("SMS_PROVIDERS=capture captures texts although Twilio is configured", async () => {
  const twilio = await startProvider(taken);
  const { url } = await startService({ ...twilioAt(twilio.url), SMS_PROVIDERS: "capture" });
  const delivery = await deliver(database, url, await newPhone(), "text");
  expect(delivery.attempts).toMatchObject([{ provider: "capture", outcome: "sent" }]);
  expect(twilio.calls).toHaveLength(0);
});

test("an answer of a wrong shape is stored as an attempt", async () => {
  const answers: ProviderAnswer[] = [
    { status: 201, json: { sid: 5, status: ["queued"] } },
    { status: 400, json: { code: { a: 1 }, message: ["x"] } },
    { status: 400, json: { code: "9".repeat(5_000) } },
    { status: 400, json: [] },
  ];
  const twilio = await startProvider((_, earlier) => answers[earlier] as ProviderAnswer);
  const { url } = await startService(twilioAt(twilio.url));
  const user = await newPhone();
  expect(await deliver(database, url, user, "text")).toMatchObject({ state: "sent" });
  for (let n = 0; n < 3; n++) {
    const delivery = await deliver(database, url, user, "text");
    expect(delivery).toMatchObject({ state: "failed", reason: "message" });
    expect(delivery.attempts[0]?.code?.length).toBeLessThanOrEqual(50);
  }
});

test.each([
  { given: { TWILIO_SID: sid, TWILIO_AUTH_TOKEN: "t" }, says: "TWILIO_PHONE_NUMBER: is missing" },
  { given: { TWILIO_RATE: "1/s" }, says: "TWILIO_SID: is missing" },
  {
    given: { TWILIO_SID: "SK1", TWILIO_AUTH_TOKEN: "t", TWILIO_PHONE_NUMBER: "+1" },
    says: "TWILIO_SID: must be the account's",
  },
  { given: { SMS_PROVIDERS: "twilio" }, says: "SMS_PROVIDERS: names twilio" },
])("a wrong configuration stops the start: $says", async ({ given, says }) => {
  await expect(startService({ DB_URI: database.uri, ...given })).rejects.toThrow(says);
});

describe("segments", () => {
  test.each([
    { text: "", segments: 1 },
    { text: "a".repeat(160), segments: 1 },
    { text: "a".repeat(161), segments: 2 },
    { text: "a".repeat(306), segments: 2 },
    { text: "a".repeat(307), segments: 3 },
    { text: "a".repeat(1_600), segments: 11 },
    { text: "é".repeat(160), segments: 1 },
    { text: "€".repeat(80), segments: 1 },
    { text: "€".repeat(81), segments: 2 },
    // An escape pair does not fit into the last septet of a part: 152 + 1 lost, then the rest.
    { text: `${"a".repeat(152)}€${"a".repeat(151)}`, segments: 2 },
    { text: `${"a".repeat(152)}€${"a".repeat(152)}`, segments: 3 },
    { text: "я".repeat(70), segments: 1 },
    { text: "я".repeat(71), segments: 2 },
    { text: "я".repeat(134), segments: 2 },
    { text: "я".repeat(135), segments: 3 },
    { text: "😀".repeat(35), segments: 1 },
    { text: "😀".repeat(36), segments: 2 },
    // 33 pairs to a part: the 67th unit cannot hold half of one.
    { text: "😀".repeat(67), segments: 3 },
    { text: `${"a".repeat(70)}ê`, segments: 2 },
  ])("a text of $text.length units has $segments segments", ({ text, segments }) => {
    expect(smsSegments(text)).toBe(segments);
  });

  test("the number of segments covers all units and never falls when a character is added", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "binary", maxLength: 400 }),
        fc.constantFrom("a", "€", "я", "😀"),
        (text, more) => {
          const segments = smsSegments(text);
          expect(segments).toBeGreaterThanOrEqual(Math.ceil(text.length / 160));
          expect(segments).toBeLessThanOrEqual(Math.max(1, Math.ceil(text.length / 66)));
          expect(smsSegments(text + more)).toBeGreaterThanOrEqual(segments);
        },
      ),
    );
  });
});

describe("rate", () => {
  test("the rate is never exceeded by more than one full bucket and one text", () => {
    const sends = fc.array(fc.record({ cost: fc.integer({ min: 1, max: 11 }), idle: fc.nat(5_000) }), {
      minLength: 1,
      maxLength: 60,
    });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), sends, (perSecond, texts) => {
        let now = 0;
        const limit = createRateLimit({ count: perSecond, perMs: 1_000 }, () => now, 2_000);
        const sent: Array<{ at: number; cost: number }> = [];
        for (const { cost, idle } of texts) {
          now += idle;
          let wait = limit.take(cost);
          for (let rounds = 0; wait > 2_000 && rounds < 10; rounds++) {
            now += wait;
            wait = limit.take(cost);
          }
          expect(wait, "a text that is never sent").toBeLessThanOrEqual(2_000);
          sent.push({ at: now + wait, cost });
        }
        for (const [from, first] of sent.entries()) {
          let total = 0;
          for (const { at, cost } of sent.slice(from)) {
            total += cost;
            expect(total).toBeLessThanOrEqual(perSecond + 11 + ((at - first.at) / 1_000) * perSecond + 1e-6);
          }
        }
      }),
    );
  });

  test("TWILIO_RATE counts segments: of two long texts the second waits", async () => {
    const twilio = await startProvider(taken);
    const { url } = await startService({ ...twilioAt(twilio.url), TWILIO_RATE: "4/min" });
    const long = { text: "a".repeat(400) };
    const first = await deliver(database, url, await newPhone(), "text", undefined, long);
    expect(first.state).toBe("sent");
    const held = (one: DeliveryDocument) => one.state === "pending" && one.due > one.createdAt;
    const second = await deliver(database, url, await newPhone(), "text", held, long);
    expect(second).toMatchObject({ tries: 0, attempts: [] });
    // Three segments against a bucket of one leave a debt of two: three quarters of a minute, less what has passed.
    expect(second.due.getTime() - Date.now()).toBeGreaterThan(35_000);
    expect(twilio.calls).toHaveLength(1);
  });
});

describe("the sender", () => {
  const service = `MG${"0123456789abcdef".repeat(2)}`;
  test.each([
    [
      "a Messaging Service",
      { TWILIO_MESSAGING_SERVICE_SID: service, TWILIO_PHONE_NUMBER: "" },
      service,
      undefined,
    ],
    ["a Messaging Service given as the number", { TWILIO_PHONE_NUMBER: service }, service, undefined],
    ["a number with blanks", { TWILIO_PHONE_NUMBER: "001 (555) 000-1111" }, undefined, "+15550001111"],
    ["a short code", { TWILIO_PHONE_NUMBER: "12345" }, undefined, "12345"],
    ["an alphanumeric sender", { TWILIO_PHONE_NUMBER: "Belfry 24" }, undefined, "Belfry 24"],
  ])("may be %s", async (_what, sender, messagingServiceSid, from) => {
    const server = await startProvider(taken);
    const { url } = await startService({ ...twilioAt(server.url), ...sender });
    const user = await addUser(database, { phone: "+15552223333" });
    expect((await deliver(database, url, user, "text")).state).toBe("sent");
    expect(server.calls[0]?.form.MessagingServiceSid).toBe(messagingServiceSid);
    expect(server.calls[0]?.form.From).toBe(from);
  });
});

describe("the signature of a callback", () => {
  const host = fc.constantFrom("belfry.example", "belfry.example:8443", "belfry.example:443", "[::1]:80");
  const scheme = fc.constantFrom("https://", "http://");
  const rest = fc.constantFrom("", "/", "/n/v1/callbacks/twilio?delivery=0123456789abcdef01234567", "?a=b:1");
  const fields = fc.array(
    fc.tuple(
      fc.constantFrom("To", "Body", "MessageStatus", "a"),
      fc.string({ unit: "binary", maxLength: 8 }),
    ),
    { maxLength: 8 },
  );

  test("is accepted and refused exactly as by Twilio's own library", () => {
    fc.assert(
      fc.property(
        scheme,
        host,
        host,
        rest,
        fields,
        fc.boolean(),
        (protocol, ours, signed, path, form, forged) => {
          const given = new URLSearchParams(form);
          const parameters = Object.fromEntries([...given.keys()].map((name) => [name, given.getAll(name)]));
          const url = protocol + ours + path;
          const signature = getExpectedTwilioSignature(
            forged ? "other" : "token",
            protocol + signed + path,
            parameters,
          );
          const headers = { "x-twilio-signature": signature };
          expect(isTwilios(headers, url, given, "token")).toBe(
            validateRequest("token", signature, url, parameters),
          );
        },
      ),
    );
  });
});
