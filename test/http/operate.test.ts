import { ObjectId } from "mongodb";
import { describe, expect, test } from "vitest";
import { type DeliveryDocument, newDelivery } from "../../src/store/deliveries.ts";
import { failCommands, ownDatabase } from "../support/database.ts";
import { call } from "../support/http.ts";
import { eventually, startService } from "../support/service.ts";
import { startSmtp, type Verdict } from "../support/smtp.ts";

const { uri, client, db } = await ownDatabase();
const deliveries = db.collection<DeliveryDocument>("deliveries");
const users = db.collection<{ _id: ObjectId | string; [field: string]: unknown }>("users");
const isoTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/** Creates users with addresses of their own; returns their ids. */
async function someUsers(count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, () => new ObjectId());
  await users.insertMany(ids.map((_id) => ({ _id, email: `${_id.toHexString()}@receiver.example` })));
  return ids.map((id) => id.toHexString());
}

async function create(url: string, user: string, key = "new_login"): Promise<void> {
  expect((await call(url, "POST", "/create", { user_id: user, key })).status).toBe(201);
}

/** Stores deliveries without sending them; returns their ids, oldest first. */
async function stored(count: number, fields: Partial<DeliveryDocument> = {}): Promise<string[]> {
  const documents = Array.from({ length: count }, () => ({
    ...newDelivery(
      { id: new ObjectId().toHexString(), channel: "email" as const, content: { key: "new_login", at: 0 } },
      { notification: new ObjectId().toHexString(), user: new ObjectId().toHexString() },
      new Date(),
      undefined,
    ),
    state: "sent" as const,
    ...fields,
  }));
  await deliveries.insertMany(documents);
  return documents.map((one) => one._id.toHexString());
}

const idsOf = (answer: { body: { data: Array<{ id: string }> } }): string[] =>
  answer.body.data.map((one) => one.id);

/** Reads every page, by the `Link` of the previous one. */
async function follow(url: string, path: string, between = async () => {}): Promise<string[]> {
  const ids: string[] = [];
  for (let next: string | undefined = path; next !== undefined; ) {
    const page = await call(url, "GET", next);
    expect(page.status).toBe(200);
    ids.push(...idsOf(page));
    const [, target, cursor] =
      /^<(.+cursor=([^&>]+).*)>; rel="next"$/.exec(page.headers.get("link") ?? "") ?? [];
    expect(page.body.next_cursor).toBe(cursor);
    next = target;
    await between();
  }
  return ids;
}

describe("looking up deliveries", () => {
  test("a delivery is found by each of its properties and shows every attempt with the provider's answer", async () => {
    const smtp = await startSmtp({
      onData: (_mail, offered) => (offered === 0 ? { code: 451, text: "4.3.0 not now" } : undefined),
    });
    const app = await startService({ DB_URI: uri, ...smtp.variables });
    const [user = ""] = await someUsers(1);
    const before = Date.now();
    await create(app.url, user);
    const found = await eventually(async () => {
      const { body } = await call(app.url, "GET", `/v1/deliveries?user_id=${user}&status=sent`);
      return body.data[0];
    }, "to be sent");
    expect(found).toStrictEqual({
      id: expect.stringMatching(/^[0-9a-f]{24}$/),
      notification_id: expect.stringMatching(/^[0-9a-f]{24}$/),
      user_id: user,
      type: "new_login",
      channel: "email",
      status: "sent",
      provider: "smtp",
      tries: 2,
      created_at: expect.stringMatching(isoTime),
      updated_at: expect.stringMatching(isoTime),
    });
    const { status, body } = await call(app.url, "GET", `/v1/deliveries/${found.id.toUpperCase()}`);
    expect(status).toBe(200);
    expect(body.attempts).toStrictEqual([
      {
        at: expect.stringMatching(isoTime),
        provider: "smtp",
        outcome: "retry",
        code: "451 4.3.0",
        text: "451 4.3.0 not now",
        ms: expect.any(Number),
      },
      {
        at: expect.stringMatching(isoTime),
        provider: "smtp",
        outcome: "sent",
        text: expect.any(String),
        ms: expect.any(Number),
      },
    ]);
    expect(body.provider_id).toContain(found.id);
    expect(JSON.stringify(body)).not.toContain("@receiver.example");

    const of = (query: string) => call(app.url, "GET", `/v1/deliveries?user_id=${user}&${query}`).then(idsOf);
    const created = Date.parse(found.created_at);
    for (const query of [
      `notification_id=${found.notification_id}`,
      "type=new_login",
      "channel=email",
      "status=failed,sent",
      "status=failed&status=sent",
      "provider=smtp",
      `from=${before - 1_000}&to=${new Date(created + 1).toISOString()}`,
      `from=${created}`,
    ])
      expect(await of(query), query).toStrictEqual([found.id]);
    for (const query of [
      `notification_id=${new ObjectId()}`,
      "type=registration",
      "channel=sms",
      "status=failed,uncertain",
      "reason=exhausted",
      "provider=mailgun",
      `to=${created}`,
      `from=${created + 1}`,
    ])
      expect(await of(query), query).toStrictEqual([]);
    await smtp.close();
  });

  test("a user without an address ends as skipped, with the reason", async () => {
    const app = await startService({ DB_URI: uri });
    const _id = new ObjectId();
    await users.insertOne({ _id, name: "no address" });
    await create(app.url, _id.toHexString());
    const one = await eventually(
      async () => (await call(app.url, "GET", `/v1/deliveries?user_id=${_id}&status=skipped`)).body.data[0],
      "to be skipped",
    );
    expect([one.reason, one.tries]).toStrictEqual(["no_address", 0]);
    expect(one.detail).toContain("no address");
  });

  test("1,000 deliveries are paged through without a gap or a repetition, while others are added", async () => {
    const app = await startService({ DB_URI: uri });
    const [other = ""] = await someUsers(1);
    const type = "paged";
    const ids = await stored(1_000, { type });
    const all = await follow(app.url, `/v1/deliveries?type=${type}&limit=37`, async () => {
      await stored(1, { type });
      await create(app.url, other);
    });
    expect(all).toStrictEqual(ids.toReversed());
    // Failed states have an index of their own.
    const failed = await stored(250, { type, state: "failed", reason: "exhausted" });
    const uncertain = await stored(10, { type, state: "uncertain", reason: "unanswered" });
    const bad = await follow(app.url, `/v1/deliveries?type=${type}&status=uncertain,failed&limit=100`);
    expect(bad).toStrictEqual([...failed, ...uncertain].toReversed());
  });

  test("an invalid filter is refused with a pointer to it", async () => {
    const app = await startService({ DB_URI: uri });
    await stored(2);
    const { body } = await call(app.url, "GET", "/v1/deliveries?status=sent&limit=1");
    const cursor: string = body.next_cursor;
    const nul = Buffer.from("v1.AAAAAAAAAAAAAAAA.000000000000000000000000").toString("base64url");
    const later = Buffer.from(Buffer.from(cursor, "base64url").toString().replace("v1", "v2")).toString(
      "base64url",
    );
    for (const [query, pointer] of [
      ["color=red", "?color"],
      ["limit=0", "?limit"],
      ["limit=101", "?limit"],
      ["limit=ten", "?limit"],
      ["status=lost", "?status"],
      ["status=", "?status"],
      ["channel=fax", "?channel"],
      ["reason=whim", "?reason"],
      ["notification_id=7", "?notification_id"],
      ["user_id=", "?user_id"],
      [`user_id=${"x".repeat(129)}`, "?user_id"],
      ["user_id=a&user_id=b", "?user_id"],
      ["user_id[$ne]=a", "?user_id[$ne]"],
      ["type=%24where", "?type"],
      ["from=yesterday", "?from"],
      ["from=2026-01-31T08:00:00", "?from"],
      ["to=9999999999999999", "?to"],
      ["from=2000&to=1000", "?to"],
      ["cursor=garbage", "?cursor"],
      [`cursor=${"A".repeat(600)}`, "?cursor"],
      [`cursor=${nul}`, "?cursor"],
      [`status=sent&cursor=${later}`, "?cursor"],
      [`status=failed&cursor=${cursor}`, "?cursor"],
      [`cursor=${cursor}`, "?cursor"],
    ] as const) {
      const answer = await call(app.url, "GET", `/v1/deliveries?${query}`);
      expect([answer.status, answer.body.code, answer.body.errors?.[0].pointer], query).toStrictEqual([
        400,
        "invalid_request",
        pointer,
      ]);
      expect(answer.headers.get("content-type")).toContain("application/problem+json");
    }
    expect((await call(app.url, "GET", `/v1/deliveries?status=sent&limit=1&cursor=${cursor}`)).status).toBe(
      200,
    );
    expect((await call(app.url, "GET", "/v1/deliveries/xyz")).status).toBe(400);
    const unknown = await call(app.url, "GET", `/v1/deliveries/${new ObjectId()}`);
    expect([unknown.status, unknown.body.code]).toStrictEqual([404, "not_found"]);
    for (const [body, pointer] of [
      [{ status: ["sent", "lost"] }, "/status"],
      [{ dry_run: "yes" }, "/dry_run"],
      [{ limit: 1 }, "/limit"],
      [{ from: "soon" }, "/from"],
      [{ user_id: { $gt: "" } }, "/user_id"],
      [{ cursor }, "/cursor"],
    ] as const) {
      const answer = await call(app.url, "POST", "/v1/deliveries/redrive", body);
      expect([answer.status, answer.body.errors?.[0].pointer], JSON.stringify(body)).toStrictEqual([
        400,
        pointer,
      ]);
    }
    expect((await call(app.url, "GET", "/v1/ledger?from=x")).body.errors[0].pointer).toBe("?from");
  });

  test("while MongoDB does not answer the response is 503 with Retry-After", async () => {
    const app = await startService({ DB_URI: uri });
    const heal = await failCommands(client, "alwaysOn", {
      failCommands: ["find", "aggregate", "update"],
      errorCode: 11602,
      appName: "belfry",
    });
    try {
      for (const [method, path] of [
        ["GET", "/v1/deliveries"],
        ["GET", "/v1/ledger"],
        ["GET", "/v1/suppressions"],
        ["POST", `/v1/deliveries/${new ObjectId()}/retry`],
      ] as const) {
        const { status, body, headers } = await call(app.url, method, path);
        expect([status, body.code, headers.get("retry-after")], path).toStrictEqual([
          503,
          "database_unavailable",
          "2",
        ]);
      }
    } finally {
      await heal();
    }
  });
});

describe("retry and redrive", () => {
  test("a retry sends a failed delivery again under its id and refuses one that was sent or is in progress", async () => {
    const smtp = await startSmtp();
    const app = await startService({ DB_URI: uri, ...smtp.variables });
    const [user = ""] = await someUsers(1);
    const attempt = { at: new Date(), provider: "smtp", outcome: "rejected" as const, ms: 1 };
    for (const state of ["failed", "uncertain", "skipped", "canceled"] as const) {
      const [id = ""] = await stored(1, {
        state,
        user: new ObjectId(user),
        reason: "exhausted",
        tries: 6,
        attempts: [attempt],
        expireAt: new Date(Date.now() + 60_000),
      });
      const again = await call(app.url, "POST", `/v1/deliveries/${id}/retry`);
      expect([again.status, again.body.reason, again.body.expires_at], state).toStrictEqual([
        200,
        undefined,
        undefined,
      ]);
      const sent = await eventually(async () => {
        const { body } = await call(app.url, "GET", `/v1/deliveries/${id}`);
        return body.status === "sent" && body;
      }, `${state} to be sent`);
      expect([sent.tries, sent.attempts.length]).toStrictEqual([1, 2]);
      expect(smtp.mails.at(-1)?.messageId).toContain(id);
    }
    for (const state of ["sent", "delivered", "sending"] as const) {
      const [id = ""] = await stored(1, { state });
      const { status, body } = await call(app.url, "POST", `/v1/deliveries/${id}/retry`);
      expect([status, body.code], state).toStrictEqual([409, "delivery_not_retryable"]);
      expect((await deliveries.findOne({ _id: new ObjectId(id) }))?.state).toBe(state);
    }
    expect((await call(app.url, "POST", `/v1/deliveries/${new ObjectId()}/retry`)).status).toBe(404);
    expect(smtp.mails.length).toBe(4);
    await smtp.close();
  });

  test("only one of 20 simultaneous retries succeeds", async () => {
    const app = await startService({ DB_URI: uri, ROLES: "api" });
    const [id = ""] = await stored(1, { state: "failed", reason: "exhausted" });
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => call(app.url, "POST", `/v1/deliveries/${id}/retry`)),
    );
    expect(answers.filter((one) => one.status === 200).length).toBe(1);
    await deliveries.deleteOne({ _id: new ObjectId(id) });
  });

  test("a redrive sends the 300 deliveries that failed in an outage, under the same ids and each once", async () => {
    const offered = new Map<string, Set<string>>();
    let verdict: Verdict = { code: 451, text: "4.3.0 down for today" };
    const smtp = await startSmtp({
      onData({ to, messageId }) {
        offered.set(to, (offered.get(to) ?? new Set()).add(messageId));
        return verdict;
      },
    });
    const own = new URL(uri);
    own.pathname += "_redrive";
    const books = client.db(own.pathname.slice(1));
    try {
      const app = await startService({
        DB_URI: own.href,
        ...smtp.variables,
        MAX_RETRIES: "1",
        RETRY_DELAY_MS: "10",
      });
      const ids = Array.from({ length: 303 }, () => new ObjectId());
      await books
        .collection("users")
        .insertMany(ids.map((_id) => ({ _id, email: `${_id.toHexString()}@receiver.example` })));
      const people = ids.map((id) => id.toHexString());

      const balances: boolean[] = [];
      let watching = true;
      const watch = (async () => {
        while (watching) balances.push((await call(app.url, "GET", "/v1/ledger")).body.balanced);
      })();
      await Promise.all(people.map((user) => create(app.url, user)));
      const total = async () => (await call(app.url, "GET", "/v1/ledger")).body.total;
      await eventually(async () => (await total()).failed === 303, "all to be exhausted");
      const failed = await follow(app.url, "/v1/deliveries?status=failed&reason=exhausted&limit=100");
      expect(failed.length).toBe(303);

      // Meanwhile one address is suppressed, one user has none any more, and one delivery has expired.
      const [bad, gone, late] = ids as [ObjectId, ObjectId, ObjectId];
      const address = `${bad.toHexString()}@receiver.example`;
      await books
        .collection("users")
        .updateOne(
          { _id: bad },
          { $set: { "suppressed.email": { address, reason: "bounced", at: new Date() } } },
        );
      await books.collection("users").updateOne({ _id: gone }, { $unset: { email: 1 } });
      await books.collection("deliveries").updateOne({ user: late }, { $set: { reason: "expired" } });
      verdict = undefined;
      await create(app.url, people[5] as string);
      await eventually(async () => (await total()).sent === 1, "the newest to be sent");

      const redrive = (body: object) =>
        call(app.url, "POST", "/v1/deliveries/redrive", body).then((one) => one.body);
      const left = { suppressed: 1, no_address: 1, expired: 1, changed: 0, already_sent: 1, more: false };
      expect(await redrive({ dry_run: true })).toStrictEqual({ dry_run: true, would_send: 300, ...left });
      expect((await total()).failed).toBe(303);
      expect(await redrive({ user_id: people[9], dry_run: true })).toMatchObject({
        would_send: 1,
        suppressed: 0,
      });
      expect(await redrive({ status: "sent" })).toMatchObject({ redriven: 0, already_sent: 1 });

      const both = await Promise.all([redrive({ type: "new_login" }), redrive({ type: "new_login" })]);
      expect(both.map((one) => one.redriven).reduce((a, b) => a + b)).toBe(300);
      await eventually(async () => (await total()).sent === 301, "all to be sent");
      watching = false;
      await watch;

      expect(await redrive({ dry_run: true })).toMatchObject({ would_send: 0, already_sent: 301 });
      const kept = await call(app.url, "GET", "/v1/deliveries?status=failed");
      expect(kept.body.data.length).toBe(3);
      expect(await books.collection("deliveries").countDocuments()).toBe(304);
      expect(smtp.mails.length).toBe(301);
      // Every attempt of a delivery offered the same Message-ID, the delivery's own.
      const known = new Set(failed);
      for (const [to, messageIds] of offered) {
        expect(messageIds.size).toBe(to.startsWith(people[5] as string) ? 2 : 1);
        if (messageIds.size === 1)
          expect(known).toContain(/<([0-9a-f]{24})@/.exec([...messageIds][0] ?? "")?.[1]);
      }
      const inbox = await call(app.url, "GET", `/list?user_id=${people[7]}`);
      expect(inbox.body.data.elements).toBe(1);
      expect(balances.length).toBeGreaterThan(10);
      expect(balances.filter((balanced) => !balanced)).toStrictEqual([]);
      expect(await total()).toMatchObject({
        accepted: 304,
        sent: 301,
        failed: 3,
        pending: 0,
        balanced: true,
      });

      // The check can fail.
      await books.collection("deliveries").deleteOne({ user: late });
      const short = (await call(app.url, "GET", "/v1/ledger")).body;
      expect([short.balanced, short.channels.email.balanced, short.channels.sms.balanced]).toStrictEqual([
        false,
        false,
        true,
      ]);
    } finally {
      await smtp.close();
      await books.dropDatabase();
    }
  });

  test("a redrive in several calls continues where the previous call ended", async () => {
    const app = await startService({ DB_URI: uri, ROLES: "api" });
    const type = "many";
    const [user] = await someUsers(1);
    for (let i = 0; i < 3; i++)
      await stored(4_000, { type, state: "failed", reason: "exhausted", user: new ObjectId(user) });
    // A call that always began with the newest would never get past them.
    await stored(10_000, { type, state: "failed", reason: "expired", user: new ObjectId(user) });
    const first = await call(app.url, "POST", "/v1/deliveries/redrive", { type });
    expect(first.body).toMatchObject({ redriven: 0, expired: 10_000, more: true });
    const second = await call(app.url, "POST", "/v1/deliveries/redrive", {
      type,
      cursor: first.body.next_cursor,
    });
    expect(second.body).toMatchObject({ redriven: 10_000, expired: 0, more: true });
    const third = await call(app.url, "POST", "/v1/deliveries/redrive", {
      type,
      cursor: second.body.next_cursor,
    });
    expect(third.body).toMatchObject({ redriven: 2_000, more: false });
    expect(await deliveries.countDocuments({ type, state: "pending" })).toBe(12_000);
    await deliveries.deleteMany({ type });
  });
});

describe("ledger and retention", () => {
  test("the ledger counts each channel, no further back than deliveries are kept", async () => {
    const app = await startService({ DB_URI: uri, DELIVERY_RETENTION_DAYS: "2" });
    const { body } = await call(app.url, "GET", "/v1/ledger?from=0");
    expect(Date.parse(body.from)).toBeGreaterThan(Date.now() - 2 * 86_400_000 - 120_000);
    expect(Object.keys(body.channels)).toStrictEqual(["email", "sms", "webhook"]);
    const old = await call(app.url, "GET", "/v1/ledger?from=2020-01-01&to=2020-01-02");
    expect([old.body.total.accepted, old.body.balanced]).toStrictEqual([0, true]);
  });

  test("a finished delivery is removed after DELIVERY_RETENTION_DAYS, one that is retried is not", async () => {
    const app = await startService({ DB_URI: uri, DELIVERY_RETENTION_DAYS: "2" });
    const [user = ""] = await someUsers(1);
    await create(app.url, user);
    const one = await eventually(
      async () => (await call(app.url, "GET", `/v1/deliveries?user_id=${user}&status=sent`)).body.data[0],
      "to be sent",
    );
    const { body } = await call(app.url, "GET", `/v1/deliveries/${one.id}`);
    expect(Date.parse(body.expires_at) - Date.parse(body.updated_at)).toBe(2 * 86_400_000);

    const past = new Date(Date.now() - 60_000);
    const [pending = ""] = await stored(1, { state: "failed", expireAt: new Date(Date.now() + 60_000) });
    await app.close();
    const api = await startService({ DB_URI: uri, ROLES: "api" });
    expect((await call(api.url, "POST", `/v1/deliveries/${pending}/retry`)).status).toBe(200);
    await deliveries.updateOne({ _id: new ObjectId(one.id) }, { $set: { expireAt: past } });
    const admin = client.db("admin");
    await admin.command({ setParameter: 1, ttlMonitorSleepSecs: 1 });
    try {
      await eventually(
        async () => (await call(api.url, "GET", `/v1/deliveries/${one.id}`)).status === 404,
        "to be forgotten",
      );
    } finally {
      await admin.command({ setParameter: 1, ttlMonitorSleepSecs: 60 });
    }
    const kept = await call(api.url, "GET", `/v1/deliveries/${pending}`);
    expect([kept.body.status, kept.body.expires_at]).toStrictEqual(["pending", undefined]);
    await deliveries.deleteOne({ _id: new ObjectId(pending) });
  });
});

test("suppressions of an outage are removed in one call, opt-outs only when the reason names them", async () => {
  const app = await startService({ DB_URI: uri });
  const day = (n: number) => new Date(Date.UTC(2026, 0, n, 12));
  const entry = (n: number, reason = "address") => ({ address: `u${n}@users.example`, reason, at: day(n) });
  const ids = Array.from({ length: 150 }, () => new ObjectId());
  await users.insertMany([
    ...ids.map((_id) => ({ _id, suppressed: { email: entry(10) } })),
    { _id: new ObjectId(), suppressed: { email: entry(9) } },
    { _id: new ObjectId(), suppressed: { email: entry(10, "opt_out"), sms: entry(10) } },
    { _id: new ObjectId(), suppressed: { email: entry(11, "bounced") } },
  ]);
  const remove = (query: string) => call(app.url, "DELETE", `/v1/suppressions?${query}`);
  const left = () => users.countDocuments({ suppressed: { $exists: true } });
  const outage = "channel=email&from=2026-01-10T00:00:00Z&to=2026-01-11T00:00:00Z";
  const shown = await call(app.url, "GET", "/v1/suppressions?reason=bounced&from=2026-01-10T00:00:00Z");
  expect(shown.body.data).toMatchObject([{ reason: "bounced" }]);

  expect((await remove(`${outage}&dry_run=true`)).body).toEqual({
    dry_run: true,
    would_remove: 150,
    more: false,
  });
  expect(await left()).toBe(153);
  expect((await remove(outage)).body).toEqual({ dry_run: false, removed: 150, more: false });
  expect(await left()).toBe(3);
  expect((await remove(outage)).body).toEqual({ dry_run: false, removed: 0, more: false });
  expect((await remove("reason=opt_out")).body).toMatchObject({ removed: 1 });
  expect(await left()).toBe(3);
  expect((await remove("reason=address")).body).toMatchObject({ removed: 2 });
  expect(await left()).toBe(1);

  for (const query of ["", "dry_run=true", "reason=policy", "from=yesterday", "channel=fax"])
    expect((await remove(query)).status, query).toBe(400);
  expect(await left()).toBe(1);
  await users.updateMany({}, { $unset: { suppressed: 1 } });
});

test("suppressed addresses are listed in pages, and a removed one gets messages again", async () => {
  const smtp = await startSmtp({
    onRecipient: (_address, asked) => (asked === 0 ? { code: 550, text: "5.1.1 no such user" } : undefined),
  });
  const app = await startService({ DB_URI: uri, ...smtp.variables });
  const at = new Date("2026-01-02T03:04:05.678Z");
  const entry = (address: string) => ({ address, reason: "opt_out", at });
  const both = { email: entry("a@b.example"), sms: entry("+1") };
  const names = ["ann/lee", "bob", "carol"];
  await users.insertMany(names.map((_id) => ({ _id, suppressed: both })));
  const [user = ""] = await someUsers(1);
  await create(app.url, user);
  const path = `/v1/suppressions?user_id=${user}`;
  const [learnt] = await eventually(
    async () =>
      (await call(app.url, "GET", path)).body.data.length === 1 &&
      (await call(app.url, "GET", path)).body.data,
    "the address to be remembered",
  );
  expect(learnt).toStrictEqual({
    user_id: user,
    channel: "email",
    address: `${user}@receiver.example`,
    reason: "address",
    at: expect.stringMatching(isoTime),
  });

  const all: string[] = [];
  for (let next: string | undefined = "/v1/suppressions?limit=2"; next; ) {
    const page = await call(app.url, "GET", next);
    all.push(
      ...page.body.data.map((one: { user_id: string; channel: string }) => `${one.user_id} ${one.channel}`),
    );
    next = /<(.+)>/.exec(page.headers.get("link") ?? "")?.[1];
  }
  const expected = names.flatMap((name) => [`${name} email`, `${name} sms`]);
  expect(all).toStrictEqual([...expected, `${user} email`]);
  const texts = await call(app.url, "GET", "/v1/suppressions?channel=sms");
  expect(texts.body.data.map((one: { user_id: string }) => one.user_id)).toStrictEqual(names);
  expect((await call(app.url, "GET", "/v1/suppressions?cursor=x")).body.errors[0].pointer).toBe("?cursor");
  expect((await call(app.url, "GET", "/v1/suppressions?channel=fax")).status).toBe(400);

  expect((await call(app.url, "DELETE", "/v1/suppressions/ann%2Flee/sms")).status).toBe(204);
  expect((await call(app.url, "DELETE", "/v1/suppressions/ann%2Flee/sms")).status).toBe(404);
  expect((await call(app.url, "DELETE", "/v1/suppressions/bob/fax")).status).toBe(400);
  expect((await call(app.url, "DELETE", `/v1/suppressions/${user}/email`)).status).toBe(204);
  expect((await call(app.url, "GET", path)).body.data).toStrictEqual([]);
  await create(app.url, user);
  await eventually(
    () => smtp.mails.some((mail) => mail.to === `${user}@receiver.example`),
    "the mail to arrive",
  );
  await smtp.close();
});

test("a provider that serves two channels is shown for each of them", async () => {
  const app = await startService({ DB_URI: uri });
  const { body } = await call(app.url, "GET", "/readyz?verbose");
  expect(body.providers).toStrictEqual({
    email: { capture: { state: "ok" } },
    sms: { capture: { state: "ok" } },
    webhook: { webhook: { state: "ok" } },
  });
  const metrics = await call(app.url, "GET", "/metrics");
  for (const channel of ["email", "sms"])
    expect(metrics.body).toContain(`belfry_provider_available{channel="${channel}",provider="capture"} 1`);
});

test("a provider that refuses our login shows in /readyz?verbose and in the metrics", async () => {
  const smtp = await startSmtp({
    options: {
      authOptional: false,
      allowInsecureAuth: true,
      onAuth: (_auth, _session, done) =>
        done(Object.assign(new Error("5.7.8 wrong password"), { responseCode: 535 })),
    },
  });
  const app = await startService({
    DB_URI: uri,
    ...smtp.variables,
    SMTP_LOGIN: "me",
    SMTP_PASSWORD: "secret-word",
  });
  const [user = ""] = await someUsers(1);
  await create(app.url, user);
  const verbose = await eventually(async () => {
    const { status, body } = await call(app.url, "GET", "/readyz?verbose");
    expect(status).toBe(200);
    return body.providers.email.smtp.state === "paused" && body;
  }, "the provider to rest");
  expect(verbose).toMatchObject({
    status: "ready",
    providers: {
      email: { smtp: { code: expect.stringContaining("535"), until: expect.stringMatching(isoTime) } },
      sms: { capture: { state: "ok" } },
      webhook: { webhook: { state: "ok" } },
    },
  });
  expect(JSON.stringify(verbose)).not.toContain("secret-word");
  expect((await call(app.url, "GET", "/readyz")).body).not.toHaveProperty("providers");
  const metrics = await call(app.url, "GET", "/metrics");
  expect(metrics.body).toContain('belfry_provider_available{channel="email",provider="smtp"} 0');
  expect(metrics.body).toContain('belfry_provider_available{channel="webhook",provider="webhook"} 1');
  await smtp.close();
});
