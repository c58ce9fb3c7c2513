import { ObjectId } from "mongodb";
import { describe, expect, onTestFinished, test } from "vitest";
import { type DeliveryDocument, newDelivery } from "../../../src/store/deliveries.ts";
import { freshDatabase } from "../../support/database.ts";
import { type Answer, call } from "../../support/http.ts";
import { eventually, startService } from "../../support/service.ts";
import { startSmtp } from "../../support/smtp.ts";

const { uri, db } = freshDatabase();
const users = db.collection<{ _id: ObjectId | string; [field: string]: unknown }>("users");
const deliveries = db.collection<DeliveryDocument>("deliveries");

const newUser = () => new ObjectId().toHexString();
const secret = (byte: number) => `whsec_${Buffer.alloc(32, byte).toString("base64")}`;
const whole = {
  email: "alex@receiver.example",
  phone: "+12025550123",
  locale: "pt-BR",
  time_zone: "Europe/Berlin",
  webhook: { url: "https://hooks.example/alex?x=1", secrets: [secret(1), secret(2)] },
};
const shown = { ...whole, webhook: { url: whole.webhook.url } };

const profileOf = (url: string, user: string) => call(url, "GET", `/v1/users/${encodeURIComponent(user)}`);
const put = (url: string, user: string, body: unknown) => call(url, "PUT", `/v1/users/${user}`, body);
const patch = (url: string, user: string, body: unknown) => call(url, "PATCH", `/v1/users/${user}`, body);
const erase = (url: string, user: string) => call(url, "DELETE", `/v1/users/${encodeURIComponent(user)}`);
const notify = (url: string, recipients: string[], more: object = {}) =>
  call(url, "POST", "/v1/notifications", { recipients, type: "new_login", ...more });

function pointersOf({ status, body }: Answer): string[] {
  expect([status, body.code], JSON.stringify(body)).toStrictEqual([400, "invalid_request"]);
  return body.errors.map((one: { pointer: string }) => one.pointer);
}

describe("a profile", () => {
  test("is created, shown without its secrets, changed in part and replaced", async () => {
    const { url } = await startService({ DB_URI: uri });
    const user = newUser();
    expect((await profileOf(url, user)).status).toBe(404);
    const created = await put(url, user, whole);
    expect([created.status, created.body]).toStrictEqual([201, { id: user, ...shown }]);
    expect((await profileOf(url, user.toUpperCase())).body).toStrictEqual({ id: user, ...shown });
    expect(await users.findOne({ _id: new ObjectId(user) })).toMatchObject({ webhook: whole.webhook });

    const changed = await patch(url, user, { phone: null, locale: "DE-at", webhook: null });
    const { phone: _, webhook: __, ...left } = shown;
    expect([changed.status, changed.body]).toStrictEqual([200, { id: user, ...left, locale: "de-AT" }]);
    expect((await patch(url, user, {})).body).toStrictEqual(changed.body);

    const replaced = await put(url, user, { time_zone: "UTC" });
    expect([replaced.status, replaced.body]).toStrictEqual([200, { id: user, time_zone: "UTC" }]);
    expect((await put(url, user, {})).body).toStrictEqual({ id: user });
    expect((await profileOf(url, user)).body).toStrictEqual({ id: user });
  });

  test("is created by a change in part, too, and by 20 at once, each of which counts", async () => {
    const { url } = await startService({ DB_URI: uri });
    const user = "somebody/new";
    const fields = [{ email: whole.email }, { phone: whole.phone }, { locale: "de" }, { time_zone: "UTC" }];
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, n) => patch(url, encodeURIComponent(user), fields[n % 4])),
    );
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(19);
    expect((await profileOf(url, user)).body).toStrictEqual({ id: user, ...Object.assign({}, ...fields) });
  });

  test("never touches what the product team keeps in the same document, or what is not of the expected form", async () => {
    const { url } = await startService({ DB_URI: uri });
    const _id = new ObjectId();
    const theirs = { name: "Alex", plan: { tier: 3 }, $odd: "$email", notifications: { mail: true } };
    await users.insertOne({ _id, ...theirs, email: 42, webhook: "none" });
    expect((await profileOf(url, _id.toHexString())).body).toStrictEqual({ id: _id.toHexString() });
    await put(url, _id.toHexString(), { email: "$name", locale: "de" }).then(pointersOf);
    await put(url, _id.toHexString(), { email: "$name@x.example", locale: "de" });
    expect(await users.findOne({ _id })).toStrictEqual({
      _id,
      ...theirs,
      email: "$name@x.example",
      locale: "de",
    });
    await erase(url, _id.toHexString());
    expect(await users.findOne({ _id })).toStrictEqual({ _id, ...theirs });
  });

  test("a new address is tried although the old one took nothing more", async () => {
    const refused = { code: 550, text: "5.1.1 no such user" };
    const smtp = await startSmtp({
      onRecipient: (address) => (address.startsWith("old@") ? refused : undefined),
    });
    onTestFinished(() => smtp.close());
    const { url } = await startService({ DB_URI: uri, ...smtp.variables });
    const user = newUser();
    await put(url, user, { email: "old@receiver.example" });
    const ended = (state: string, count: number) =>
      eventually(
        async () =>
          (await deliveries.countDocuments({ user: new ObjectId(user), state: state as "sent" })) === count,
        `${count} to be ${state}`,
      );
    await notify(url, [user]);
    await ended("failed", 1);
    await notify(url, [user]);
    await ended("skipped", 1);
    await put(url, user, { email: "new@receiver.example" });
    await notify(url, [user]);
    await ended("sent", 1);
    expect(smtp.mails.map((mail) => mail.to)).toStrictEqual(["new@receiver.example"]);
  });

  test("every wrong field is pointed at, and nothing is stored", async () => {
    const { url } = await startService({ DB_URI: uri });
    const user = newUser();
    const wrong = {
      email: "Alex <alex@receiver.example>",
      phone: "030 1234",
      locale: "de_DE",
      time_zone: "Mars/Olympus",
      webhook: { url: "ftp://hooks.example", secrets: ["whsec_short", secret(1)] },
    };
    const pointers = ["/email", "/phone", "/locale", "/time_zone", "/webhook/url", "/webhook/secrets/0"];
    expect(pointersOf(await put(url, user, wrong))).toStrictEqual(pointers);
    expect(pointersOf(await patch(url, user, wrong))).toStrictEqual(pointers);
    for (const [body, pointer] of [
      [{ email: "a@b@c" }, "/email"],
      [{ email: "a@b.c\r\nBcc: x@y.z" }, "/email"],
      ...["evil@x.yz(.corp.com)", "grp:evil@x.yz", "a(c)@b.cc", "a@b.cc\u200b"].map(
        (email) => [{ email }, "/email"] as const,
      ),
      [{ email: "\ud800@b.example" }, "/email"],
      [{ email: `${"a".repeat(250)}@b.example` }, "/email"],
      [{ phone: "+0123456" }, "/phone"],
      [{ phone: 12025550123 }, "/phone"],
      [{ time_zone: "+01:00" }, "/time_zone"],
      [{ webhook: { url: "https://hooks.example", secrets: [] } }, "/webhook/secrets"],
      [{ webhook: { url: "https://hooks.example", secrets: [1, 2, 3].map(secret) } }, "/webhook/secrets"],
      [{ webhook: { url: "http://hooks.example", secrets: [secret(1)] } }, "/webhook/url"],
      [{ webhook: { url: "https://me:pw@hooks.example", secrets: [secret(1)] } }, "/webhook/url"],
      [{ webhook: { url: "https://hooks.example/\n", secrets: [secret(1)] } }, "/webhook/url"],
      ...[
        "https://hooks.example:8443/",
        "https://hooks.example:80443/",
        "//hooks.example",
        "https://10.0.0.8/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://169.254.169.254/latest/meta-data",
        "https://localhost/",
        "wss://hooks.example/",
      ].map((target) => [{ webhook: { url: target } }, "/webhook/url"] as const),
      ...[
        "Host",
        "content-length",
        "Transfer-Encoding",
        "CONNECTION",
        "Upgrade",
        "TE",
        "webhook-signature",
        "Webhook-Id",
        "Content-Type",
        "Proxy-Authorization",
        "Bad Name",
        "naïve",
        "",
      ].map(
        (name) =>
          [
            { webhook: { url: "https://hooks.example", headers: { [name]: "x" } } },
            `/webhook/headers/${name}`,
          ] as const,
      ),
      ...["", " x", "x ", "a\r\nX-Evil: 1", "a\0", "ü", "a".repeat(2_049)].map(
        (value) =>
          [
            { webhook: { url: "https://hooks.example", headers: { "X-A": value } } },
            "/webhook/headers/X-A",
          ] as const,
      ),
      [
        {
          webhook: {
            url: "https://hooks.example",
            headers: Object.fromEntries(Array.from({ length: 11 }, (_, n) => [`X-${n}`, "x"])),
          },
        },
        "/webhook/headers",
      ],
      [
        { webhook: { url: "https://hooks.example", headers: { "X-A": "1", "x-a": "2" } } },
        "/webhook/headers",
      ],
      [{ webhook: { url: "https://hooks.example", headers: { "X-A": 1 } } }, "/webhook/headers/X-A"],
      [{ name: "Alex" }, "/name"],
      [{ rev: 7 }, "/rev"],
      [{ suppressed: {} }, "/suppressed"],
    ] as const)
      expect(pointersOf(await put(url, user, body)), JSON.stringify(body)).toContain(pointer);
    for (const body of [[], "text", 1, null]) pointersOf(await put(url, user, JSON.stringify(body)));
    expect((await profileOf(url, user)).status).toBe(404);
  });

  test("a document that its collection's rules refuse is a conflict, and says so", async () => {
    const { url } = await startService({ DB_URI: uri });
    const user = newUser();
    await db.command({ collMod: "users", validator: { locale: { $ne: "xx" } } });
    onTestFinished(async () => void (await db.command({ collMod: "users", validator: {} })));
    const { status, body } = await put(url, user, { locale: "xx" });
    expect([status, body.code]).toStrictEqual([409, "user_document_conflict"]);
    expect((await put(url, user, { locale: "de" })).status).toBe(201);
  });

  test("a webhook without a secret gets a new one, which that answer alone shows", async () => {
    const { url } = await startService({ DB_URI: uri });
    const user = newUser();
    const webhook = { url: "https://hooks.example/alex" };
    const first = await put(url, user, { webhook });
    expect(first.body.webhook).toStrictEqual({
      url: webhook.url,
      secrets: [expect.stringMatching(/^whsec_/)],
    });
    expect((await profileOf(url, user)).body.webhook).toStrictEqual(webhook);
    expect(await users.findOne({ _id: new ObjectId(user) })).toMatchObject({ webhook: first.body.webhook });
    const second = await patch(url, user, { webhook });
    expect(second.body.webhook.secrets).toHaveLength(1);
    expect(second.body.webhook.secrets).not.toStrictEqual(first.body.webhook.secrets);
    expect((await patch(url, user, { locale: "de" })).body.webhook).toStrictEqual(webhook);
  });

  test("the values of a webhook's headers are stored and never shown", async () => {
    const { url } = await startService({ DB_URI: uri });
    const user = newUser();
    const headers = { Authorization: "Bearer canary-token", "X-Team": "blue" };
    const webhook = { url: "https://hooks.example/alex", secrets: [secret(1)], headers };
    const names = { url: webhook.url, header_names: ["Authorization", "X-Team"] };
    expect((await put(url, user, { webhook })).body.webhook).toStrictEqual(names);
    expect((await profileOf(url, user)).body.webhook).toStrictEqual(names);
    expect(await users.findOne({ _id: new ObjectId(user) })).toMatchObject({ webhook });
    const wrong = { ...webhook, headers: { Authorization: "canary-token\n" } };
    expect(JSON.stringify((await put(url, user, { webhook: wrong })).body)).not.toContain("canary");
    await patch(url, user, { webhook: { url: webhook.url, secrets: [secret(1)] } });
    expect((await profileOf(url, user)).body.webhook).toStrictEqual({ url: webhook.url });
  });

  test("a port, a scheme and an address that may not be called are refused with what to change", async () => {
    const { url } = await startService({ DB_URI: uri, WEBHOOK_PORTS: "80,443" });
    const detail = async (target: string) =>
      (await put(url, newUser(), { webhook: { url: target } })).body.errors[0].detail;
    expect(await detail("https://hooks.example:8443")).toMatch(/port 8443; .*80, 443 \(WEBHOOK_PORTS\)/);
    expect(await detail("http://hooks.example")).toMatch(/WEBHOOK_ALLOW_HTTP=on/);
    expect(await detail("https://10.1.2.3")).toMatch(/10\.1\.2\.3.*WEBHOOK_ALLOW_NETWORKS/);
  });

  test("what the settings open is taken", async () => {
    const { url } = await startService({
      DB_URI: uri,
      WEBHOOK_ALLOW_HTTP: "on",
      WEBHOOK_PORTS: "8443,80",
      WEBHOOK_ALLOW_NETWORKS: "10.0.0.0/8,127.0.0.1",
    });
    for (const target of [
      "https://hooks.example:8443",
      "http://10.1.2.3",
      "http://127.0.0.1",
      "http://localhost",
    ])
      expect((await put(url, newUser(), { webhook: { url: target } })).status, target).toBe(201);
  });

  test("http:// is taken for a webhook where the service may call it", async () => {
    const { url } = await startService({ DB_URI: uri, WEBHOOK_ALLOW_HTTP: "on" });
    const webhook = { url: "http://hooks.example", secrets: [secret(1)] };
    expect((await put(url, newUser(), { webhook })).status).toBe(201);
  });
});

describe("erasing a user", () => {
  /** Names that would betray the user, wherever they are left. */
  const canary = () => `canary${new ObjectId().toHexString()}`;

  async function everythingStored(): Promise<string> {
    const names = (await db.listCollections({}, { nameOnly: true }).toArray()).map((one) => one.name);
    const all = await Promise.all(names.map((name) => db.collection(name).find().toArray()));
    return JSON.stringify(Object.fromEntries(names.map((name, at) => [name, all[at]])));
  }

  async function balanced(url: string): Promise<void> {
    const { body } = await call(url, "GET", "/v1/ledger");
    expect(body, JSON.stringify(body)).toMatchObject({ balanced: true });
  }

  test("leaves nothing of the address, the content and the id in any collection, and the ledger balances", async () => {
    const mark = canary();
    const user = `user-${mark}`;
    const other = newUser();
    const smtp = await startSmtp({
      onRecipient: (address) =>
        address.includes(mark) ? { code: 550, text: `5.1.1 <${address}> is unknown` } : undefined,
    });
    onTestFinished(() => smtp.close());
    // Mails are refused with the address in the text, SMS are captured, webhooks cannot be delivered.
    const { url } = await startService({ DB_URI: uri, ...smtp.variables });
    const phone = "+12025550188";
    await put(url, user, {
      ...whole,
      phone,
      email: `${mark}@receiver.example`,
      webhook: { ...whole.webhook, url: `https://${mark}.invalid/` },
    });
    await put(url, other, { email: "other@receiver.example" });
    const content = { title: `title ${mark}`, body: `body ${mark}`, data: { deep: [mark] } };
    const headers = { "idempotency-key": `key-${mark}` };
    const body = {
      recipients: [user, other],
      type: "new_login",
      ...content,
      channels: ["inbox", "email", "sms", "webhook"],
    };
    expect((await call(url, "POST", "/v1/notifications", body, headers)).status).toBe(201);
    await eventually(
      async () =>
        (await deliveries.countDocuments({ user, state: { $in: ["pending", "sending"] }, tries: 0 })) === 0,
      "all of it to be tried",
    );
    expect((await call(url, "GET", "/v1/captured")).body.data.length).toBeGreaterThan(0);
    expect(await everythingStored()).toContain(`<${mark}@receiver.example> is unknown`);

    expect((await erase(url, user)).status).toBe(204);
    expect((await profileOf(url, user)).status).toBe(404);
    const left = await everythingStored();
    expect(left).not.toContain(`user-${mark}`);
    expect(left).not.toContain(`${mark}@`);
    expect(left).not.toContain(`${mark}.invalid`);
    expect(left).not.toContain(phone);
    // The other one was told the same, and keeps it.
    expect((await call(url, "GET", `/v1/users/${other}/inbox`)).body).toMatchObject({
      total: 1,
      items: [content],
    });
    expect((await erase(url, other)).status).toBe(204);
    expect(await everythingStored()).not.toContain(mark);
    await balanced(url);

    // Again, and for somebody nobody knows, it is the same.
    expect((await erase(url, user)).status).toBe(204);
    expect((await erase(url, "never heard of")).status).toBe(204);
    expect((await call(url, "GET", `/v1/users/${user}/inbox`)).body).toStrictEqual({
      rev: 0,
      unread: 0,
      unseen: 0,
      total: 0,
      items: [],
    });
  });

  test("what waits is canceled, what is over keeps its end, and nothing of it can be sent again", async () => {
    const user = newUser();
    // No worker: what is stored stays as it is.
    const { url } = await startService({ DB_URI: uri, ROLES: "api" });
    const { body } = await notify(url, [user], { body: "sekrit", channels: ["email", "sms"] });
    const { id } = body.notifications[0];
    const stored = (fields: Partial<DeliveryDocument>): DeliveryDocument => ({
      ...newDelivery(
        { id: newUser(), channel: "email", content: { key: "new_login", at: 1, body: "sekrit" } },
        { notification: newUser(), user },
        new Date(0),
        undefined,
      ),
      ...fields,
    });
    const attempt = {
      at: new Date(),
      provider: "smtp",
      outcome: "rejected",
      code: "550",
      text: "sekrit",
      ms: 3,
      providerId: "sekrit",
    } as const;
    const failed = stored({
      state: "failed",
      reason: "address",
      detail: "sekrit",
      attempts: [attempt],
      providerId: "sekrit",
    });
    const sent = stored({ state: "sent" });
    await deliveries.insertMany([failed, sent]);

    await erase(url, user);
    expect(await deliveries.countDocuments({ user: new ObjectId(user) })).toBe(0);
    expect(await everythingStored()).not.toContain("sekrit");
    const shownOf = async (id: ObjectId) => (await call(url, "GET", `/v1/deliveries/${id}`)).body;
    expect(await shownOf(failed._id)).toMatchObject({
      user_id: "",
      status: "failed",
      reason: "address",
      attempts: [{ provider: "smtp", outcome: "rejected", code: "550", ms: 3 }],
    });
    expect(await shownOf(sent._id)).toMatchObject({ user_id: "", status: "sent" });
    const canceled = (
      await call(url, "GET", `/v1/deliveries?notification_id=${id}&status=canceled&reason=erased`)
    ).body.data;
    expect(canceled.map((one: { channel: string }) => one.channel).sort()).toStrictEqual(["email", "sms"]);
    // They are forgotten in time, like all that is over.
    expect(await deliveries.countDocuments({ user: "", expireAt: { $exists: false } })).toBe(0);

    for (const one of [failed._id, canceled[0].id]) {
      const again = await call(url, "POST", `/v1/deliveries/${one}/retry`);
      expect([again.status, again.body.code]).toStrictEqual([409, "delivery_not_retryable"]);
      expect(again.body.detail).toContain("erased");
    }
    const redrive = await call(url, "POST", "/v1/deliveries/redrive", {
      notification_id: failed.notification.toHexString(),
      status: "failed",
    });
    expect(redrive.body).toMatchObject({ redriven: 0 });
    expect(await deliveries.countDocuments({ user: "", state: "pending" })).toBe(0);
  });

  test("what is being sent that very moment leaves nothing behind when it ends", async () => {
    const mark = canary();
    const asked: Array<() => void> = [];
    const smtp = await startSmtp({
      options: {
        onRcptTo: (address, _session, callback) =>
          void asked.push(() =>
            callback(Object.assign(new Error(`4.2.1 ${address.address} later`), { responseCode: 450 })),
          ),
      },
    });
    onTestFinished(() => smtp.close());
    const { url } = await startService({ DB_URI: uri, ...smtp.variables });
    await put(url, mark, { email: `${mark}@receiver.example` });
    await notify(url, [mark], { body: mark });
    await eventually(() => asked.length === 1, "the mail server was asked");
    await erase(url, mark);
    const held = await deliveries.findOne({ reason: "erased", state: "uncertain" });
    expect(held).toMatchObject({ user: "" });
    for (const answer of asked) answer();
    // Its turn is over when the metrics have it; by then the books have refused it.
    await eventually(async () => {
      const { body } = await call(url, "GET", "/metrics");
      return /^belfry_delivery_attempts_total\{[^}]*outcome="retry"\} 1$/m.test(body);
    }, "its turn to end");
    expect(await deliveries.findOne({ reason: "erased", state: "uncertain" })).toStrictEqual(held);
    expect(await everythingStored()).not.toContain(mark);
    expect(asked).toHaveLength(1);
  });

  test("1,200 deliveries go in several batches, while 40 notifications to others go on", async () => {
    const { url } = await startService({ DB_URI: uri, ROLES: "api" });
    const user = newUser();
    const many = Array.from({ length: 1_200 }, () =>
      newDelivery(
        { id: newUser(), channel: "email", content: { key: "new_login", at: 1, body: "sekrit" } },
        { notification: newUser(), user },
        // Before the ledger began to count.
        new Date(0),
        undefined,
      ),
    );
    await deliveries.insertMany(many);
    const people = Array.from({ length: 40 }, newUser);
    const [erased, ...told] = await Promise.all([
      erase(url, user),
      ...people.map((one) => notify(url, [one])),
    ]);
    expect(erased.status).toBe(204);
    expect(told.map(({ status }) => status)).toStrictEqual(people.map(() => 201));
    expect(await deliveries.countDocuments({ user: new ObjectId(user) })).toBe(0);
    const ids = many.map((one) => one._id);
    expect(
      await deliveries.countDocuments({
        _id: { $in: ids },
        state: "canceled",
        "content.body": { $exists: false },
      }),
    ).toBe(1_200);
    const others = people.map((one) => new ObjectId(one));
    expect(await deliveries.countDocuments({ user: { $in: others } })).toBe(40);
    await balanced(url);
  });

  test("afterwards the user can be notified as if new", async () => {
    const { url } = await startService({ DB_URI: uri, EMAIL: "team@receiver.example" });
    const user = newUser();
    await notify(url, [user]);
    await call(url, "POST", `/v1/users/${user}/inbox/seen`);
    await erase(url, user);
    await notify(url, [user]);
    expect((await profileOf(url, user)).body).toMatchObject({ email: "team@receiver.example" });
    expect((await call(url, "GET", `/v1/users/${user}/inbox`)).body).toMatchObject({
      unread: 1,
      unseen: 1,
      total: 1,
    });
  });
});
