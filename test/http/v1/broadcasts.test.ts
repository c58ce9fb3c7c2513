import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ObjectId } from "mongodb";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { freshDatabase } from "../../support/database.ts";
import { call } from "../../support/http.ts";
import { eventually, startService } from "../../support/service.ts";

const { uri, db } = freshDatabase();
const users = db.collection<{ _id: string | ObjectId; [field: string]: unknown }>("users");
const deliveries = db.collection("deliveries");
const jobs = db.collection("jobs");
const folder = mkdtempSync(join(tmpdir(), "belfry-broadcasts-"));
afterAll(() => rmSync(folder, { recursive: true }));
const file = join(folder, "types.json");
writeFileSync(
  file,
  JSON.stringify({
    news: { inbox: true, channels: { email: { subject: "{{ title }}", after: "1d" } } },
    quiet: { inbox: true, channels: {} },
  }),
);
const variables = { DB_URI: uri, NOTIFICATION_TYPES_FILE: file, EMAIL: "" };

let url = "";
beforeEach(async () => {
  for (const name of ["users", "deliveries", "jobs", "topics", "subscriptions", "ledger"])
    await db.collection(name).deleteMany({});
  ({ url } = await startService(variables));
});

const ask = (method: string, path: string, body?: unknown) => call(url, method, path, body);
const notification = { type: "news", title: "Hello", topic: "news" };
const people = (count: number) =>
  Array.from({ length: count }, (_, at) => `user ${String(at).padStart(6, "0")}`);
const addUsers = (ids: string[], more: (at: number) => object = () => ({})) =>
  users.insertMany(ids.map((_id, at) => ({ _id, email: "a@example.com", ...more(at) })));
async function addTopic(key: string, subscribers: string[]) {
  await ask("PUT", `/v1/topics/${key}`, {});
  for (let at = 0; at < subscribers.length; at += 1_000)
    await ask("POST", `/v1/topics/${key}/subscribers`, { add: subscribers.slice(at, at + 1_000) });
}
const begin = async (body: object) => {
  const { status, body: made } = await ask("POST", "/v1/broadcasts", { notification, ...body });
  expect(status, JSON.stringify(made)).toBe(201);
  return made.id as string;
};
const show = async (id: string) => (await ask("GET", `/v1/broadcasts/${id}`)).body;
async function ended(id: string) {
  let found = await show(id);
  await eventually(async () => {
    found = await show(id);
    return !["scheduled", "running"].includes(found.status);
  }, "the broadcast ends");
  return found;
}
/** How many users have how many items and deliveries. */
async function told() {
  const counts = { once: 0, never: 0, often: 0 };
  for await (const one of users.find({})) {
    const items = (one.notifications as unknown[] | undefined)?.length ?? 0;
    const sent = await deliveries.countDocuments({ user: one._id });
    counts[items === 1 && sent === 1 ? "once" : items === 0 && sent === 0 ? "never" : "often"]++;
  }
  return counts;
}

describe("an audience", () => {
  test("all users, but for the actor, get the notification once, and the ledger balances", async () => {
    const hex = new ObjectId();
    await addUsers(people(1_204));
    await users.insertOne({ _id: hex, email: "b@example.com" });
    const id = await begin({ to: { all: true }, actor_id: "user 000007" });
    expect(await ended(id)).toMatchObject({
      status: "done",
      total: 1_204,
      notified: 1_204,
      failed: 0,
      to: { all: true },
      type: "news",
      actor_id: "user 000007",
    });
    expect(await told()).toStrictEqual({ once: 1_204, never: 1, often: 0 });
    expect(await deliveries.countDocuments({ bulk: true, state: "pending" })).toBe(1_204);
    const { body: ledger } = await ask("GET", "/v1/ledger");
    expect([ledger.total.accepted, ledger.balanced]).toStrictEqual([1_204, true]);
    const { body: inbox } = await ask("GET", `/v1/users/${hex.toHexString()}/inbox`);
    expect(inbox.items).toMatchObject([{ title: "Hello", topic: "news" }]);
  });

  test("the subscribers of a topic, those who muted it left out by the preference", async () => {
    const subscribers = people(30);
    await addUsers(people(40));
    await addTopic("news", subscribers);
    await ask("PATCH", "/v1/users/user%20000003/preferences", { topics: { news: false } });
    const id = await begin({ to: { topic: "news" } });
    expect(await ended(id)).toMatchObject({ status: "done", total: 30, notified: 30 });
    expect((await users.findOne({ _id: "user 000003" }))?.notifications ?? []).toStrictEqual([]);
    expect((await users.findOne({ _id: "user 000004" }))?.notifications).toHaveLength(1);
    expect((await users.findOne({ _id: "user 000035" }))?.notifications).toBeUndefined();
  });

  test("users whose documents have the values, and users who are named", async () => {
    await addUsers(people(60), (at) => ({
      plan: at % 2 ? "pro" : "free",
      address: { country: ["de", "at", "ch"][at % 3] },
    }));
    const filter = { plan: "pro", "address.country": ["de", "at"] };
    const filtered = await ended(await begin({ to: { filter } }));
    expect(filtered).toMatchObject({ total: 20, notified: 20, to: { filter } });
    const named = await ended(await begin({ to: { users: ["user 000001", "nobody yet"] } }));
    expect(named).toMatchObject({ total: 2, notified: 2, to: { users: 2 } });
    expect((await users.findOne({ _id: "nobody yet" }))?.notifications).toHaveLength(1);
  });

  test("nobody: the broadcast is done, and says so", async () => {
    await addTopic("empty", []);
    for (const to of [{ topic: "empty" }, { filter: { plan: "none" } }, { users: [] }, { all: true }])
      expect(await ended(await begin({ to })), JSON.stringify(to)).toMatchObject({
        status: "done",
        total: 0,
        notified: 0,
        message: "Nobody was notified: the audience had no users.",
      });
  });

  test("users whose documents cannot be changed are counted, and the others get it", async () => {
    await addUsers(people(20), (at) => (at === 5 ? { notifications: "a foreign field" } : {}));
    expect(await ended(await begin({ to: { all: true } }))).toMatchObject({
      status: "done",
      notified: 19,
      failed: 1,
      message: expect.stringContaining("document cannot be changed"),
    });
  });
});

test("a preview counts, shows the first 20 and why they would not get it, and writes nothing", async () => {
  await addUsers(people(50));
  await ask("PATCH", "/v1/users/user%20000001/preferences", { topics: { news: false } });
  const preview = await ask("POST", "/v1/broadcasts?dry_run=true", { notification, to: { all: true } });
  expect([preview.status, preview.body.total, preview.body.notifications.length]).toStrictEqual([
    200, 50, 20,
  ]);
  expect(preview.body.notifications.slice(0, 2)).toMatchObject([
    {
      user_id: "user 000000",
      channels: [
        { channel: "inbox", verdict: "send" },
        { channel: "email", verdict: "send" },
      ],
    },
    {
      user_id: "user 000001",
      channels: [{ verdict: "skip", rule: "preference:topics.news" }, { verdict: "skip" }],
    },
  ]);
  expect(await jobs.countDocuments()).toBe(0);
  expect(await told()).toStrictEqual({ once: 0, never: 50, often: 0 });
});

describe("bad input", () => {
  test.each<[string, object, string, RegExp]>([
    ["no audience", { to: {} }, "/to", /exactly one of topic/],
    ["two audiences", { to: { all: true, users: ["a"] } }, "/to", /exactly one of topic/],
    ["all: false", { to: { all: false } }, "/to", /exactly one of topic/],
    ["an unknown topic", { to: { topic: "none" } }, "/to/topic", /is not a topic/],
    ["a user twice", { to: { users: ["a", "b", "a"] } }, "/to/users/2", /same user/],
    ["an empty filter", { to: { filter: {} } }, "/to/filter", /1 to 10 fields/],
    ["$where", { to: { filter: { $where: "true" } } }, "/to/filter/$where", /is an operator/],
    ["a nested $where", { to: { filter: { "a.$where": "x" } } }, "/to/filter/a.$where", /is an operator/],
    ["an operator", { to: { filter: { seats: { $gt: 1 } } } }, "/to/filter/seats", /there are no operators/],
    ["a null", { to: { filter: { plan: null } } }, "/to/filter/plan", /must be a text/],
    ["an empty list", { to: { filter: { plan: [] } } }, "/to/filter/plan", /list of 1 to 100/],
    ["a list in a list", { to: { filter: { plan: [["a"]] } } }, "/to/filter/plan", /must be a text/],
    [
      "a field of ours",
      { to: { filter: { "notifications.id": "x" } } },
      "/to/filter/notifications.id",
      /Belfry's own/,
    ],
    ["_id", { to: { filter: { _id: "x" } } }, "/to/filter/_id", /Belfry's own/],
    [
      "an empty part of a name",
      { to: { filter: { "a..b": 1 } } },
      "/to/filter/a..b",
      /not the name of a field/,
    ],
    [
      "a type that is gone",
      { notification: { type: "gone" }, to: { all: true } },
      "/notification/type",
      /must be one of/,
    ],
    [
      "data that the rules refuse",
      { notification: { type: "news", channels: { email: { unless: "read" } } }, to: { all: true } },
      "/notification/channels/email/unless",
      /needs an inbox item/,
    ],
    ["an unknown field", { to: { all: true }, topic: "x" }, "/topic", /is not a field of this request/],
  ])("%s: told with its pointer, and nothing is stored", async (_what, body, pointer, detail) => {
    const { status, body: problem } = await ask("POST", "/v1/broadcasts", { notification, ...body });
    expect(status, JSON.stringify(problem)).toBe(400);
    expect(problem.errors).toContainEqual({ pointer, detail: expect.stringMatching(detail) });
    expect(await jobs.countDocuments()).toBe(0);
  });

  test("every problem is told at once", async () => {
    const { body } = await ask("POST", "/v1/broadcasts", {
      notification: { type: "news", channels: { email: { unless: "read" } } },
      to: { filter: { $or: [], plan: {} } },
    });
    expect(body.errors.map((one: { pointer: string }) => one.pointer)).toStrictEqual([
      "/notification/channels/email/unless",
      "/to/filter/$or",
      "/to/filter/plan",
    ]);
  });

  test("10,001 users, and a body over 2 MiB, are refused", async () => {
    const many = await ask("POST", "/v1/broadcasts", { notification, to: { users: people(10_001) } });
    expect([many.status, many.body.errors[0].pointer]).toStrictEqual([400, "/to/users"]);
    const large = await ask("POST", "/v1/broadcasts", {
      notification,
      to: { users: ["x".repeat(2_200_000)] },
    });
    expect([large.status, large.body.detail]).toStrictEqual([413, "The body is over 2 MiB."]);
  });

  test("an id of another job, and an unknown one, are 404", async () => {
    for (const path of [new ObjectId().toHexString(), `${new ObjectId().toHexString()}/pause`])
      expect((await ask(path.includes("/") ? "POST" : "GET", `/v1/broadcasts/${path}`)).status).toBe(404);
  });
});

describe("a key", () => {
  test("twice at once makes one broadcast, in two instances, too", async () => {
    await addUsers(people(10));
    const second = await startService(variables);
    const body = { notification, to: { all: true }, key: "spring" };
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, at) => call(at % 2 ? second.url : url, "POST", "/v1/broadcasts", body)),
    );
    expect(answers.map(({ status }) => status)).toStrictEqual(answers.map(() => 201));
    expect(answers.filter(({ headers }) => headers.get("idempotent-replayed") === "true")).toHaveLength(7);
    const [id] = new Set(answers.map((one) => one.body.id));
    expect(new Set(answers.map((one) => one.body.id)).size).toBe(1);
    await ended(id);
    expect(await told()).toStrictEqual({ once: 10, never: 0, often: 0 });
  });

  test("of another broadcast is refused", async () => {
    await begin({ to: { all: true }, key: "summer" });
    const other = await ask("POST", "/v1/broadcasts", { notification, to: { users: ["a"] }, key: "summer" });
    expect([other.status, other.body.code]).toStrictEqual([422, "idempotency_mismatch"]);
  });
});

describe("while it runs", () => {
  test("it is paused, goes on, and is canceled at half: the count told is the count sent", async () => {
    await addUsers(people(12_000));
    const id = await begin({ to: { all: true } });
    await eventually(async () => (await show(id)).notified > 0, "it begins");
    const pausing = await ask("POST", `/v1/broadcasts/${id}/pause`);
    expect(pausing.status).toBe(200);
    await eventually(async () => (await show(id)).status === "paused", "it pauses");
    const paused = await show(id);
    expect(paused.notified).toBeLessThan(12_000);
    expect(await users.countDocuments({ notifications: { $size: 1 } })).toBe(paused.notified);

    await ask("POST", `/v1/broadcasts/${id}/resume`);
    await eventually(async () => (await show(id)).notified > paused.notified, "it goes on");
    await ask("POST", `/v1/broadcasts/${id}/cancel`);
    const canceled = await ended(id);
    expect(canceled).toMatchObject({ status: "canceled", total: 12_000 });
    expect(await users.countDocuments({ notifications: { $size: 1 } })).toBe(canceled.notified);
    expect(await deliveries.countDocuments()).toBe(canceled.notified);
    const again = await ask("POST", `/v1/broadcasts/${id}/resume`);
    expect([again.status, again.body.code]).toStrictEqual([409, "job_not_changeable"]);
  });

  test("a topic that is deleted ends it, and it says how many were notified", async () => {
    const subscribers = people(8_000);
    await addTopic("short", subscribers);
    const id = await begin({ to: { topic: "short" } });
    await eventually(async () => (await show(id)).notified > 0, "it begins");
    expect((await ask("DELETE", "/v1/topics/short")).status).toBe(204);
    const end = await ended(id);
    expect(await users.countDocuments({ notifications: { $size: 1 } })).toBe(end.notified);
    if (end.status === "failed")
      expect(end.message).toContain("The topic short was deleted before all of it was notified");
    else expect(end).toMatchObject({ status: "done", notified: expect.any(Number) });
  });

  test("single notifications overtake it", async () => {
    await addUsers(people(10_000));
    const id = await begin({ to: { all: true } });
    await eventually(async () => (await show(id)).notified > 0, "it begins");
    const single = await ask("POST", "/v1/notifications", { recipients: ["someone else"], type: "news" });
    expect(single.status).toBe(201);
    expect((await show(id)).notified).toBeLessThan(10_000);
    expect(await ended(id)).toMatchObject({ status: "done", notified: 10_000 });
  });

  test("it tells its rate, and when it will be done", async () => {
    await addUsers(people(8_000));
    const id = await begin({ to: { all: true } });
    await eventually(async () => (await show(id)).rate > 0, "a rate");
    const running = await show(id);
    if (running.status === "running") expect(Date.parse(running.ends_at)).toBeGreaterThan(Date.now() - 1_000);
    await ended(id);
    expect(await show(id)).not.toHaveProperty("rate");
  });
});

test("the list has the newest first, without the ids of named users", async () => {
  const first = await begin({ to: { users: ["a", "b"] }, key: "one" });
  await ended(first);
  const second = await begin({ to: { all: true } });
  await ended(second);
  const { body } = await ask("GET", "/v1/broadcasts?limit=1");
  expect(body.data).toMatchObject([{ id: second }]);
  const next = await ask("GET", `/v1/broadcasts?limit=1&cursor=${body.next_cursor}`);
  expect(next.body.data).toMatchObject([{ id: first, key: "one", to: { users: 2 } }]);
  expect((await ask("GET", "/v1/broadcasts?status=canceled")).body.data).toStrictEqual([]);
  expect((await ask("GET", "/v1/broadcasts?key=one")).body.data).toMatchObject([{ id: first }]);
});

test("erasing a user removes them from a broadcast that names them", async () => {
  const id = await begin({ to: { users: ["a", "b"] }, actor_id: "c" });
  await ended(id);
  await ask("DELETE", "/v1/users/a");
  await ask("DELETE", "/v1/users/c");
  const stored = await jobs.findOne({ _id: new ObjectId(id) });
  expect(stored?.command).toMatchObject({ users: ["b"] });
  expect(JSON.stringify(stored)).not.toContain('"c"');
});
