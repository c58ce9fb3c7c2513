import { ObjectId } from "mongodb";
import { beforeEach, describe, expect, test } from "vitest";
import { freshDatabase } from "../../support/database.ts";
import { call } from "../../support/http.ts";
import { startService } from "../../support/service.ts";

const { uri, db } = freshDatabase();
const subscriptions = db.collection("subscriptions");
const key = { authorization: "Bearer key-of-sixteen-characters" };

let url = "";
beforeEach(async () => {
  ({ url } = await startService({
    DB_URI: uri,
    API_KEYS: "key-of-sixteen-characters",
    TOKEN_SECRET: "s".repeat(32),
    CLOCK: "virtual",
  }));
});

let made = 0;
const newTopic = async (body: object = {}) => {
  const topic = `topic/${++made}`;
  const { status } = await ask("PUT", pathOf(topic), body);
  expect(status).toBe(201);
  return topic;
};
const pathOf = (topic: string) => `/v1/topics/${encodeURIComponent(topic)}`;
const subscriberOf = (topic: string, user: string) => `${pathOf(topic)}/subscribers/${user}`;
const ask = (method: string, path: string, body?: unknown, headers = key) =>
  call(url, method, path, body, headers);
const tokenOf = async (user: string) => {
  const { body } = await ask("POST", `/v1/users/${user}/token`);
  return { authorization: `Bearer ${body.token}` };
};
const usersIn = async (topic: string) => {
  const { body } = await ask("GET", `${pathOf(topic)}/subscribers`);
  return body.data.map((one: { user_id: string }) => one.user_id);
};

test("a topic is created, replaced, shown and deleted", async () => {
  const topic = await newTopic({ title: "Our trip", open: true });
  expect((await ask("GET", pathOf(topic))).body).toMatchObject({
    key: topic,
    title: "Our trip",
    open: true,
    subscribers: 0,
  });
  await ask("PUT", subscriberOf(topic, "alex"));
  const replaced = await ask("PUT", pathOf(topic), {});
  expect([replaced.status, replaced.body.title, replaced.body.open]).toStrictEqual([200, undefined, false]);
  expect((await ask("GET", pathOf(topic))).body.subscribers).toBe(1);

  expect((await ask("DELETE", pathOf(topic))).status).toBe(204);
  expect((await ask("GET", pathOf(topic))).status).toBe(404);
  expect((await ask("DELETE", pathOf(topic))).status).toBe(404);
  expect(await subscriptions.countDocuments({ "_id.topic": topic })).toBe(0);
  expect((await ask("PUT", pathOf(topic))).status).toBe(201);
  expect(await usersIn(topic)).toStrictEqual([]);
});

test("subscribing and unsubscribing twice changes nothing, and upper case names the same user", async () => {
  const topic = await newTopic();
  const hex = new ObjectId().toHexString();
  const first = await ask("PUT", subscriberOf(topic, hex.toUpperCase()));
  expect([first.status, first.body.user_id]).toStrictEqual([201, hex]);
  const again = await ask("PUT", subscriberOf(topic, hex));
  expect([again.status, again.body]).toStrictEqual([200, first.body]);
  expect((await ask("DELETE", subscriberOf(topic, hex))).status).toBe(204);
  expect((await ask("DELETE", subscriberOf(topic, hex))).status).toBe(204);
  expect(await usersIn(topic)).toStrictEqual([]);
});

test("1,000 users subscribe in one request, and pages list each of them once, texts before object ids", async () => {
  const topic = await newTopic();
  const other = await newTopic();
  const users = Array.from({ length: 1_000 }, (_, at) =>
    at % 2 === 0 ? `user ${String(at).padStart(4, "0")}` : new ObjectId().toHexString(),
  );
  const added = await ask("POST", `${pathOf(topic)}/subscribers`, { add: users });
  expect(added.body).toStrictEqual({ added: 1_000, removed: 0 });
  await ask("POST", `${pathOf(other)}/subscribers`, { add: ["somebody else"] });
  const again = await ask("POST", `${pathOf(topic)}/subscribers`, {
    add: users.slice(0, 500),
    remove: users.slice(500, 510).concat("nobody"),
  });
  expect(again.body).toStrictEqual({ added: 0, removed: 10 });

  const seen: string[] = [];
  for (let cursor: string | undefined, first = true; first || cursor; first = false) {
    const query = `?limit=77${cursor ? `&cursor=${cursor}` : ""}`;
    const { body } = await ask("GET", `${pathOf(topic)}/subscribers${query}`);
    seen.push(...body.data.map((one: { user_id: string }) => one.user_id));
    cursor = body.next_cursor;
  }
  const expected = [...users.slice(0, 500), ...users.slice(510)];
  expect(seen).toHaveLength(990);
  expect([...seen].sort()).toStrictEqual([...expected].sort());
  expect(seen.slice(0, 2)).toStrictEqual(["user 0000", "user 0002"]);
});

describe("with a user's token", () => {
  test("users subscribe and unsubscribe themselves where the topic is open, and see their topics", async () => {
    const open = await newTopic({ open: true, title: "Open" });
    const closed = await newTopic();
    const own = await tokenOf("alex");
    expect((await ask("PUT", subscriberOf(open, "alex"), undefined, own)).status).toBe(201);
    await ask("PUT", subscriberOf(closed, "alex"));
    const mine = await ask("GET", "/v1/users/alex/topics", undefined, own);
    expect(mine.body.data).toMatchObject([
      { key: open, title: "Open", open: true },
      { key: closed, open: false },
    ]);
    for (const method of ["PUT", "DELETE"]) {
      const refused = await ask(method, subscriberOf(closed, "alex"), undefined, own);
      expect([refused.status, refused.body.code]).toStrictEqual([403, "forbidden"]);
      expect(refused.body.detail).toContain(`The topic ${closed} is not open`);
      expect((await ask(method, subscriberOf(open, "bob"), undefined, own)).status).toBe(403);
    }
    expect((await ask("DELETE", subscriberOf(open, "alex"), undefined, own)).status).toBe(204);
    expect(await usersIn(open)).toStrictEqual([]);
    expect(await usersIn(closed)).toStrictEqual(["alex"]);
  });

  test("nobody sees topics, subscribers, or another user's topics", async () => {
    const own = await tokenOf("alex");
    const topic = await newTopic({ open: true });
    for (const path of ["/v1/topics", pathOf(topic), `${pathOf(topic)}/subscribers`, "/v1/users/bob/topics"])
      expect((await ask("GET", path, undefined, own)).status, path).toBe(403);
    expect((await ask("PUT", pathOf(topic), {}, own)).status).toBe(403);
  });
});

describe("bad input", () => {
  test.each<[string, object, string, RegExp]>([
    ["a user twice", { add: ["alex", "bob", "alex"] }, "/add/2", /is the same user as add\[0\]/],
    [
      "a user in both lists",
      { add: ["alex"], remove: ["alex"] },
      "/remove/0",
      /is the same user as add\[0\]/,
    ],
    ["an id of control characters", { add: ["ok", "\u0000"] }, "/add/1", /visible character/],
    ["an unknown field", { insert: [] }, "/insert", /is not a field of this request/],
  ])("%s: told with its pointer, and nothing is stored", async (_what, body, pointer, detail) => {
    const topic = await newTopic();
    const { status, body: problem } = await ask("POST", `${pathOf(topic)}/subscribers`, body);
    expect(status).toBe(400);
    expect(problem.errors).toContainEqual({ pointer, detail: expect.stringMatching(detail) });
    expect(await usersIn(topic)).toStrictEqual([]);
  });

  test("1,001 users in both lists together are refused", async () => {
    const topic = await newTopic();
    const ids = (from: string, count: number) => Array.from({ length: count }, (_, at) => `${from} ${at}`);
    const refused = await ask("POST", `${pathOf(topic)}/subscribers`, {
      add: ids("a", 600),
      remove: ids("b", 401),
    });
    expect([refused.status, refused.body.errors[0].pointer]).toStrictEqual([400, "/remove"]);
  });

  test("an unknown topic is 404 on every route", async () => {
    for (const [method, path, body] of [
      ["GET", pathOf("none")],
      ["DELETE", pathOf("none")],
      ["GET", `${pathOf("none")}/subscribers`],
      ["POST", `${pathOf("none")}/subscribers`, { add: ["alex"] }],
      ["PUT", subscriberOf("none", "alex")],
    ] as const)
      expect((await ask(method, path, body)).status, `${method} ${path}`).toBe(404);
    expect(await subscriptions.countDocuments({ "_id.topic": "none" })).toBe(0);
  });

  test("a cursor of another topic is refused", async () => {
    const [one, other] = [await newTopic(), await newTopic()];
    await ask("POST", `${pathOf(one)}/subscribers`, { add: ["a", "b"] });
    const { body } = await ask("GET", `${pathOf(one)}/subscribers?limit=1`);
    const foreign = await ask("GET", `${pathOf(other)}/subscribers?limit=1&cursor=${body.next_cursor}`);
    expect([foreign.status, foreign.body.errors[0].pointer]).toStrictEqual([400, "?cursor"]);
  });
});

test("a topic whose deletion was interrupted is found by nobody, and the next DELETE goes on", async () => {
  const topic = await newTopic({ open: true });
  await ask("POST", `${pathOf(topic)}/subscribers`, { add: ["alex", "bob"] });
  // As a process leaves it that ends in the middle.
  await db
    .collection<{ _id: string }>("topics")
    .updateOne({ _id: topic }, { $set: { deletedAt: new Date() } });
  await subscriptions.deleteOne({ "_id.topic": topic, "_id.user": "alex" });
  expect((await ask("GET", pathOf(topic))).status).toBe(404);
  expect((await ask("PUT", subscriberOf(topic, "carl"))).status).toBe(404);
  expect((await ask("GET", "/v1/users/bob/topics")).body.data).toStrictEqual([]);
  const early = await ask("PUT", pathOf(topic));
  expect([early.status, early.body.code]).toStrictEqual([409, "topic_deleting"]);

  expect((await ask("DELETE", pathOf(topic))).status).toBe(204);
  expect(await subscriptions.countDocuments({ "_id.topic": topic })).toBe(0);
  expect((await ask("PUT", pathOf(topic))).status).toBe(201);
});

test("users who subscribe while a topic is deleted by another instance leave nothing behind", async () => {
  const second = await startService({ DB_URI: uri });
  for (let round = 0; round < 8; round++) {
    const topic = await newTopic();
    const users = Array.from({ length: 20 }, (_, at) => `racer ${at}`);
    const all = users.map((user) => call(second.url, "PUT", subscriberOf(topic, user)));
    const [gone, ...answers] = await Promise.all([ask("DELETE", pathOf(topic)), ...all]);
    expect(gone.status).toBe(204);
    for (const { status } of answers) expect([201, 404]).toContain(status);
    expect(await subscriptions.countDocuments({ "_id.topic": topic })).toBe(0);
  }
});

test("many who create the same topic at once get one", async () => {
  const topic = `topic/${++made}`;
  const all = await Promise.all(Array.from({ length: 10 }, () => ask("PUT", pathOf(topic), { open: true })));
  expect(all.filter(({ status }) => status === 201)).toHaveLength(1);
  expect(all.filter(({ status }) => status === 200)).toHaveLength(9);
});

test("erasing a user removes the subscriptions", async () => {
  const topic = await newTopic();
  await ask("POST", `${pathOf(topic)}/subscribers`, { add: ["erin", "fred"] });
  expect((await ask("DELETE", "/v1/users/erin")).status).toBe(204);
  expect(await usersIn(topic)).toStrictEqual(["fred"]);
  expect((await ask("GET", "/v1/users/erin/topics")).body.data).toStrictEqual([]);
});

test("a muted topic reaches the user on no channel, and a dry run says so", async () => {
  const muted = `loud:${++made}`;
  const user = `quiet ${made}`;
  const path = `/v1/users/${encodeURIComponent(user)}`;
  await ask("PUT", path, { email: "quiet@example.com" });
  await ask("PATCH", `${path}/preferences`, { topics: { [muted]: false } });
  const notification = {
    recipients: [user],
    type: "new_message",
    title: "Hello",
    channels: ["inbox", "email"],
  };
  const planned = await ask("POST", "/v1/notifications?dry_run=true", { ...notification, topic: muted });
  expect(planned.body.notifications[0].channels).toMatchObject([
    { channel: "inbox", verdict: "skip", rule: `preference:topics.${muted}` },
    { channel: "email", verdict: "skip", rule: `preference:topics.${muted}` },
  ]);
  await ask("POST", "/v1/notifications", { ...notification, topic: muted });
  await ask("POST", "/v1/notifications", { ...notification, topic: "another" });
  await ask("POST", "/v1/test/clock", { advance: "1s" });
  const { body: inbox } = await ask("GET", `${path}/inbox`);
  expect(inbox.items).toMatchObject([{ topic: "another", title: "Hello" }]);
  const { body: sent } = await ask("GET", `/v1/deliveries?user_id=${encodeURIComponent(user)}`);
  expect(sent.data.map((one: { status: string; reason?: string }) => [one.status, one.reason])).toStrictEqual(
    [
      ["sent", undefined],
      ["skipped", "preference"],
    ],
  );
});

test("a topic of a notification must be a key", async () => {
  const wrong = { recipients: ["alex"], type: "new_message", topic: "x".repeat(129) };
  const { status, body } = await ask("POST", "/v1/notifications", wrong);
  expect([status, body.errors[0].pointer]).toStrictEqual([400, "/topic"]);
});
