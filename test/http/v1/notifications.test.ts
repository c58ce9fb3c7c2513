import { randomUUID } from "node:crypto";
import { MongoClient, ObjectId } from "mongodb";
import { describe, expect, onTestFinished, test } from "vitest";
import { keyLeaseMs } from "../../../src/core/idempotency.ts";
import { failCommands, ownDatabase } from "../../support/database.ts";
import { type Answer, call } from "../../support/http.ts";
import { eventually, spawnService, startService } from "../../support/service.ts";
import { startSmtp } from "../../support/smtp.ts";
import { startStandalone } from "../../support/standalone.ts";

const { uri, client, db } = await ownDatabase();
const users = db.collection<{ _id: ObjectId | string; notifications?: Array<{ id: string; title: string }> }>(
  "users",
);
const deliveries = db.collection("deliveries");
const keys = db.collection<{ _id: string; ids: ObjectId[]; lease?: object; failures?: object[] }>(
  "idempotency",
);
const untilOf = (key: { lease?: { until?: Date } } | null) => key?.lease?.until?.getTime() ?? 0;

const newUser = () => new ObjectId().toHexString();
const people = (count: number) => Array.from({ length: count }, newUser);
const post = (url: string, body: unknown, headers?: Record<string, string>) =>
  call(url, "POST", "/v1/notifications", body, headers);
const withKey = (key: string = randomUUID()) => ({ "idempotency-key": key });
const good = { type: "new_message", title: "hello" };

/** The items in these users' inboxes, in no order. */
async function itemsOf(recipients: string[]) {
  const found = await users.find({ _id: { $in: recipients.map((id) => new ObjectId(id)) } }).toArray();
  return found.flatMap((user) => user.notifications ?? []);
}

function refused(
  { status, body, headers }: Answer,
  expected: { status?: number; code?: string; pointers?: string[] },
) {
  const { status: wanted = 400, code = "invalid_request", pointers = [] } = expected;
  expect([status, body.code], JSON.stringify(body)).toStrictEqual([wanted, code]);
  expect(headers.get("content-type")).toMatch("application/problem+json");
  expect([...new Set((body.errors ?? []).map((one: { pointer: string }) => one.pointer))]).toStrictEqual(
    pointers,
  );
}

describe("one notification for many users", () => {
  test("reaches 1,000 users, each with an id of its own, and answers in their order", async () => {
    const { url } = await startService({ DB_URI: uri });
    const recipients = people(1_000);
    const { status, body } = await post(url, { ...good, recipients });
    expect(status).toBe(201);
    expect(body.notifications.map((one: { user_id: string }) => one.user_id)).toStrictEqual(recipients);
    const ids = body.notifications.map((one: { id: string }) => one.id);
    expect(new Set(ids).size).toBe(1_000);
    const items = await itemsOf(recipients);
    expect(items.map((item) => item.id).sort()).toStrictEqual(ids.toSorted());
    expect(new Set(items.map((item) => item.title))).toStrictEqual(new Set(["hello"]));
  });

  test("takes 1,000 ids of 128 characters of four bytes", async () => {
    const { url } = await startService({ DB_URI: uri });
    const recipients = Array.from({ length: 1_000 }, (_, n) => "😀".repeat(125) + String(n).padStart(3, "0"));
    expect((await post(url, { ...good, recipients })).status).toBe(201);
    expect(await users.countDocuments({ _id: { $in: recipients } })).toBe(1_000);
    const larger = await post(url, { ...good, recipients, body: "x".repeat(1024 * 1024) });
    refused(larger, { status: 413, code: "payload_too_large" });
    expect(larger.body.detail).toContain("1 MiB");
  });

  test("uses the request's channels instead of the type's", async () => {
    const smtp = await startSmtp();
    onTestFinished(() => smtp.close());
    const { url } = await startService({ DB_URI: uri, EMAIL: "team@receiver.example", ...smtp.variables });
    const [first = "", second = ""] = people(2);
    const { body } = await post(url, { type: "new_login", recipients: [first], channels: ["email"] });
    const [sent] = await eventually(
      async () => smtp.mails.length === 1 && (await deliveries.find({ user: new ObjectId(first) }).toArray()),
      "the mail",
    );
    expect([sent?.channel, sent?.notification.toHexString()]).toStrictEqual([
      "email",
      body.notifications[0].id,
    ]);
    expect(await itemsOf([first])).toStrictEqual([]);
    await post(url, { type: "new_login", recipients: [second], channels: ["inbox"] });
    expect(await itemsOf([second])).toHaveLength(1);
    expect(await deliveries.countDocuments({ user: new ObjectId(second) })).toBe(0);
  });

  test("returns the result of each recipient; when all fail for the same reason, the answer is that error", async () => {
    const { url } = await startService({ DB_URI: uri });
    const [full = "", odd = "", fine = ""] = people(3);
    await users.insertMany(
      [full, odd].map((id) => ({ _id: new ObjectId(id), notifications: "no list" as unknown as [] })),
    );
    const some = await post(url, { ...good, recipients: [full, fine, odd] });
    expect(some.status).toBe(207);
    const conflict = { code: "user_document_conflict", message: expect.stringMatching(/./) };
    expect(some.body).toStrictEqual({
      notifications: [
        { user_id: full, error: conflict },
        { user_id: fine, id: expect.stringMatching(/^[0-9a-f]{24}$/) },
        { user_id: odd, error: conflict },
      ],
    });
    refused(await post(url, { ...good, recipients: [full, odd] }), {
      status: 409,
      code: "user_document_conflict",
    });
  });

  test("is refused as a whole before anything is stored, with a pointer to the wrong field", async () => {
    const { url } = await startService({ DB_URI: uri });
    const [one = "", two = ""] = people(2);
    const recipients = [one, two];
    const before = await users.countDocuments();
    for (const [body, pointers] of [
      [{ recipients: [] }, ["/recipients"]],
      [{ recipients: people(1_001) }, ["/recipients"]],
      [{ recipients: undefined }, ["/recipients"]],
      [{ recipients: one }, ["/recipients"]],
      [{ recipients: [one, 7] }, ["/recipients/1"]],
      [{ recipients: [one, ""] }, ["/recipients/1"]],
      [{ recipients: [one, "\ud800"] }, ["/recipients/1"]],
      [{ type: "no such type" }, ["/type"]],
      [{ type: undefined }, ["/type"]],
      [{ title: "x".repeat(1_001) }, ["/title"]],
      [{ title: "\ud800" }, ["/title"]],
      [{ body: "x".repeat(16_385) }, ["/body"]],
      [{ data: [] }, ["/data"]],
      [{ data: { a: "x".repeat(9_000) } }, ["/data"]],
      [{ data: { a: { _bsontype: 1 } } }, ["/data/a/_bsontype"]],
      [{ target_id: "12" }, ["/target_id"]],
      [{ channels: [] }, ["/channels"]],
      [{ channels: ["email", "email"] }, ["/channels"]],
      [{ channels: ["pigeon"] }, ["/channels/0"]],
      [{ user_id: one }, ["/user_id"]],
    ] as const)
      refused(await post(url, { ...good, recipients, ...body }, withKey()), { pointers: [...pointers] });
    const deep = `{"recipients":["${one}"],"type":"new_message","data":{"a":${"[".repeat(20_000)}${"]".repeat(20_000)}}}`;
    refused(await post(url, deep, withKey()), { pointers: [`/data/a${"/0".repeat(31)}`] });
    refused(
      await post(url, `{"recipients":["${one}"],"type":"new_message","data":{"__proto__":1}}`, withKey()),
      {
        pointers: ["/data/__proto__"],
      },
    );
    expect(await users.countDocuments()).toBe(before);
    expect(await keys.countDocuments({ ids: { $size: 2 } })).toBe(0);
  });

  test("names both positions of a recipient who is listed twice, also in another spelling", async () => {
    const { url } = await startService({ DB_URI: uri });
    const [one = "", two = ""] = people(2);
    const answer = await post(url, { ...good, recipients: ["alex", one, two, one.toUpperCase(), "alex"] });
    refused(answer, { pointers: ["/recipients/3", "/recipients/4"] });
    expect(answer.body.errors.map((error: { detail: string }) => error.detail)).toStrictEqual([
      "is the same user as recipients[1]",
      "is the same user as recipients[0]",
    ]);
  });

  test("is refused as a whole with Retry-After when the commit queue is full", async () => {
    const { url } = await startService({ DB_URI: uri, COMMIT_QUEUE_LIMIT: "20" });
    // A transaction locks a document that every commit needs, one for each of the two commits that may be in progress.
    // Ids that are made today do not begin with f.
    const held = ["0", "1"].map((end) => `f${newUser().slice(1, 23)}${end}`);
    const session = client.startSession();
    onTestFinished(() => session.endSession());
    session.startTransaction();
    await users.insertMany(
      held.map((id) => ({ _id: new ObjectId(id) })),
      { session },
    );
    const groups = Array.from({ length: 30 }, () => people(10));
    let turnedAway = 0;
    const answering = groups.map(async (group) => {
      const answer = await post(url, { ...good, recipients: [...held, ...group] }, withKey());
      if (answer.status === 503) turnedAway++;
      return answer;
    });
    await eventually(() => turnedAway > 0, "some to be turned away");
    await session.abortTransaction();
    for (const [index, { status, body, headers }] of (await Promise.all(answering)).entries()) {
      expect([201, 503], JSON.stringify(body)).toContain(status);
      expect(await itemsOf(groups[index] as string[])).toHaveLength(status === 201 ? 10 : 0);
      if (status === 503) expect([body.code, headers.get("retry-after")]).toStrictEqual(["overloaded", "2"]);
    }
  });
});

describe("an Idempotency-Key", () => {
  test("gives an equal request the same answer with Idempotent-Replayed, in any order of fields", async () => {
    const { url } = await startService({ DB_URI: uri });
    const recipients = people(3);
    const headers = withKey();
    const body = { ...good, recipients, data: { a: 1, b: [{ c: 2, d: 3 }] } };
    const first = await post(url, body, headers);
    expect([first.status, first.headers.get("idempotent-replayed")]).toStrictEqual([201, null]);
    const same = { data: { b: [{ d: 3, c: 2 }], a: 1 }, recipients, title: "hello", type: "new_message" };
    for (const [again, key] of [
      [body, headers["idempotency-key"]],
      [same, `"${headers["idempotency-key"]}"`],
    ] as const) {
      const answer = await post(url, again, withKey(key));
      expect([answer.status, answer.body]).toStrictEqual([201, first.body]);
      expect(answer.headers.get("idempotent-replayed")).toBe("true");
    }
    expect(await itemsOf(recipients)).toHaveLength(3);
    const [one = ""] = people(1);
    for (const other of [
      { ...body, title: "other" },
      { ...body, recipients: recipients.toReversed() },
      { ...body, recipients: [one] },
      { ...body, channels: ["inbox"] },
      { ...body, data: { a: 1, b: [{ c: 2, d: "3" }] } },
    ])
      refused(await post(url, other, headers), { status: 422, code: "idempotency_mismatch" });
    expect(await itemsOf([...recipients, one])).toHaveLength(3);
  });

  test("also stores a partial answer and a refusal that the document caused", async () => {
    const { url } = await startService({ DB_URI: uri });
    const [full = "", fine = ""] = people(2);
    await users.insertOne({ _id: new ObjectId(full), notifications: "no list" as unknown as [] });
    for (const recipients of [[full, fine], [full]]) {
      const headers = withKey();
      const first = await post(url, { ...good, recipients }, headers);
      expect([207, 409]).toContain(first.status);
      const again = await post(url, { ...good, recipients }, headers);
      expect([again.status, again.body]).toStrictEqual([first.status, first.body]);
      expect(again.headers.get("idempotent-replayed")).toBe("true");
    }
    expect(await itemsOf([fine])).toHaveLength(1);
  });

  test("20 keys in 50 requests each make 20 notifications; every answer has these ids or says to wait", async () => {
    const smtp = await startSmtp();
    onTestFinished(() => smtp.close());
    const services = await Promise.all([
      startService({ DB_URI: uri, EMAIL: "team@receiver.example", ...smtp.variables }),
      startService({ DB_URI: uri, EMAIL: "team@receiver.example", ...smtp.variables }),
    ]);
    const requests = Array.from({ length: 20 }, (_, n) => ({
      headers: withKey(),
      body: { type: n % 2 ? "new_login" : "new_message", title: `key ${n}`, recipients: people(2) },
    }));
    const answers = await Promise.all(
      requests.flatMap(({ body, headers }) =>
        Array.from({ length: 50 }, (_, n) => post(services[n % 2]!.url, body, headers)),
      ),
    );
    for (const [n, { body, headers }] of requests.entries()) {
      const mine = answers.slice(n * 50, n * 50 + 50);
      const waiting = mine.filter(({ status }) => status === 409);
      for (const one of waiting) {
        expect(one.body.code).toBe("idempotency_in_progress");
        expect(Number(one.headers.get("retry-after"))).toBeGreaterThan(0);
      }
      const told = mine.filter(({ status }) => status === 201);
      expect(told.length + waiting.length).toBe(50);
      expect(told.filter((one) => one.headers.get("idempotent-replayed") === null)).toHaveLength(1);
      const [ids] = [...new Set(told.map((one) => JSON.stringify(one.body)))].map((text) => JSON.parse(text));
      for (const one of told) expect(one.body).toStrictEqual(ids);
      expect((await post(services[0]!.url, body, headers)).body).toStrictEqual(ids);
      const items = await itemsOf(body.recipients);
      expect(items.map((item) => item.id).sort()).toStrictEqual(
        ids.notifications.map((one: { id: string }) => one.id).sort(),
      );
      const _ids = items.map((item) => new ObjectId(item.id));
      expect(await deliveries.countDocuments({ notification: { $in: _ids } })).toBe(n % 2 ? 2 : 0);
    }
    await eventually(() => smtp.mails.length >= 20, "the mails");
    expect(smtp.mails).toHaveLength(20);
  });

  test("belongs to its API key: another API key may use the same one", async () => {
    const [ours, theirs] = ["a".repeat(16), "b".repeat(16)];
    const { url } = await startService({ DB_URI: uri, API_KEYS: `${ours},${theirs}` });
    const headers = withKey();
    const body = { ...good, recipients: people(1) };
    const as = (key: string) => post(url, body, { ...headers, authorization: `Bearer ${key}` });
    const [first, second] = [await as(ours), await as(theirs)];
    expect([first.status, second.status]).toStrictEqual([201, 201]);
    expect(second.headers.get("idempotent-replayed")).toBeNull();
    expect(second.body).not.toStrictEqual(first.body);
    expect((await as(ours)).body).toStrictEqual(first.body);
    expect((await as(theirs)).body).toStrictEqual(second.body);
    expect(await itemsOf(body.recipients)).toHaveLength(2);
    expect((await post(url, body, headers)).status).toBe(401);
    // Neither of them can be read from the database.
    const stored = JSON.stringify(await keys.find().toArray());
    for (const text of [ours, theirs, headers["idempotency-key"], ...body.recipients])
      expect(stored).not.toContain(text);
  });

  test.each([
    ["of 300 characters", "k".repeat(300)],
    ["of 256 characters in quotes", `"${"k".repeat(256)}"`],
    ["that is empty", ""],
    ["that is empty in quotes", '""'],
    ["with a quote that does not close", '"abc'],
    ["with something behind it", '"abc";a=1'],
    ["with a blank", "a b"],
    ["with a tab", "a\tb"],
    ["with an umlaut", "schlüssel"],
    ["with a wrong escape", '"a\\b"'],
  ])("%s is refused", async (_what, key) => {
    const { url } = await startService({ DB_URI: uri });
    const recipients = people(1);
    refused(await post(url, { ...good, recipients }, withKey(key)), { pointers: ["Idempotency-Key"] });
    expect(await itemsOf(recipients)).toStrictEqual([]);
  });

  test.each([
    ["255 characters", "k".repeat(255), "k".repeat(255)],
    ["255 characters in quotes", `"${"k".repeat(255)}"`, "k".repeat(255)],
    ["escapes", '"a\\"b\\\\c d"', '"a\\"b\\\\c d"'],
  ])("%s are accepted", async (_what, key, same) => {
    const { url } = await startService({ DB_URI: uri });
    const body = { ...good, recipients: people(1) };
    expect((await post(url, body, withKey(key))).status).toBe(201);
    expect((await post(url, body, withKey(same))).headers.get("idempotent-replayed")).toBe("true");
    await keys.deleteMany({});
  });

  test.each([
    ["the key", "insert", keys.namespace],
    ["the notifications", "update", users.namespace],
  ])(
    "is not used up when MongoDB could not store %s: the same request stores them once",
    async (_what, command, namespace) => {
      const { url } = await startService({ DB_URI: uri, ROLES: "api" });
      const recipients = people(5);
      const headers = withKey();
      const body = { ...good, type: "new_login", recipients };
      // Error 50 (MaxTimeMSExpired) is not transient, so the service does not retry the commit.
      const heal = await failCommands(client, "alwaysOn", {
        failCommands: [command],
        errorCode: 50,
        appName: "belfry",
        namespace,
      });
      onTestFinished(heal);
      refused(await post(url, body, headers), { status: 503, code: "database_unavailable" });
      await heal();
      expect(await itemsOf(recipients)).toStrictEqual([]);
      const stored = await post(url, body, headers);
      expect([stored.status, stored.headers.get("idempotent-replayed")]).toStrictEqual([201, null]);
      expect(await itemsOf(recipients)).toHaveLength(5);
      const notification = {
        $in: stored.body.notifications.map((one: { id: string }) => new ObjectId(one.id)),
      };
      expect(await deliveries.countDocuments({ notification })).toBe(5);
      expect((await post(url, body, headers)).body).toStrictEqual(stored.body);
    },
  );

  test("on a standalone server a request that ended before its items gets them, and nothing twice", async () => {
    const standalone = await startStandalone();
    onTestFinished(() => standalone.close());
    const own = new MongoClient(standalone.uri);
    onTestFinished(() => own.close());
    const { url } = await startService({ DB_URI: standalone.uri, ROLES: "api" });
    const recipients = people(3);
    const headers = withKey();
    const body = { ...good, type: "new_login", recipients };
    const first = await post(url, body, headers);
    expect(first.status).toBe(201);
    const inbox = own.db().collection("users");
    const [lost] = recipients.map((id) => ({ _id: new ObjectId(id) }));
    await inbox.updateOne(lost as object, { $set: { notifications: [] } });
    const unanswered = { lease: { token: new ObjectId(), until: new Date(0) } };
    await own
      .db()
      .collection("idempotency")
      .updateMany({}, { $unset: { failures: 1 }, $set: unanswered });
    const again = await post(url, body, headers);
    expect([again.status, again.body]).toStrictEqual([201, first.body]);
    const found = await inbox.find().toArray();
    expect(found.map((user) => user.notifications.length)).toStrictEqual([1, 1, 1]);
    expect(await own.db().collection("deliveries").countDocuments()).toBe(3);
  });

  test("keeps its lease while its request is in progress", async () => {
    const { url } = await startService({ DB_URI: uri });
    const [locked = ""] = people(1);
    const session = client.startSession();
    onTestFinished(() => session.endSession());
    session.startTransaction();
    await users.insertOne({ _id: new ObjectId(locked) }, { session });
    const answer = post(url, { ...good, title: "held", recipients: [locked] }, withKey());
    const begun = () => keys.findOne({ lease: { $exists: true } }, { sort: { expireAt: -1 } });
    const first = await eventually(async () => (await begun()) ?? false, "it to begin");
    await eventually(async () => {
      const now = await keys.findOne({ _id: first._id });
      return untilOf(now) > untilOf(first);
    }, "the lease to last longer");
    await session.abortTransaction();
    expect((await answer).status).toBe(201);
  });

  test("after a kill before the commit the equal request is stored once, under the first ids", async () => {
    const service = await spawnService({ DB_URI: uri, EMAIL: "team@receiver.example" });
    const recipients = people(3);
    const headers = withKey();
    const body = { type: "new_login", title: "killed early", recipients };
    // A transaction locks one of the documents, so that the commit cannot finish.
    const session = client.startSession();
    onTestFinished(() => session.endSession());
    session.startTransaction();
    await users.insertOne({ _id: new ObjectId(recipients[1]) }, { session });
    const unanswered = post(service.url, body, headers).catch(() => "no answer");
    const [begun] = await eventually(async () => {
      const found = await keys.find({ ids: { $size: 3 }, lease: { $exists: true } }).toArray();
      return found.length > 0 && found;
    }, "it to begin");
    service.kill("SIGKILL");
    await service.ended;
    await session.abortTransaction();
    expect(await unanswered).toBe("no answer");

    const next = await startService({ DB_URI: uri, EMAIL: "team@receiver.example" });
    refused(await post(next.url, body, headers), { status: 409, code: "idempotency_in_progress" });
    const answer = await eventually(
      async () => {
        const tried = await post(next.url, body, headers);
        return tried.status === 201 && tried;
      },
      "its lease to run out",
      keyLeaseMs / 1000 + 10,
    );
    const ids = (begun?.ids ?? []).map((id) => id.toHexString());
    expect(answer.body.notifications).toStrictEqual(
      recipients.map((user_id, n) => ({ user_id, id: ids[n] })),
    );
    expect((await itemsOf(recipients)).map((item) => item.id).sort()).toStrictEqual(ids.toSorted());
    expect(await deliveries.countDocuments({ notification: { $in: begun?.ids ?? [] } })).toBe(3);
    expect((await post(next.url, body, headers)).headers.get("idempotent-replayed")).toBe("true");
  });

  test("after a crash between commit and answer the equal request gets the same answer, and a removed item stays removed", async () => {
    const { url } = await startService({ DB_URI: uri });
    const recipients = people(4);
    const headers = withKey();
    const first = await post(url, { ...good, recipients }, headers);
    const [removed] = first.body.notifications;
    await call(url, "DELETE", `/v1/users/${removed.user_id}/inbox/${removed.id}`);
    // The key as a process leaves it when it ends before it stores the answer.
    const { modifiedCount } = await keys.updateOne(
      { ids: new ObjectId(removed.id as string) },
      { $unset: { failures: 1 }, $set: { lease: { token: new ObjectId(), until: new Date(0) } } },
    );
    expect(modifiedCount).toBe(1);
    const again = await post(url, { ...good, recipients }, headers);
    expect([again.status, again.body]).toStrictEqual([201, first.body]);
    expect(await itemsOf(recipients)).toHaveLength(3);
    expect((await post(url, { ...good, recipients }, headers)).headers.get("idempotent-replayed")).toBe(
      "true",
    );
  });

  test("with two kills, while 6 callers repeat each request until it is answered, each is stored once", async () => {
    const settings = { DB_URI: uri, EMAIL: "team@receiver.example" };
    let service = await spawnService(settings);
    let stopped = false;
    const asked: Array<{ n: number; recipients: string[]; answer: Answer["body"] }> = [];
    let next = 0;
    async function caller(): Promise<void> {
      while (!stopped) {
        const n = next++;
        const recipients = people(3);
        const headers = withKey();
        const body = { type: n % 2 ? "new_login" : "new_message", title: `n=${n}`, recipients };
        const answer = await eventually(
          async () => {
            const tried = await post(service.url, body, headers).catch(() => undefined);
            if (tried && ![201, 409, 503].includes(tried.status)) throw new Error(JSON.stringify(tried.body));
            return tried?.status === 201 && tried.body;
          },
          "an answer",
          60,
        );
        asked.push({ n, recipients, answer });
      }
    }
    const callers = Array.from({ length: 6 }, caller);
    for (let kill = 1; kill <= 2; kill++) {
      const enough = asked.length + 40;
      await eventually(() => asked.length >= enough, "40 more to be answered", 60);
      service.kill("SIGKILL");
      await service.ended;
      service = await spawnService(settings);
    }
    stopped = true;
    await Promise.all(callers);

    expect(asked.length).toBeGreaterThanOrEqual(80);
    for (const { n, recipients, answer } of asked) {
      const ids = answer.notifications.map((one: { id: string }) => one.id);
      const items = await itemsOf(recipients);
      expect(items.map((item) => item.id).sort(), `n=${n}`).toStrictEqual(ids.toSorted());
      const notification = { $in: ids.map((id: string) => new ObjectId(id)) };
      expect(await deliveries.countDocuments({ notification }), `n=${n}`).toBe(n % 2 ? 3 : 0);
    }
    const { body: ledger } = await call(service.url, "GET", "/v1/ledger");
    expect(ledger).toMatchObject({ balanced: true });
  }, 240_000);
});
