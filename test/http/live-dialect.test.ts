import { expect, test } from "vitest";
import { freshDatabase } from "../support/database.ts";
import { call } from "../support/http.ts";
import { startService } from "../support/service.ts";

const { uri, db } = freshDatabase();
const reachable = { DB_URI: uri, EMAIL: "live@example.com" };

const post = (url: string, body: unknown, path = "/notification/") => call(url, "POST", path, body);
const list = (url: string, user: string, query = "") => call(url, "GET", `/notification/${user}${query}`);
const read = (url: string, id: string) =>
  call(url, "PATCH", `/notification/read?notification_id=${encodeURIComponent(id)}`);
let nextUser = 1;
const newUser = () => `person ${nextUser++}`;

test("create and list answer in the dialect's shape, with and without the last slash", async () => {
  const { url } = await startService(reachable);
  const user = newUser();
  const before = Math.floor(Date.now() / 1000) - 5;
  const asked = [
    { title: "New Message Received", description: "hi", receiver_user_id: user, identifier: "MESSAGE" },
    { title: "Soon", description: null, receiver_user_id: user, identifier: "SUBSCRIPTION_EXPIRY" },
    { title: "Done", description: "", receiver_user_id: user, identifier: "PROFILE_SETUP" },
    { title: "Untyped", description: "no type", receiver_user_id: user, identifier: null },
  ];
  const created = [];
  for (const [index, body] of asked.entries()) {
    const answer = await post(url, body, index % 2 ? "/notification" : "/notification/");
    expect(answer).toMatchObject({ status: 201, body: { message: "new notification created" } });
    const { data } = answer.body;
    expect(data).toEqual({
      notification_id: expect.stringMatching(/^[0-9a-f]{24}\.[\w-]+$/),
      ...body,
      read_status: "unread",
      created_at: expect.any(Number),
      updated_at: data.created_at,
    });
    expect(data.created_at).toBeGreaterThan(before);
    expect(data.created_at).toBeLessThan(before + 60);
    created.unshift(data);
  }
  expect(await list(url, user)).toMatchObject({ status: 200, body: { message: "list of notifications" } });
  expect((await list(url, user)).body.data).toEqual(created);
});

test("a title is enough; ten are listed by default, and skip counts notifications", async () => {
  const { url } = await startService(reachable);
  const user = newUser();
  for (let n = 0; n < 12; n++) await post(url, { title: `${n}`, receiver_user_id: user });
  const titles = async (query?: string) =>
    (await list(url, user, query)).body.data.map((one: { title: string }) => one.title);
  expect(await titles()).toEqual(["11", "10", "9", "8", "7", "6", "5", "4", "3", "2"]);
  expect(await titles("?skip=1&limit=2")).toEqual(["10", "9"]);
  expect(await titles("?skip=11")).toEqual(["0"]);
  expect(await titles("?skip=12")).toEqual([]);
  expect(await list(url, "nobody at all")).toMatchObject({
    status: 200,
    body: { message: "list of notifications", data: [] },
  });
});

test("an id includes its user; each read call toggles that notification", async () => {
  const { url } = await startService(reachable);
  const [user, other] = [newUser(), newUser()];
  const first = (await post(url, { title: "first", receiver_user_id: user })).body.data;
  await post(url, { title: "second", receiver_user_id: user });
  await post(url, { title: "another's", receiver_user_id: other });
  for (const _ of [1, 2])
    expect(await read(url, first.notification_id)).toMatchObject({ status: 200, body: { success: true } });
  const { data } = (await list(url, user)).body;
  expect(data.map((one: { read_status: string }) => one.read_status)).toEqual(["unread", "read"]);
  expect(data[1].updated_at).toBeGreaterThanOrEqual(data[1].created_at);
  expect((await list(url, other)).body.data[0].read_status).toBe("unread");
});

test("user ids of any alphabet, and 24 hex digits in either case, list their own notifications", async () => {
  const { url } = await startService(reachable);
  const hex = "ABCDEF0123456789abcdef01";
  for (const [written, stored] of [
    [hex, hex.toLowerCase()],
    ["Ünïcödé 🧪/?&#%", "Ünïcödé 🧪/?&#%"],
    ["x".repeat(128), "x".repeat(128)],
    ["🧪".repeat(128), "🧪".repeat(128)],
  ] as const) {
    const { status, body } = await post(url, { title: "t", receiver_user_id: written });
    expect(status, written).toBe(201);
    expect(body.data.receiver_user_id).toBe(stored);
    expect(await read(url, body.data.notification_id)).toMatchObject({ body: { success: true } });
    const listed = await list(url, encodeURIComponent(written));
    expect(listed.body.data, written).toHaveLength(1);
    expect(listed.body.data[0]).toMatchObject({ read_status: "read", receiver_user_id: stored });
  }
});

test("a notification of another dialect is listed, too, under its key when it has no title", async () => {
  const { url } = await startService(reachable);
  const hex = "0123456789abcdef01234567";
  await call(url, "POST", "/create", { user_id: hex, key: "new_post" });
  await call(url, "POST", "/notifications", { user_id: 77, notification_type: "in-app", content: "queued" });
  expect((await list(url, hex)).body.data).toMatchObject([
    { title: "new_post", description: null, identifier: null, read_status: "unread" },
  ]);
  const [queued] = (await list(url, "77")).body.data;
  expect(queued).toMatchObject({ title: "direct", description: "queued", receiver_user_id: "77" });
  expect(await read(url, queued.notification_id)).toMatchObject({ body: { success: true } });
  expect((await call(url, "GET", `/list?user_id=${hex}`)).body.data.list[0].is_new).toBe(true);
});

test("a notification without a type goes only to the inbox, whatever the user's addresses", async () => {
  const { url } = await startService(reachable);
  const user = newUser();
  await post(url, { title: "quiet", receiver_user_id: user });
  expect(await db.collection("deliveries").countDocuments({ user })).toBe(0);
});

test("an unknown id answers success false; an invalid id is an error that says so", async () => {
  const { url } = await startService(reachable);
  const user = newUser();
  const { notification_id } = (await post(url, { title: "t", receiver_user_id: user })).body.data;
  const [item, owner] = notification_id.split(".");
  const encoded = (text: string) => Buffer.from(text).toString("base64url");
  for (const unknown of [
    `${"0".repeat(24)}.${owner}`,
    `${item}.${encoded("somebody else")}`,
    `${item}.${encoded("x".repeat(128))}`,
  ])
    expect(await read(url, unknown), unknown).toMatchObject({ status: 200, body: { success: false } });
  for (const wrong of [
    "",
    item,
    `${item}.`,
    `.${owner}`,
    `${item}.${owner}=`,
    `${item}.${encoded("x".repeat(129))}`,
    `${item}.${Buffer.from([0xff, 0xfe]).toString("base64url")}`,
    `${item}.${encoded("a\0b")}`,
    "x".repeat(2_000),
    '{"$gt":""}',
  ]) {
    const { status, body } = await read(url, wrong);
    expect([status, body], wrong).toStrictEqual([200, { success: false }]);
  }
  expect((await call(url, "PATCH", "/notification/read")).status).toBe(400);
  expect((await list(url, user)).body.data[0].read_status).toBe("unread");
});

test("every wrong field is a 400 that names it, in the dialect's shape", async () => {
  const { url } = await startService(reachable);
  const good = { title: "t", description: "d", receiver_user_id: newUser(), identifier: "MESSAGE" };
  const wrong: Array<[string, unknown]> = [
    ["title", { receiver_user_id: "a" }],
    ["title", { ...good, title: "" }],
    ["title", { ...good, title: 7 }],
    ["title", { ...good, title: "x".repeat(1_001) }],
    ["title", { ...good, title: "half \ud800" }],
    ["description", { ...good, description: "x".repeat(10_001) }],
    ["description", { ...good, description: "half \udc00" }],
    ["description", { ...good, description: { $gt: "" } }],
    ["receiver_user_id", { title: "t" }],
    ["receiver_user_id", { ...good, receiver_user_id: "" }],
    ["receiver_user_id", { ...good, receiver_user_id: "x".repeat(129) }],
    ["receiver_user_id", { ...good, receiver_user_id: 4 }],
    ["receiver_user_id", { ...good, receiver_user_id: "a\0" }],
    ["receiver_user_id", { ...good, receiver_user_id: { $ne: null } }],
    ["identifier", { ...good, identifier: "message" }],
    ["identifier", { ...good, identifier: "new_login" }],
    ["extra", { ...good, extra: 1 }],
  ];
  for (const [field, body] of wrong) {
    const answer = await post(url, body);
    expect(answer, JSON.stringify(body)).toMatchObject({
      status: 400,
      body: { code: "invalid_request", message: expect.stringContaining(field) },
    });
    expect(Object.keys(answer.body).sort()).toEqual(["code", "details", "message"]);
  }
  expect(await post(url, "{")).toMatchObject({ status: 400, body: { code: "invalid_json" } });
  for (const query of ["?skip=-1", "?skip=x", "?limit=0", "?limit=1001", "?limit=1.5", "?page=2"])
    expect((await list(url, "alex", query)).status, query).toBe(400);
  expect((await list(url, "x".repeat(129))).status).toBe(400);
  expect((await post(url, good)).status).toBe(201);
});

test("with API_KEYS a key is required, and the refusal has the dialect's shape", async () => {
  const key = "a-key-of-sixteen-characters";
  const { url } = await startService({ ...reachable, API_KEYS: key });
  const body = { title: "t", receiver_user_id: newUser() };
  expect(await post(url, body)).toMatchObject({
    status: 401,
    body: { code: "unauthorized", message: expect.stringContaining("Authorization") },
  });
  const answer = await call(url, "POST", "/notification/", body, { authorization: `Bearer ${key}` });
  expect(answer.status).toBe(201);
});
