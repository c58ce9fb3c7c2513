import { ObjectId } from "mongodb";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startApp } from "../../../src/app.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { freshDatabase } from "../../support/database.ts";
import { type Answer, call } from "../../support/http.ts";
import { startService } from "../../support/service.ts";

const { uri, db } = freshDatabase();
const users = db.collection<{ _id: ObjectId | string; [field: string]: unknown }>("users");
const isoTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

let url = "";
let close = async () => {};
beforeAll(async () => {
  const app = await startApp(loadConfig({ PORT: "0", DB_URI: uri }).config, pino({ level: "silent" }));
  url = app.url;
  close = app.close;
});
afterAll(() => close());

const newUser = () => new ObjectId().toHexString();
const inboxOf = (user: string) => `/v1/users/${encodeURIComponent(user)}/inbox`;
const list = (user: string, query = "") => call(url, "GET", `${inboxOf(user)}${query}`);

/** So many items, one after the other; their ids, oldest first. */
async function notified(user: string, count: number, more: object = {}): Promise<string[]> {
  const ids: string[] = [];
  for (let n = 0; n < count; n++) {
    const body = { recipients: [user], type: "new_message", title: `n=${n}`, ...more };
    const answer = await call(url, "POST", "/v1/notifications", body);
    expect(answer.status).toBe(201);
    ids.push(answer.body.notifications[0].id);
  }
  return ids;
}

const idsOf = (answer: Answer): string[] => {
  expect(answer.status, JSON.stringify(answer.body)).toBe(200);
  return answer.body.items.map((item: { id: string }) => item.id);
};
const stateOf = ({ body: { rev, unread, unseen, total } }: Answer) => ({ rev, unread, unseen, total });

async function problem(answer: Answer | Promise<Answer>, status: number, code: string, pointers?: string[]) {
  const { body, headers, ...rest } = await answer;
  expect([rest.status, body.code], JSON.stringify(body)).toStrictEqual([status, code]);
  expect(headers.get("content-type")).toMatch("application/problem+json");
  if (pointers)
    expect((body.errors ?? []).map((one: { pointer: string }) => one.pointer)).toStrictEqual(pointers);
}

describe("an inbox", () => {
  test("shows an item with all it was given, and where the inbox stands", async () => {
    const user = newUser();
    const target = newUser();
    const [id] = await notified(user, 1, { body: "hello", data: { to: "$email" }, target_id: target });
    const { status, body } = await list(user);
    expect(status).toBe(200);
    const { rev } = body;
    expect(body).toStrictEqual({
      rev,
      unread: 1,
      unseen: 1,
      total: 1,
      items: [
        {
          id,
          type: "new_message",
          title: "n=0",
          body: "hello",
          target_id: target,
          data: { to: "$email" },
          created_at: expect.stringMatching(isoTime),
          updated_at: expect.stringMatching(isoTime),
          read: false,
          archived: false,
          rev,
          created_rev: rev,
        },
      ],
    });
    expect((await call(url, "GET", `${inboxOf(user)}/${id?.toUpperCase()}`)).body).toStrictEqual({
      rev,
      unread: 1,
      unseen: 1,
      total: 1,
      item: body.items[0],
    });
  });

  test("of a user nobody knows is empty", async () => {
    expect((await list("nobody at all")).body).toStrictEqual({
      rev: 0,
      unread: 0,
      unseen: 0,
      total: 0,
      items: [],
    });
  });

  test("each change answers with the item and the counts after it, and doing it twice changes nothing", async () => {
    const user = newUser();
    const [first, second] = await notified(user, 2);
    const { rev: began } = (await list(user)).body;
    const act = (what: string) => call(url, "POST", `${inboxOf(user)}/${first}/${what}`);
    const outcome = async (what: string) => {
      const answer = await act(what);
      expect(answer.status).toBe(200);
      expect(stateOf(await act(what))).toStrictEqual(stateOf(answer));
      const { read, archived, rev } = answer.body.item;
      return { ...stateOf(answer), read, archived, item: rev };
    };
    expect(await outcome("read")).toStrictEqual({
      rev: began + 1,
      unread: 1,
      unseen: 1,
      total: 2,
      read: true,
      archived: false,
      item: began + 1,
    });
    expect(await outcome("unread")).toMatchObject({
      rev: began + 2,
      unread: 2,
      read: false,
      archived: false,
    });
    expect(await outcome("archive")).toMatchObject({
      rev: began + 3,
      unread: 1,
      unseen: 1,
      total: 2,
      read: true,
      archived: true,
    });
    expect(await outcome("unarchive")).toMatchObject({
      rev: began + 4,
      unread: 1,
      read: true,
      archived: false,
    });
    expect(await outcome("archive")).toMatchObject({ rev: began + 5, archived: true });
    expect(await outcome("unread")).toMatchObject({
      rev: began + 6,
      unread: 2,
      read: false,
      archived: false,
    });

    const gone = await call(url, "DELETE", `${inboxOf(user)}/${first}`);
    expect(gone.status).toBe(200);
    expect(gone.body).toStrictEqual({ rev: began + 7, unread: 1, unseen: 1, total: 1 });
    await problem(call(url, "DELETE", `${inboxOf(user)}/${first}`), 404, "not_found");
    expect(idsOf(await list(user))).toStrictEqual([second]);
  });

  test("whatever is sent along with a call that needs no body is not looked at", async () => {
    const user = newUser();
    const [id] = await notified(user, 1);
    for (const [body, headers] of [
      ["", { "content-type": "application/json" }],
      ["{not json", { "content-type": "application/json" }],
      ["a=b", { "content-type": "application/x-www-form-urlencoded" }],
    ] as const)
      expect((await call(url, "POST", `${inboxOf(user)}/${id}/read`, body, headers)).status).toBe(200);
    expect(
      (await call(url, "DELETE", `${inboxOf(user)}/${id}`, "", { "content-type": "application/json" }))
        .status,
    ).toBe(200);
  });

  test("read-all reads all, or what had come up to a rev and not what came later", async () => {
    const user = newUser();
    const readAll = (body?: unknown, headers?: Record<string, string>) =>
      call(url, "POST", `${inboxOf(user)}/read-all`, body, headers);
    await notified(user, 3);
    const seen = (await list(user)).body.rev;
    await notified(user, 2);
    expect((await readAll({ up_to_rev: 0 })).body).toMatchObject({ rev: seen + 2, unread: 5, changed: 0 });
    expect((await readAll({ up_to_rev: seen })).body).toStrictEqual({
      rev: seen + 3,
      unread: 2,
      unseen: 2,
      total: 5,
      changed: 3,
    });
    expect((await readAll({ up_to_rev: seen })).body).toMatchObject({ rev: seen + 3, changed: 0 });
    expect((await readAll()).body).toMatchObject({ unread: 0, changed: 2 });
    await notified(user, 1);
    expect((await readAll("", { "content-type": "application/json" })).body).toMatchObject({ changed: 1 });
    await notified(user, 1);
    expect((await readAll({})).body).toMatchObject({ changed: 1 });
    await notified(user, 1);
    expect((await readAll({ up_to_rev: Number.MAX_SAFE_INTEGER })).body).toMatchObject({ changed: 1 });
  });

  test("seen marks all as seen, or what had come up to a rev, and nothing as read", async () => {
    const user = newUser();
    const see = (body?: unknown, headers?: Record<string, string>) =>
      call(url, "POST", `${inboxOf(user)}/seen`, body, headers);
    await notified(user, 3);
    const { rev } = (await list(user)).body;
    await notified(user, 2);
    expect((await see({ up_to_rev: 0 })).body).toMatchObject({ rev: rev + 2, unseen: 5 });
    const state = { rev: rev + 3, unread: 5, unseen: 2, total: 5 };
    expect((await see({ up_to_rev: rev })).body).toStrictEqual(state);
    expect((await see({ up_to_rev: rev })).body).toStrictEqual(state);
    expect((await see()).body).toStrictEqual({ ...state, rev: rev + 4, unseen: 0 });
    await notified(user, 1);
    expect(stateOf(await list(user))).toMatchObject({ unread: 6, unseen: 1 });
    expect((await see("", { "content-type": "application/json" })).body).toMatchObject({ unseen: 0 });
    await notified(user, 1);
    expect((await see({ up_to_rev: Number.MAX_SAFE_INTEGER })).body).toMatchObject({ unread: 7, unseen: 0 });
  });
});

describe("a list", () => {
  test("is paged through by cursor without a gap or a repetition, while others come and go", async () => {
    const user = newUser();
    const ids = (await notified(user, 23)).toReversed();
    const seen: string[] = [];
    for (let next: string | undefined = `${inboxOf(user)}?limit=5&archived=any`; next !== undefined; ) {
      const page = await call(url, "GET", next);
      seen.push(...idsOf(page));
      const link = /^<([^>]+)>; rel="next"$/.exec(page.headers.get("link") ?? "")?.[1];
      expect(link && new URL(link, url).searchParams.get("cursor")).toBe(page.body.next_cursor);
      next = link;
      await notified(user, 1);
      await call(url, "POST", `${inboxOf(user)}/${seen.at(-1)}/read`);
    }
    expect(seen).toStrictEqual(ids);
  });

  test("can be skipped into instead; its link goes on from there", async () => {
    const user = newUser();
    const ids = (await notified(user, 6)).toReversed();
    const page = await list(user, "?skip=2&limit=2");
    expect(idsOf(page)).toStrictEqual(ids.slice(2, 4));
    const link = /^<([^>]+)>/.exec(page.headers.get("link") ?? "")?.[1] ?? "";
    expect(link).not.toContain("skip");
    expect(idsOf(await call(url, "GET", link))).toStrictEqual(ids.slice(4));
    expect(idsOf(await list(user, "?skip=6"))).toStrictEqual([]);
  });

  test("is filtered by unread, archived, type and target; archived items are hidden unless asked for", async () => {
    const user = newUser();
    const target = newUser();
    const [plain = ""] = await notified(user, 1);
    const [post = ""] = await notified(user, 1, { type: "new_post" });
    const [aimed = ""] = await notified(user, 1, { target_id: target });
    await call(url, "POST", `${inboxOf(user)}/${plain}/read`);
    await call(url, "POST", `${inboxOf(user)}/${post}/archive`);
    const of = async (query: string) => idsOf(await list(user, query));
    expect(await of("")).toStrictEqual([aimed, plain]);
    expect(await of("?archived=any")).toStrictEqual([aimed, post, plain]);
    expect(await of("?archived=true")).toStrictEqual([post]);
    expect(await of("?unread=true")).toStrictEqual([aimed]);
    expect(await of("?unread=false&archived=any")).toStrictEqual([post, plain]);
    expect(await of("?type=new_post&archived=any")).toStrictEqual([post]);
    expect(await of("?type=never_heard_of")).toStrictEqual([]);
    expect(await of(`?target_id=${target}`)).toStrictEqual([aimed]);
    // The counts are the inbox's, not the page's.
    expect(stateOf(await list(user, "?type=new_post"))).toMatchObject({ unread: 1, unseen: 1, total: 3 });
  });

  test("a target is found in either case, also beside what an older system wrote there; its cursor fits both", async () => {
    const user = newUser();
    const target = "0123456789abcdefABCDEF01";
    const [upper = ""] = await notified(user, 1, { target_id: target.toUpperCase() });
    const [lower = ""] = await notified(user, 1, { target_id: target.toLowerCase() });
    const odd = [{ oid: target }, [target], 7, null].map((target_id, n) => ({ id: `odd-${n}`, target_id }));
    await users.updateOne({ _id: new ObjectId(user) }, {
      $push: { notifications: { $each: odd } },
    } as object);
    for (const spelling of [target, target.toLowerCase(), target.toUpperCase()])
      expect(idsOf(await list(user, `?target_id=${spelling}`)), spelling).toStrictEqual([lower, upper]);
    const { body } = await list(user, `?limit=1&target_id=${target.toUpperCase()}`);
    const rest = await list(user, `?target_id=${target.toLowerCase()}&cursor=${body.next_cursor}`);
    expect(idsOf(rest)).toStrictEqual([upper]);
  });
});

describe("a user's id", () => {
  test.each([
    ["one letter", "a"],
    ["slashes, spaces and signs", "a/b c?d#e%f&g=h"],
    ["a field path", "$email.x"],
    ["dots", "…/.hidden"],
    ["128 characters that take twelve in a path", "😀".repeat(128)],
  ])("%s", async (_what, user) => {
    const [id] = await notified(user, 1);
    const before = await list(user);
    expect(idsOf(before)).toStrictEqual([id]);
    expect((await call(url, "POST", `${inboxOf(user)}/${id}/read`)).status).toBe(200);
    expect(await users.findOne({ _id: user })).toMatchObject({ rev: before.body.rev + 1 });
  });

  test("of 24 hex characters is the same in upper case", async () => {
    const user = newUser();
    const [id] = await notified(user.toUpperCase(), 1);
    expect(idsOf(await list(user))).toStrictEqual([id]);
    expect(idsOf(await list(user.toUpperCase()))).toStrictEqual([id]);
  });

  test.each([
    ["none", "", "must not be empty"],
    ["129 characters", "a".repeat(129), "has 129 characters; at most 128 are allowed"],
    ["300 characters", "a".repeat(300), "has 300 characters; at most 128 are allowed"],
    ["1,600 characters", "a".repeat(1_600), "has 1,600 characters; at most 128 are allowed"],
    [
      "a control character",
      "a\u0007b",
      "must have a visible character and no control characters, and must not be . or ..",
    ],
    ["NUL", "\0", "must have a visible character and no control characters, and must not be . or .."],
  ])("%s is refused, in words", async (_what, user, detail) => {
    for (const path of [inboxOf(user), `/v1/users/${encodeURIComponent(user)}`]) {
      const { status, body } = await call(url, "GET", path);
      expect([status, body.errors], path).toStrictEqual([400, [{ pointer: "/id", detail }]]);
    }
    const answer = await call(url, "POST", "/v1/notifications", {
      recipients: ["ok", user],
      type: "new_message",
    });
    const errors = [{ pointer: "/recipients/1", detail }];
    expect([answer.status, answer.body.errors]).toStrictEqual([400, errors]);
  });

  test("bytes that are no UTF-8 are refused", async () => {
    await problem(call(url, "GET", "/v1/users/%ff/inbox"), 400, "invalid_request");
  });
});

test("a user's token opens that user's inbox, and neither another one, nor profiles, nor notifications", async () => {
  const key = "k".repeat(16);
  const app = await startService({ DB_URI: uri, API_KEYS: key, TOKEN_SECRET: "s".repeat(32) });
  const as = (bearer: string, method: string, path: string, body?: unknown) =>
    call(app.url, method, path, body, { authorization: `Bearer ${bearer}` });
  const [user, other] = [newUser(), newUser()];
  await as(key, "POST", "/v1/notifications", { recipients: [user, other], type: "new_message" });
  const { token } = (await as(key, "POST", `/v1/users/${user}/token`)).body;
  const calls = async (of: string): Promise<number[]> => {
    const [item] = (await as(key, "GET", inboxOf(of))).body.items;
    const path = `${inboxOf(of)}/${item.id}`;
    const answers = await Promise.all([
      as(token, "GET", inboxOf(of)),
      as(token, "GET", path),
      as(token, "POST", `${path}/read`),
      as(token, "POST", `${path}/unread`),
      as(token, "POST", `${path}/archive`),
      as(token, "POST", `${path}/unarchive`),
      as(token, "POST", `${inboxOf(of)}/read-all`),
      as(token, "POST", `${inboxOf(of)}/seen`),
    ]);
    answers.push(await as(token, "DELETE", path));
    return answers.map(({ status }) => status);
  };
  expect(await calls(user)).toStrictEqual(Array(9).fill(200));
  expect(await calls(other)).toStrictEqual(Array(9).fill(403));
  for (const method of ["GET", "PUT", "PATCH", "DELETE"])
    expect(
      (await as(token, method, `/v1/users/${user}`, method.startsWith("P") ? {} : undefined)).status,
    ).toBe(403);
  const told = await as(token, "POST", "/v1/notifications", { recipients: [user], type: "new_message" });
  expect(told.status).toBe(403);
  expect((await call(app.url, "GET", inboxOf(user))).status).toBe(401);
});

describe("what cannot be answered", () => {
  test("items of nobody, of another user, and ids of another form are not found", async () => {
    const [user, other] = [newUser(), newUser()];
    const [foreign] = await notified(other, 1);
    await notified(user, 1);
    const before = [stateOf(await list(user)), stateOf(await list(other))];
    for (const item of [new ObjectId().toHexString(), foreign, "xyz", "$_id", "a".repeat(128)]) {
      const path = `${inboxOf(user)}/${item}`;
      await problem(call(url, "GET", path), 404, "not_found");
      await problem(call(url, "DELETE", path), 404, "not_found");
      for (const what of ["read", "unread", "archive", "unarchive"])
        await problem(call(url, "POST", `${path}/${what}`), 404, "not_found");
    }
    expect([stateOf(await list(user)), stateOf(await list(other))]).toStrictEqual(before);
  });

  test("a cursor of another user, of other filters, or of nobody is refused", async () => {
    const [user, other] = [newUser(), newUser()];
    await notified(user, 3);
    await notified(other, 3);
    const { next_cursor: cursor } = (await list(user, "?limit=1")).body;
    expect(idsOf(await list(user, `?limit=2&cursor=${cursor}`))).toHaveLength(2);
    const wrong = ["?cursor"];
    const foreign = await list(other, `?cursor=${cursor}`);
    await problem(foreign, 400, "invalid_request", wrong);
    expect(foreign.body.detail).toMatch("another user");
    await problem(list(user, `?cursor=${cursor}&unread=true`), 400, "invalid_request", wrong);
    await problem(list(user, `?cursor=${cursor}&archived=any`), 400, "invalid_request", wrong);
    for (const text of ["", "x", "%00", Buffer.from("v1.AAAAAAAAAAAAAAAA.1/a").toString("base64url")])
      await problem(list(user, `?cursor=${text}`), 400, "invalid_request", wrong);
    await problem(list(user, `?cursor=${cursor}&skip=0`), 400, "invalid_request", ["?skip"]);
  });

  test.each([
    ["limit=0", "?limit"],
    ["limit=101", "?limit"],
    ["limit=many", "?limit"],
    ["skip=-1", "?skip"],
    ["skip=1.5", "?skip"],
    ["unread=maybe", "?unread"],
    ["archived=1", "?archived"],
    ["target_id=12", "?target_id", "must be 24 hex characters"],
    ["user_id=x", "?user_id"],
    ["limit[$gt]=1", "?limit[$gt]"],
  ])("?%s is refused", async (query, pointer, detail = "") => {
    const answer = await list(newUser(), `?${query}`);
    await problem(answer, 400, "invalid_request", [pointer]);
    expect(answer.body.detail).toMatch(detail);
  });

  test.each([
    [{ up_to_rev: -1 }, "/up_to_rev"],
    [{ up_to_rev: 1.5 }, "/up_to_rev"],
    [{ up_to_rev: "1" }, "/up_to_rev"],
    [{ up_to_rev: 2 ** 60 }, "/up_to_rev"],
    [{ rev: 1 }, "/rev"],
    [null, ""],
    [[], ""],
  ])("read-all and seen with %j are refused", async (body, pointer) => {
    for (const what of ["read-all", "seen"]) {
      const answer = call(url, "POST", `${inboxOf(newUser())}/${what}`, body);
      await problem(answer, 400, "invalid_request", [pointer]);
    }
  });

  test("other methods are told which there are", async () => {
    const answer = await call(url, "PUT", inboxOf("alex"), {});
    await problem(answer, 405, "method_not_allowed");
    expect(answer.headers.get("allow")).toContain("GET");
  });
});
