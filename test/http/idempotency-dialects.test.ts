import { ObjectId } from "mongodb";
import { beforeEach, describe, expect, test } from "vitest";
import { freshDatabase } from "../support/database.ts";
import { call } from "../support/http.ts";
import { startService } from "../support/service.ts";

// An `Idempotency-Key` on the routes of the older contracts that create.

const { uri, db } = freshDatabase();
const hex = () => [...Array(24)].map(() => Math.floor(Math.random() * 16).toString(16)).join("");
let url = "";
beforeEach(async () => {
  ({ url } = await startService({ DB_URI: uri, EMAIL: "a@example.com" }));
});

const routes: Array<[path: string, body: (user: string, words: string) => object, user: () => string]> = [
  ["/create", (user_id, words) => ({ user_id, key: "new_login", data: { words } }), hex],
  [
    "/notifications",
    (user, content) => ({ user_id: Number(user), notification_type: "in-app", content }),
    () => String(Math.floor(Math.random() * 1e12)),
  ],
  ["/notification/", (receiver_user_id, title) => ({ title, receiver_user_id, identifier: "MESSAGE" }), hex],
  ["/notification", (receiver_user_id, title) => ({ title, description: null, receiver_user_id }), hex],
];

describe.each(routes)("POST %s", (path, bodyOf, newUser) => {
  const stored = (user: string) =>
    db
      .collection("deliveries")
      .countDocuments({ "content.data.words": user })
      .then(async (mails) => [(await call(url, "GET", `/v1/users/${user}/inbox`)).body.total, mails]);
  const send = (body: object, key: string, on = path) =>
    call(url, "POST", on, body, { "idempotency-key": key });

  test("twice with one key stores one, and the second answer is the first one's", async () => {
    const user = newUser();
    const body = bodyOf(user, user);
    const first = await send(body, user);
    expect([first.status, first.headers.get("idempotent-replayed")]).toStrictEqual([201, null]);
    const again = await send(Object.fromEntries(Object.entries(body).reverse()), `"${user}"`);
    expect([again.status, again.body]).toStrictEqual([201, first.body]);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    expect(await stored(user)).toStrictEqual([1, path === "/create" ? 1 : 0]);
  });

  test("another body, or another route, with the same key is 422", async () => {
    const user = newUser();
    await send(bodyOf(user, "one"), user);
    const other = await send(bodyOf(user, "two"), user);
    expect([other.status, JSON.stringify(other.body)]).toStrictEqual([
      422,
      expect.stringContaining("Idempotency-Key"),
    ]);
    const elsewhere = await send({ recipients: [user], type: "new_message" }, user, "/v1/notifications");
    expect([elsewhere.status, elsewhere.body.code]).toStrictEqual([422, "idempotency_mismatch"]);
    expect(await stored(user)).toStrictEqual([1, 0]);
  });

  test("while the first is running the answer is 409 with Retry-After", async () => {
    const user = newUser();
    await send(bodyOf(user, "x"), user);
    // As if another process had begun it and not yet answered.
    const [key] = (await db.collection("idempotency").find().sort({ expireAt: -1 }).limit(1).toArray()) as [
      { _id: ObjectId },
    ];
    const lease = { token: new ObjectId(), until: new Date(Date.now() + 60_000) };
    await db
      .collection("idempotency")
      .updateOne({ _id: key._id }, { $set: { lease }, $unset: { failures: 1 } });
    const waiting = await send(bodyOf(user, "x"), user);
    expect(waiting.status).toBe(409);
    expect(Number(waiting.headers.get("retry-after"))).toBeGreaterThan(0);
  });

  test("twenty at once with one key store one", async () => {
    const user = newUser();
    const answers = await Promise.all(Array.from({ length: 20 }, () => send(bodyOf(user, "x"), user)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(
      new Set(answers.some((one) => one.status === 409) ? [201, 409] : [201]),
    );
    expect((await stored(user))[0]).toBe(1);
  });

  test("a refused request uses up no key, and a bad key is 400", async () => {
    const user = newUser();
    expect((await send({ ...bodyOf(user, "x"), more: 1 }, user)).status).toBe(400);
    expect((await send(bodyOf(user, "x"), user)).status).toBe(201);
    expect((await send(bodyOf(user, "x"), "two words")).status).toBe(400);
  });
});

test("POST /notification answers the created_at that the list shows, also when it is repeated", async () => {
  const body = { title: "t", receiver_user_id: "dana" };
  const send = () => call(url, "POST", "/notification", body, { "idempotency-key": "dana-1" });
  const [first, second] = [await send(), await send()];
  const listed = await call(url, "GET", "/notification/dana");
  expect(listed.body.data).toStrictEqual([first.body.data]);
  expect(second.body).toStrictEqual(first.body);
});
