import { createHmac, randomBytes } from "node:crypto";
import { ObjectId } from "mongodb";
import { getExpectedTwilioSignature } from "twilio/lib/webhooks/webhooks.js";
import { beforeEach, describe, expect, test } from "vitest";
import { isMailguns } from "../../src/channels/email/mailgun-callback.ts";
import type { DeliveryDocument } from "../../src/store/deliveries.ts";
import { failCommands, ownDatabase } from "../support/database.ts";
import { call } from "../support/http.ts";
import { addUser, deliver, typesFile } from "../support/provider-deliveries.ts";
import { type ProviderAnswer, startProvider } from "../support/provider-server.ts";
import { eventually, startService } from "../support/service.ts";

const database = await ownDatabase();
const NOTIFICATION_TYPES_FILE = typesFile();
const deliveries = () => database.db.collection<DeliveryDocument>("deliveries");
const reload = async ({ _id }: DeliveryDocument) => deliveries().findOne({ _id });
const suppressedOf = async (user: string) =>
  (await database.db.collection("users").findOne({ _id: new ObjectId(user) }))?.suppressed;

beforeEach(async () => {
  await deliveries().deleteMany({});
});

describe("Twilio", () => {
  const sid = `AC${"0".repeat(32)}`;
  const authToken = "the-auth-token";
  const publicUrl = "https://belfry.example/n";
  const messageSid = "SM00000000000000000000000000000001";
  const taken: ProviderAnswer = { status: 201, json: { sid: messageSid, status: "queued" } };
  const phone = "+15552223333";

  const service = (base: string, more: Record<string, string> = {}) =>
    startService({
      DB_URI: database.uri,
      NOTIFICATION_TYPES_FILE,
      PUBLIC_URL: publicUrl,
      TWILIO_SID: sid,
      TWILIO_AUTH_TOKEN: authToken,
      TWILIO_PHONE_NUMBER: "+15550001111",
      TWILIO_BASE_URL: base,
      ...more,
    });

  /** A status callback as Twilio posts it, signed by Twilio's own code. */
  function report(
    url: string,
    path: string,
    fields: Record<string, string>,
    forge: { token?: string; signedUrl?: string; signed?: Record<string, string>; signature?: string } = {},
  ) {
    const form = { AccountSid: sid, MessageSid: messageSid, To: phone, From: "+15550001111", ...fields };
    const signature = getExpectedTwilioSignature(
      forge.token ?? authToken,
      forge.signedUrl ?? publicUrl + path,
      { ...form, ...forge.signed },
    );
    return call(url, "POST", path, new URLSearchParams(form).toString(), {
      "content-type": "application/x-www-form-urlencoded; charset=UTF-8",
      "x-twilio-signature": forge.signature ?? signature,
    });
  }
  const pathOf = (id: ObjectId | string) => `/v1/callbacks/twilio?delivery=${id}`;

  async function sentText(more: Record<string, string> = {}) {
    const twilio = await startProvider(() => taken);
    const { url } = await service(twilio.url, more);
    const user = await addUser(database, { phone });
    const delivery = await deliver(database, url, user, "text");
    expect(delivery.state).toBe("sent");
    return { twilio, url, user, delivery, path: pathOf(delivery._id) };
  }

  test("a report makes the text delivered; repeats and earlier states change nothing; no API key is needed", async () => {
    const twilio = await startProvider(() => taken);
    const { url } = await service(twilio.url, { API_KEYS: "0123456789abcdef" });
    const user = await addUser(database, { phone });
    const key = { authorization: "Bearer 0123456789abcdef", "content-type": "application/json" };
    await call(url, "POST", "/create", { user_id: user, key: "text" }, key);
    const delivery = await eventually(
      async () => (await deliveries().findOne({ state: "sent" })) ?? undefined,
      "the text to be sent",
    );
    const path = pathOf(delivery._id);

    expect(await report(url, path, { MessageStatus: "sent" })).toMatchObject({ status: 204, body: "" });
    expect((await reload(delivery))?.state).toBe("sent");
    expect((await report(url, path, { MessageStatus: "delivered" })).status).toBe(204);
    const arrived = await reload(delivery);
    expect(arrived).toMatchObject({ state: "delivered", attempts: [{ outcome: "sent" }] });
    for (const MessageStatus of ["delivered", "sent", "queued", "read", "something_new"])
      expect((await report(url, path, { MessageStatus })).status).toBe(204);
    expect(await reload(delivery)).toEqual(arrived);
  });

  test("the port may be missing in the URL that Twilio signs", async () => {
    const { url, delivery, path } = await sentText({ PUBLIC_URL: "https://belfry.example:8443" });
    const signedUrl = `https://belfry.example${path}`;
    expect((await report(url, path, { MessageStatus: "delivered" }, { signedUrl })).status).toBe(204);
    expect((await reload(delivery))?.state).toBe("delivered");
  });

  test("forged reports are refused and change nothing", async () => {
    const { url, delivery, path } = await sentText();
    const fields = { MessageStatus: "failed", ErrorCode: "21610" };
    const forgeries = [
      { token: "another-token" },
      { signature: "" },
      { signature: "AAAAAAAAAAAAAAAAAAAAAAAAAAA=" },
      { signed: { MessageStatus: "delivered" } },
      { signedUrl: publicUrl + pathOf(new ObjectId()) },
      { signedUrl: `https://other.example${path}` },
    ];
    for (const forgery of forgeries) {
      const answer = await report(url, path, fields, forgery);
      expect(answer).toMatchObject({ status: 406, body: { code: "callback_refused" } });
    }
    const unsigned = await call(url, "POST", path, "MessageStatus=failed", {
      "content-type": "application/x-www-form-urlencoded",
    });
    expect(unsigned.status).toBe(406);
    expect(await reload(delivery)).toEqual(delivery);
  });

  test.each([
    { code: "30003", reason: "undelivered", suppressed: undefined },
    { code: "30007", reason: "policy", suppressed: undefined },
    { code: "30005", reason: "undelivered", suppressed: "address" },
    { code: "21610", reason: "opt_out", suppressed: "opt_out" },
  ])(
    "undelivered with $code fails as $reason; suppressed: $suppressed",
    async ({ code, reason, suppressed }) => {
      const { url, user, delivery, path, twilio } = await sentText();
      const fields = { MessageStatus: "undelivered", ErrorCode: code };
      expect((await report(url, path, fields)).status).toBe(204);
      expect(await reload(delivery)).toMatchObject({
        state: "failed",
        reason,
        detail: `Twilio: undelivered ${code}`,
      });

      const next = await deliver(database, url, user, "text");
      expect(next).toMatchObject(suppressed ? { state: "skipped", reason: "suppressed" } : { state: "sent" });
      expect((await suppressedOf(user))?.sms?.reason).toBe(suppressed);
      expect(twilio.calls).toHaveLength(suppressed ? 1 : 2);
    },
  );

  test("a repeated report does not restore a removed suppression", async () => {
    const { url, user, path } = await sentText();
    const fields = { MessageStatus: "undelivered", ErrorCode: "21610" };
    await report(url, path, fields);
    expect(await suppressedOf(user)).toMatchObject({ sms: { address: phone, reason: "opt_out" } });
    await database.db
      .collection("users")
      .updateOne({ _id: new ObjectId(user) }, { $unset: { suppressed: 1 } });
    expect((await report(url, path, fields)).status).toBe(204);
    expect(await suppressedOf(user)).toBeUndefined();
  });

  test("the same reports end in the same state in any order", async () => {
    const { url, delivery, path } = await sentText();
    const all = ["sent", "delivered", "undelivered"];
    const orders = all.flatMap((a) =>
      all.filter((b) => b !== a).map((b) => [a, b, all.find((c) => c !== a && c !== b) as string]),
    );
    for (const order of orders) {
      await deliveries().replaceOne({ _id: delivery._id }, delivery);
      for (const MessageStatus of order) await report(url, path, { MessageStatus, ErrorCode: "30003" });
      expect(await reload(delivery), order.join(", ")).toMatchObject({
        state: "failed",
        reason: "undelivered",
      });
    }
  });

  test("a report that arrives before Twilio's answer is stored together with the attempt", async () => {
    let url = "";
    const twilio = await startProvider(async ({ form }) => {
      const path = form.StatusCallback?.replace(publicUrl, "") as string;
      expect((await report(url, path, { MessageStatus: "delivered" })).status).toBe(204);
      return taken;
    });
    ({ url } = await service(twilio.url));
    const user = await addUser(database, { phone });
    const settled = (one: DeliveryDocument) => one.attempts.length > 0;
    const delivery = await deliver(database, url, user, "text", settled);
    expect(delivery).toMatchObject({
      state: "delivered",
      tries: 1,
      providerId: messageSid,
      attempts: [{ outcome: "sent" }],
    });
    expect(delivery).not.toHaveProperty("lease");
    expect(delivery.expireAt).toBeInstanceOf(Date);
  });

  test.each(["text", "careful_text"] as const)(
    "%s: a report settles a delivery whose answer was lost",
    async (type) => {
      let url = "";
      const twilio = await startProvider(async ({ form }) => {
        await report(url, form.StatusCallback?.replace(publicUrl, "") as string, {
          MessageStatus: "delivered",
        });
        return "hang up" as const;
      });
      ({ url } = await service(twilio.url, { RETRY_DELAY_MS: "20" }));
      const user = await addUser(database, { phone });
      const delivery = await deliver(database, url, user, type, (one) => one.attempts.length > 0);
      expect(delivery).toMatchObject({ state: "delivered", attempts: [{ outcome: "unknown" }] });
      expect(delivery).not.toHaveProperty("reason");
      // A later delivery has been through the same worker: the first would have been repeated by now.
      await deliver(database, url, user, type, (one) => one.attempts.length > 0);
      expect(twilio.calls).toHaveLength(2);
    },
  );

  test("a late report settles an uncertain delivery", async () => {
    const twilio = await startProvider(() => "hang up");
    const { url } = await service(twilio.url);
    const user = await addUser(database, { phone });
    const delivery = await deliver(database, url, user, "careful_text");
    expect(delivery).toMatchObject({ state: "uncertain", reason: "unanswered" });
    await report(url, pathOf(delivery._id), { MessageStatus: "delivered" });
    const arrived = await reload(delivery);
    expect(arrived?.state).toBe("delivered");
    expect(arrived).not.toHaveProperty("reason");
  });

  test("the failure of another message does not change the delivery", async () => {
    const { url, delivery, path } = await sentText();
    const fields = { MessageStatus: "failed", ErrorCode: "30003", MessageSid: "SM2" };
    expect((await report(url, path, fields)).status).toBe(204);
    expect(await reload(delivery)).toEqual(delivery);
  });

  test("a signed report about an unknown delivery is accepted and changes nothing", async () => {
    const { url, delivery } = await sentText();
    expect((await report(url, pathOf(new ObjectId()), { MessageStatus: "delivered" })).status).toBe(204);
    expect(await reload(delivery)).toEqual(delivery);
  });

  test("a call that is not a status callback gets a 4xx with the reason", async () => {
    const { url, delivery, path } = await sentText();
    const form = { "content-type": "application/x-www-form-urlencoded" };
    const statuses = await Promise.all([
      call(url, "POST", "/v1/callbacks/twilio", "MessageStatus=sent", form),
      call(url, "POST", pathOf("nonsense"), "MessageStatus=sent", form),
      call(url, "POST", path, { MessageStatus: "delivered" }),
      call(url, "POST", path, "a=".padEnd(66_000, "x"), form),
      call(url, "POST", path),
      call(url, "GET", path),
    ]);
    expect(statuses.map(({ status, body }) => [status, body.code])).toEqual([
      [400, "invalid_request"],
      [400, "invalid_request"],
      [415, "unsupported_media_type"],
      [413, "payload_too_large"],
      [406, "callback_refused"],
      [405, "method_not_allowed"],
    ]);
    expect(statuses[0]?.body.errors).toMatchObject([{ pointer: "?delivery" }]);
    expect(await reload(delivery)).toEqual(delivery);
  });

  test("without PUBLIC_URL no report can be verified or accepted", async () => {
    const { url, delivery, path } = await sentText({ PUBLIC_URL: "" });
    expect((await report(url, path, { MessageStatus: "delivered" })).status).toBe(404);
    expect(await reload(delivery)).toEqual(delivery);
  });
});

describe("Mailgun", () => {
  const signingKey = "the-signing-key";
  const email = "Ann@Example.org";

  const service = (base: string) =>
    startService({
      DB_URI: database.uri,
      NOTIFICATION_TYPES_FILE,
      MAILGUN_API_KEY: "key",
      MAILGUN_DOMAIN: "mg.example",
      MAILGUN_BASE_URL: base,
      MAILGUN_SIGNING_KEY: signingKey,
    });

  function signature(ageSeconds = 0, key = signingKey) {
    const timestamp = String(Math.floor(Date.now() / 1000) - ageSeconds);
    const token = randomBytes(25).toString("hex");
    return {
      timestamp,
      token,
      signature: createHmac("sha256", key)
        .update(timestamp + token)
        .digest("hex"),
    };
  }

  /** An event as documentation.mailgun.com shows it under "Webhook payloads". */
  function eventOf(id: ObjectId, event: string, more: object = {}) {
    return {
      event,
      id: randomBytes(16).toString("base64url"),
      timestamp: Date.now() / 1000,
      recipient: "ann@example.org",
      message: { headers: { "message-id": `${id}@mg.example`, to: email } },
      "user-variables": { delivery_id: id.toHexString() },
      ...more,
    };
  }
  const post = (url: string, event: object, signed: object = signature()) =>
    call(url, "POST", "/v1/callbacks/mailgun", { signature: signed, "event-data": event });

  async function sentMail() {
    const mailgun = await startProvider(({ form }) => ({
      status: 200,
      json: { id: form["h:Message-Id"], message: "Queued. Thank you." },
    }));
    const { url } = await service(mailgun.url);
    const user = await addUser(database, { email });
    const delivery = await deliver(database, url, user, "mail");
    expect(delivery.state).toBe("sent");
    return { mailgun, url, user, delivery, id: delivery._id };
  }

  test("a report makes the mail delivered; a repeat under a new token changes nothing", async () => {
    const { url, delivery, id } = await sentMail();
    expect(await post(url, eventOf(id, "delivered"))).toMatchObject({ status: 200, body: {} });
    const arrived = await reload(delivery);
    expect(arrived?.state).toBe("delivered");
    for (const event of ["delivered", "accepted", "opened", "something_new"])
      expect((await post(url, eventOf(id, event))).status).toBe(200);
    expect(await reload(delivery)).toEqual(arrived);
  });

  test("the delivery is found by its Message-ID when the variable is missing", async () => {
    const { url, delivery, id } = await sentMail();
    await post(url, eventOf(id, "delivered", { "user-variables": [] }));
    expect((await reload(delivery))?.state).toBe("delivered");
  });

  test("forged, stale, premature and replayed calls are refused and change nothing", async () => {
    const { url, delivery, id } = await sentMail();
    const event = eventOf(id, "failed", { severity: "permanent" });
    const good = signature();
    const refused = [
      signature(0, "another-key"),
      { ...good, token: "another-token" },
      { ...good, timestamp: String(Number(good.timestamp) - 1) },
      { ...good, signature: good.signature.slice(1) },
      { ...good, signature: good.signature.toUpperCase() },
      { ...good, signature: "é".repeat(64) },
      signature(302),
      // Far ahead: the time that the calls before it take brings it nearer.
      signature(-400),
    ];
    for (const signed of refused)
      expect(await post(url, event, signed)).toMatchObject({
        status: 406,
        body: { code: "callback_refused" },
      });
    expect(await reload(delivery)).toEqual(delivery);

    expect((await post(url, eventOf(id, "delivered"), good)).status).toBe(200);
    // The body is not signed: whoever overheard a call could say anything with its token.
    const together = await Promise.all([1, 2, 3].map(() => post(url, event, good)));
    expect(together.map(({ status }) => status)).toEqual([406, 406, 406]);
    expect((await reload(delivery))?.state).toBe("delivered");
  });

  test("a signature is valid for exactly five minutes, whichever clock is ahead", () => {
    const signed = signature();
    const at = Number(signed.timestamp) * 1_000;
    const counts = (now: number) =>
      isMailguns({ signature: signed, "event-data": { event: "delivered" } }, signingKey, now);
    for (const way of [1, -1])
      expect([300_000, 300_001].map((ms) => counts(at + way * ms))).toEqual([true, false]);
  });

  test("only one of several simultaneous calls with the same token counts", async () => {
    const { url, id } = await sentMail();
    const signed = signature();
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => post(url, eventOf(id, "delivered"), signed)),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 406)).toHaveLength(7);
  });

  test("tokens are kept for a day", async () => {
    const { url, id } = await sentMail();
    const signed = signature(290);
    await post(url, eventOf(id, "delivered"), signed);
    const tokens = database.db.collection<{ _id: string; at: Date }>("callback_tokens");
    expect((await tokens.findOne({ _id: signed.token }))?.at).toBeInstanceOf(Date);
    expect(await tokens.indexes()).toContainEqual(
      expect.objectContaining({ key: { at: 1 }, expireAfterSeconds: 86_400 }),
    );
  });

  const status = (code: number, enhanced: string, message: string) => ({
    "delivery-status": { code, "enhanced-code": enhanced, message, description: "", "attempt-no": 1 },
  });
  test.each([
    {
      name: "550 5.1.1",
      more: { severity: "permanent", reason: "bounce", ...status(550, "5.1.1", "No such user") },
      expected: { state: "failed", reason: "bounced", detail: "Mailgun: bounce 550 5.1.1 No such user" },
      suppressed: "bounced",
    },
    {
      name: "550 with the code in its text",
      more: { severity: "permanent", reason: "bounce", ...status(550, "", "5.2.1 mailbox disabled") },
      expected: { state: "failed", reason: "bounced" },
      suppressed: "bounced",
    },
    {
      name: "bounced before",
      more: { severity: "permanent", reason: "suppress-bounce", ...status(605, "", "Not delivering") },
      expected: { state: "failed", reason: "bounced" },
      suppressed: "bounced",
    },
    {
      name: "policy",
      more: { severity: "permanent", reason: "generic", ...status(550, "5.7.1", "Blocked") },
      expected: { state: "failed", reason: "bounced" },
      suppressed: undefined,
    },
    {
      name: "complained before",
      more: { severity: "permanent", reason: "suppress-complaint", ...status(607, "", "Not delivering") },
      expected: { state: "failed", reason: "opt_out" },
      suppressed: "opt_out",
    },
    {
      name: "temporary",
      more: { severity: "temporary", reason: "generic", ...status(451, "4.7.1", "Later") },
      expected: { state: "sent" },
      suppressed: undefined,
    },
  ])("failed ($name) becomes $expected; suppressed: $suppressed", async ({ more, expected, suppressed }) => {
    const { url, user, delivery, id, mailgun } = await sentMail();
    expect((await post(url, eventOf(id, "failed", more))).status).toBe(200);
    expect(await reload(delivery)).toMatchObject(expected);
    const next = await deliver(database, url, user, "mail");
    expect(next).toMatchObject(suppressed ? { state: "skipped", reason: "suppressed" } : { state: "sent" });
    expect((await suppressedOf(user))?.email?.reason).toBe(suppressed);
    expect(mailgun.calls).toHaveLength(suppressed ? 1 : 2);
  });

  test("rejected fails and does not suppress the address", async () => {
    const { url, user, delivery, id } = await sentMail();
    await post(url, eventOf(id, "rejected", { reject: { reason: "Sandbox" } }));
    expect(await reload(delivery)).toMatchObject({
      state: "failed",
      reason: "undelivered",
      detail: "Mailgun: Sandbox",
    });
    expect(await suppressedOf(user)).toBeUndefined();
  });

  test.each(["complained", "unsubscribed"])(
    "after %s the mail stays delivered, and the next one is not sent",
    async (event) => {
      const { url, user, delivery, id } = await sentMail();
      await post(url, eventOf(id, event));
      await post(url, eventOf(id, "delivered"));
      expect((await reload(delivery))?.state).toBe("delivered");
      expect(await suppressedOf(user)).toMatchObject({ email: { address: email, reason: "opt_out" } });
      expect(await deliver(database, url, user, "mail")).toMatchObject({
        state: "skipped",
        reason: "suppressed",
      });
    },
  );

  test("a bounce of the user's former address does not stop mail to the new one", async () => {
    const { url, user, id } = await sentMail();
    await database.db
      .collection("users")
      .updateOne({ _id: new ObjectId(user) }, { $set: { email: "new@example.org" } });
    await post(
      url,
      eventOf(id, "failed", { severity: "permanent", ...status(550, "5.1.1", "No such user") }),
    );
    expect(await suppressedOf(user)).toBeUndefined();
    expect((await deliver(database, url, user, "mail")).state).toBe("sent");
  });

  test("a bounce days after the delivery still counts", async () => {
    const { url, delivery, id } = await sentMail();
    await post(url, eventOf(id, "delivered"));
    await post(url, eventOf(id, "failed", { severity: "permanent", reason: "bounce" }));
    expect(await reload(delivery)).toMatchObject({ state: "failed", reason: "bounced" });
    await post(url, eventOf(id, "delivered"));
    expect((await reload(delivery))?.state).toBe("failed");
  });

  test("without MongoDB the answer is 503, and the repeated call is not taken for a replay", async () => {
    const { url, delivery, id } = await sentMail();
    const signed = signature();
    const recover = await failCommands(database.client, "alwaysOn", {
      failCommands: ["find"],
      closeConnection: true,
      appName: "belfry",
      namespace: `${database.db.databaseName}.deliveries`,
    });
    const answer = await post(url, eventOf(id, "delivered"), signed).finally(recover);
    expect(answer).toMatchObject({ status: 503, body: { code: "database_unavailable" } });
    expect((await post(url, eventOf(id, "delivered"), signed)).status).toBe(200);
    expect((await reload(delivery))?.state).toBe("delivered");
  });

  test("a call about an unknown message is accepted and changes nothing", async () => {
    const { url, delivery } = await sentMail();
    const foreign = { event: "delivered", message: { headers: { "message-id": "x@y" } } };
    for (const event of [foreign, { event: "delivered" }, eventOf(new ObjectId(), "delivered")])
      expect((await post(url, event)).status).toBe(200);
    expect(await reload(delivery)).toEqual(delivery);
  });

  test("a call that is not a webhook gets a 4xx that points at the field", async () => {
    const { url, id } = await sentMail();
    const event = eventOf(id, "delivered");
    const good = signature();
    const cases: Array<[unknown, string]> = [
      [{ "event-data": event }, "/signature"],
      [{ signature: good }, "/event-data"],
      [{ signature: { ...good, timestamp: undefined }, "event-data": event }, "/signature/timestamp"],
      [{ signature: { ...good, timestamp: "now" }, "event-data": event }, "/signature/timestamp"],
      [{ signature: { ...good, token: { $gt: "" } }, "event-data": event }, "/signature/token"],
      [{ signature: { ...good, token: "x".repeat(201) }, "event-data": event }, "/signature/token"],
      [{ signature: good, "event-data": { event: 1 } }, "/event-data/event"],
    ];
    for (const [body, pointer] of cases) {
      const answer = await call(url, "POST", "/v1/callbacks/mailgun", body);
      expect(answer).toMatchObject({ status: 400, body: { code: "invalid_request" } });
      expect(answer.body.errors.map((one: { pointer: string }) => one.pointer)).toContain(pointer);
    }
    const form = { "content-type": "application/x-www-form-urlencoded" };
    expect((await call(url, "POST", "/v1/callbacks/mailgun", "a=b", form)).status).toBe(415);
  });
});
