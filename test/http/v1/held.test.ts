import { MongoClient, ObjectId } from "mongodb";
import { describe, expect, onTestFinished, test } from "vitest";
import { createBelfry } from "../../../src/library.ts";
import { freshDatabase } from "../../support/database.ts";
import { type Answer, call } from "../../support/http.ts";
import { startService } from "../../support/service.ts";
import { startStandalone } from "../../support/standalone.ts";

// A foreign transaction locks a user's document, and the service is asked to change it, with many more requests than a
// pool has connections.

const { uri, client, db } = freshDatabase();
const users = db.collection<{ _id: ObjectId; rev: number; notifications: Array<{ id: string }> }>("users");

const newUser = () => new ObjectId().toHexString();
const storedOf = (user: string) => users.findOne({ _id: new ObjectId(user) });
const revOf = async (user: string) => (await storedOf(user))?.rev as number;

/** Changes their documents, or is about to make them, until it is ended, or the test ends. */
async function hold(...held: string[]) {
  const session = client.startSession();
  onTestFinished(() => session.endSession());
  session.startTransaction();
  for (const user of held)
    await users.updateOne({ _id: new ObjectId(user) }, { $set: { name: "Ada" } }, { session, upsert: true });
  return { commit: () => session.commitTransaction(), abort: () => session.abortTransaction() };
}

async function open() {
  const { url } = await startService({ DB_URI: uri });
  /** Counts the answers that have come. */
  const asked = { answers: 0 };
  async function ask(method: string, path: string, body?: unknown): Promise<Answer> {
    const answer = await call(url, method, path, body);
    asked.answers++;
    return answer;
  }
  return {
    asked,
    ask,
    change: (user: string, id: string, change: string) =>
      ask("POST", `/v1/users/${user}/inbox/${id}/${change}`),
    /** Adds so many items for each user; returns their ids. */
    async fill(count: number, ...recipients: string[]): Promise<string[][]> {
      for (let n = 0; n < count; n++)
        await call(url, "POST", "/v1/notifications", { recipients, type: "new_message" });
      const all = await Promise.all(recipients.map(storedOf));
      return all.map((one) => one?.notifications.map((item) => item.id) ?? []);
    },
    /** Every kind of request for a user who is not locked is answered. */
    async servesOthers(): Promise<void> {
      const user = newUser();
      for (const [method, path, body, status] of [
        ["POST", "/create", { user_id: user, key: "new_message" }, 201],
        ["POST", "/create", { user_id: user, key: "new_login" }, 201],
        ["POST", `/v1/users/${user}/inbox/read-all`, undefined, 200],
        ["PATCH", `/v1/users/${user}`, { locale: "de" }, 200],
        ["PUT", `/v1/users/${newUser()}`, { locale: "de" }, 201],
        ["GET", `/v1/users/${user}/inbox`, undefined, 200],
        ["DELETE", `/v1/users/${user}`, undefined, 204],
      ] as const) {
        const answer = await call(url, method, path, body);
        expect([method, path, answer.status], JSON.stringify(answer.body)).toEqual([method, path, status]);
      }
    },
  };
}

describe("a user whose document is locked by a transaction", () => {
  test.each([["commit"], ["abort"]] as const)(
    "40 changes wait until it ends (%s) and are applied once; other users are answered meanwhile",
    async (end) => {
      const { asked, ask, change, fill, servesOthers } = await open();
      const user = newUser();
      const [ids] = (await fill(40, user)) as [string[]];
      const before = await revOf(user);
      const holder = await hold(user);
      const changes = ids.map((id, n) => change(user, id, n % 2 === 0 ? "read" : "archive"));
      const profile = ask("PATCH", `/v1/users/${user}`, { locale: "de" });
      for (let round = 0; round < 2; round++) await servesOthers();
      expect(asked.answers).toBe(0);
      await holder[end]();

      const answers = await Promise.all(changes);
      expect(answers.map(({ status }) => status)).toEqual(ids.map(() => 200));
      expect(answers.map(({ body }) => body.rev).sort()).toEqual(ids.map((_, n) => before + n + 1));
      expect(answers.map(({ body }) => body.unread).sort((a, b) => b - a)).toEqual(ids.map((_, n) => 39 - n));
      expect(await profile).toMatchObject({ status: 200, body: { locale: "de" } });
      const stored = await storedOf(user);
      expect(stored).toMatchObject({ rev: before + 40, locale: "de" });
      expect(stored).toEqual(
        end === "commit"
          ? expect.objectContaining({ name: "Ada" })
          : expect.not.objectContaining({ name: "Ada" }),
      );
      expect((await ask("GET", `/v1/users/${user}/inbox?archived=true&limit=100`)).body.items).toHaveLength(
        20,
      );
    },
  );

  test.each([
    ["commit", 200],
    ["abort", 201],
  ] as const)(
    "a profile of a user whom the transaction creates (%s) is written afterwards (%i), and other users are answered meanwhile",
    async (end, status) => {
      const { asked, ask, servesOthers } = await open();
      const user = newUser();
      const holder = await hold(user);
      const writes = Array.from({ length: 25 }, (_, n) =>
        ask("PUT", `/v1/users/${user}`, { email: `${n}@receiver.example`, locale: "de" }),
      );
      for (let round = 0; round < 2; round++) await servesOthers();
      expect(asked.answers).toBe(0);
      await holder[end]();
      const answers = await Promise.all(writes);
      expect(answers.map((one) => one.status).sort()).toEqual([...Array(24).fill(200), status].sort());
      expect((await ask("GET", `/v1/users/${user}`)).body.locale).toBe("de");
    },
  );

  test("a lock longer than the time limit answers `database_unavailable` and changes nothing", async () => {
    const { ask, change, fill, servesOthers } = await open();
    const [user, made] = [newUser(), newUser()];
    const [ids] = (await fill(4, user)) as [string[]];
    const suppressed = { email: { address: "a@receiver.example", reason: "address", at: new Date() } };
    await users.updateOne({ _id: new ObjectId(user) }, { $set: { suppressed } });
    const before = await storedOf(user);
    const holder = await hold(user, made);
    const [a, b] = ids as [string, string];
    const refused = [
      change(user, a, "read"),
      change(user, b, "archive"),
      ask("POST", `/read?user_id=${user}&notification_id=${a}`),
      ask("DELETE", `/v1/users/${user}/inbox/${a}`),
      ask("POST", `/v1/users/${user}/inbox/read-all`),
      ask("PATCH", `/v1/users/${user}`, { locale: "de" }),
      ask("PUT", `/v1/users/${made}`, { locale: "de" }),
      ask("DELETE", `/v1/suppressions/${user}/email`),
      ask("DELETE", `/v1/users/${user}`),
    ];
    for (const { status, headers, body } of await Promise.all(refused)) {
      expect([status, headers.get("retry-after")]).toEqual([503, "2"]);
      const { code, message: detail = body.detail } = body.error ?? body;
      expect([code, detail]).toEqual([
        "database_unavailable",
        expect.stringContaining("Nothing was changed"),
      ]);
    }
    await servesOthers();
    await holder.abort();
    expect(await storedOf(user)).toEqual(before);
    expect(await storedOf(made)).toBeNull();
    // A change still in progress would have been applied before this one.
    expect(await change(user, a, "read")).toMatchObject({ status: 200, body: { unread: 3, total: 4 } });
    expect(await storedOf(user)).toMatchObject({ rev: (before?.rev as number) + 1, suppressed });
  });

  test("requests beyond a hundred waiting ones are refused and can be retried", async () => {
    const { asked, change, fill } = await open();
    const user = newUser();
    const [[id]] = (await fill(1, user)) as [[string]];
    const holder = await hold(user);
    const answering = Array.from({ length: 130 }, () => change(user, id, "read"));
    const first = await Promise.race(answering);
    expect([first.status, first.body.code, first.headers.get("retry-after")]).toEqual([
      503,
      "overloaded",
      "2",
    ]);
    await holder.abort();
    const answers = await Promise.all(answering);
    expect(asked.answers).toBe(130);
    expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThanOrEqual(100);
    for (const { status, body } of answers)
      expect([status, body.code]).toEqual(status === 200 ? [200, undefined] : [503, "overloaded"]);
    expect((await change(user, id, "unread")).body.unread).toBe(1);
  });
});

test("60 users locked by one transaction are answered after it, once, and others meanwhile", async () => {
  const { asked, change, fill, servesOthers } = await open();
  const held = Array.from({ length: 60 }, newUser);
  const ids = await fill(1, ...held);
  const before = await Promise.all(held.map(revOf));
  const holder = await hold(...held);
  const changes = held.map((user, n) => change(user, ids[n]?.[0] as string, "read"));
  await servesOthers();
  expect(asked.answers).toBe(0);
  await holder.commit();
  expect((await Promise.all(changes)).map(({ status }) => status)).toEqual(held.map(() => 200));
  expect(await Promise.all(held.map(revOf))).toEqual(before.map((rev) => rev + 1));
});

test("the library, with a pool of its own, behaves the same", async () => {
  const { fill } = await open();
  const [user, other] = [newUser(), newUser()];
  const [ids, [id]] = (await fill(30, user, other)) as [string[], [string]];
  const own = new MongoClient(uri, { maxPoolSize: 20 });
  onTestFinished(() => own.close());
  const belfry = createBelfry({ client: own });
  onTestFinished(() => belfry.close());
  await belfry.ready();
  const holder = await hold(user);
  let answers = 0;
  const changes = ids.map((one) => belfry.inbox.read(user, one).finally(() => answers++));
  for (let round = 0; round < 4; round++) {
    expect(await belfry.inbox.read(other, id)).toMatchObject({ unread: 29 });
    expect(await belfry.inbox.unread(other, id)).toMatchObject({ unread: 30 });
    await belfry.notify({ user: newUser(), type: "new_login" });
  }
  expect(answers).toBe(0);
  await holder.abort();
  expect((await Promise.all(changes)).map(({ unread }) => unread).sort((a, b) => b - a)).toEqual(
    ids.map((_, n) => 29 - n),
  );
});

test("on a standalone server all changes are applied at once", async () => {
  const standalone = await startStandalone();
  onTestFinished(() => standalone.close());
  const { url } = await startService({ DB_URI: standalone.uri });
  const user = newUser();
  expect((await call(url, "PUT", `/v1/users/${user}`, { locale: "de" })).status).toBe(201);
  const created = await call(url, "POST", "/v1/notifications", { recipients: [user], type: "new_message" });
  const path = `/v1/users/${user}/inbox/${created.body.notifications[0].id}`;
  const changes = ["read", "unread", "archive", "unarchive"].map((change) =>
    call(url, "POST", `${path}/${change}`),
  );
  for (const { status } of await Promise.all(changes)) expect(status).toBe(200);
  expect((await call(url, "DELETE", path)).body).toMatchObject({ unread: 0, total: 0 });
  expect((await call(url, "PATCH", `/v1/users/${user}`, { locale: "fr" })).body.locale).toBe("fr");
  expect((await call(url, "DELETE", `/v1/users/${user}`)).status).toBe(204);
  expect((await call(url, "GET", `/v1/users/${user}`)).status).toBe(404);
});
