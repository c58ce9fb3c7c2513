import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { ObjectId } from "mongodb";
import { pino } from "pino";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { startApp } from "../../src/app.ts";
import { loadConfig } from "../../src/config/load.ts";
import { freshDatabase } from "../support/database.ts";
import { type Answer, call } from "../support/http.ts";
import { eventually, startService } from "../support/service.ts";
import { startSmtp } from "../support/smtp.ts";

// Whatever is sent, the answer is a 4xx that names the field, or the value comes back to the letter;
// never a 5xx, and the next request works.

const { uri, db } = freshDatabase();
// biome-ignore lint/suspicious/noExplicitAny: the tests look at what lies in the database, whatever it is.
const users = db.collection<any>("users");
const newUser = () => new ObjectId().toHexString();
const user = "638f394d4b7243fc0399ea67";
const good = { user_id: user, key: "new_message" };

/** One service for the whole file: if a request harms it, every later test fails. */
let url = "";
let close = async () => {};
beforeAll(async () => {
  const app = await startApp(loadConfig({ PORT: "0", DB_URI: uri }).config, pino({ level: "silent" }));
  url = app.url ?? "";
  close = app.close;
});
afterAll(() => close());
afterEach(async () => {
  await works();
  const { body } = await call(url, "GET", "/metrics");
  expect(body).toContain("belfry_http_request_duration_seconds_count");
  expect(body).not.toMatch(/belfry_http_request_duration_seconds_count\{[^}]*status="5/);
});

/** The service takes a good request and shows what it stored. */
async function works() {
  const fresh = newUser();
  const created = await call(url, "POST", "/create", { ...good, user_id: fresh, data: { ok: true } });
  expect(created.status).toBe(201);
  const { body } = await call(url, "GET", `/list?user_id=${fresh}`);
  expect(body.data).toMatchObject({ elements: 1, list: [{ data: { ok: true } }] });
}

interface Refusal {
  status?: number;
  code?: string;
  /** Every one of these is named, and nothing else is. */
  pointers?: string[];
}

/** A refusal in the dialect's shape, after which nothing is stored and a good request works. */
async function refused(answer: Answer | Promise<Answer>, expected: Refusal = {}) {
  const { status, body } = await answer;
  const { status: wanted = 400, code = "invalid_request", pointers } = expected;
  const seen = JSON.stringify({ status, body });
  expect(status, seen).toBe(wanted);
  const { details, ...error } = body.error;
  expect({ ...body, error }, seen).toStrictEqual({
    success: false,
    error: { code, message: expect.stringMatching(/./) },
  });
  if (pointers) {
    const named: string[] = (details ?? []).map((one: { pointer: string }) => one.pointer);
    expect([...new Set(named)].sort(), seen).toStrictEqual([...pointers].sort());
    for (const detail of details) expect(detail.detail, seen).toMatch(/./);
  } else expect(details, seen).toBeUndefined();
  await works();
}

const post = (body: unknown, headers?: Record<string, string>) => call(url, "POST", "/create", body, headers);
const field = (...pointers: string[]): Refusal => ({ pointers });

describe("a body that is not a JSON object", () => {
  test.each([
    ["text", "hello"],
    ["half an object", '{"user_id":'],
    ["two objects", "{}{}"],
    ["single quotes", "{'user_id':1}"],
    ["a comma too many", '{"key":"new_message",}'],
    ["NaN", '{"key":NaN}'],
    ["nothing", ""],
    ["blanks", "  \n "],
    ["a form", "user_id=1&key=new_message"],
    ["NUL", "\0"],
    ["a raw line break in a string", '{"key":"a\nb"}'],
    ["brackets, 30,000 deep and not closed", "[".repeat(30_000)],
  ])("%s is refused as not JSON", async (_what, body) => {
    await refused(post(body), { code: "invalid_json" });
  });

  test.each([
    ["null", "null"],
    ["a list", "[]"],
    ["a string", '"new_message"'],
    ["a number", "7"],
    ["true", "true"],
    ["lists, 30,000 deep", "[".repeat(30_000) + "]".repeat(30_000)],
  ])("%s is refused as not an object", async (_what, body) => {
    await refused(post(body), field(""));
  });

  test("a missing body is refused", async () => {
    await refused(call(url, "POST", "/create"), field(""));
  });

  test.each(["__proto__", "\\u005f_proto__"])(
    "a key %s is refused at any depth, with a pointer to it",
    async (name) => {
      const start = `{"user_id":"${user}","key":"new_message"`;
      await refused(post(`${start},"${name}":{"a":1}}`), field("/__proto__"));
      await refused(post(`${start},"data":{"${name}":{"admin":true}}}`), field("/data/__proto__"));
      await refused(post(`${start},"data":{"a":[{"${name}":1}]}}`), field("/data/a/0/__proto__"));
      expect(({} as { admin?: unknown }).admin).toBeUndefined();
    },
  );

  test("a constructor with a prototype is refused", async () => {
    const data = '{"constructor":{"prototype":{"admin":true}}}';
    await refused(
      post(`{"user_id":"${user}","key":"new_message","data":${data}}`),
      field("/data/constructor/prototype"),
    );
    expect(({} as { admin?: unknown }).admin).toBeUndefined();
  });
});

test("bytes that are not UTF-8 are refused, not stored as replacement characters", async () => {
  const [start, end] = JSON.stringify({ ...good, data: { name: "?" } }).split("?") as [string, string];
  const body = Buffer.concat([Buffer.from(start), Buffer.from([0xc3, 0x28]), Buffer.from(end)]);
  await refused(call(url, "POST", "/create", body), { code: "invalid_json" });
});

describe("content types", () => {
  const types = [
    "application/json",
    "application/json; charset=utf-8",
    "application/json\t; charset=utf-8",
    "application/json;\tcharset=utf-8",
    "Application/JSON",
    "APPLICATION/JSON;CHARSET=UTF-8",
    "application/json;",
    "application/json ; ",
    " application/json",
    "\tapplication/json",
    "application/json\t",
    "application/json;;;",
    'application/json; a="b;c"',
    "application/json, text/plain",
    "application/json\tx",
    "application/json x",
    "application/jsonx",
    "application/json+x",
    "application/vnd.api+json",
    "application /json",
    "application/ json",
    "application\\json",
    "text/json",
    "text/plain",
    "Text/Plain; charset=utf-8",
    "text/plain;application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/octet-stream",
    "application/",
    "/json",
    "json",
    ";",
    "*/*",
    "undefined",
    "",
  ];
  const mustWork = new Set(types.slice(0, 3).concat("Application/JSON", "APPLICATION/JSON;CHARSET=UTF-8"));

  test.each([...types.map((type) => [type] as const), [undefined] as const])(
    "content type %j does not bypass the checks",
    async (type) => {
      const send = async (body: object) => {
        const text = JSON.stringify(body);
        const head = ["POST /create HTTP/1.1", "Host: 127.0.0.1", "Connection: close"];
        if (type !== undefined) head.push(`Content-Type: ${type}`);
        head.push(`Content-Length: ${Buffer.byteLength(text)}`);
        return exchange(`${head.join("\r\n")}\r\n\r\n${text}`);
      };
      const own = newUser();
      for (const body of [
        { user_id: { $ne: null }, key: "new_message" },
        { user_id: own, key: "new_message", admin: true },
        { user_id: own, key: "no_such_key" },
      ]) {
        const answer = await send(body);
        expect([400, 415], JSON.stringify(answer.body)).toContain(answer.status);
        const code = answer.status === 415 ? "unsupported_media_type" : "invalid_request";
        expect(answer.body).toMatchObject({ success: false, error: { code } });
      }
      expect(await users.findOne({ _id: new ObjectId(own) })).toBeNull();
      const { status } = await send({ user_id: own, key: "new_message", data: { type: String(type) } });
      if (type !== undefined && mustWork.has(type)) expect(status).toBe(201);
      else expect([201, 400, 415]).toContain(status);
      const found = await users.findOne({ _id: new ObjectId(own) });
      expect(found?.notifications?.[0].data).toStrictEqual(
        status === 201 ? { type: String(type) } : undefined,
      );
      await works();
    },
  );
});

describe("size", () => {
  const padded = (bytes: number) => JSON.stringify(good).padEnd(bytes, " ");

  test("a body of 64 KiB is accepted, one byte more is 413", async () => {
    expect((await post(padded(64 * 1024))).status).toBe(201);
    await refused(post(padded(64 * 1024 + 1)), { status: 413, code: "payload_too_large" });
    await refused(post("x".repeat(1024 * 1024)), { status: 413, code: "payload_too_large" });
  });

  test("a body without Content-Length is cut off at 64 KiB, too", async () => {
    const head =
      "POST /create HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    const chunk = `1000\r\n${" ".repeat(4096)}\r\n`;
    await refused(exchange(head + chunk.repeat(17)), { status: 413, code: "payload_too_large" });
  });

  test("data of 8 KiB as JSON is accepted, one byte more is refused with a pointer", async () => {
    const data = (bytes: number) => ({ text: "x".repeat(bytes - '{"text":""}'.length) });
    const own = newUser();
    expect((await post({ ...good, user_id: own, data: data(8192) })).status).toBe(201);
    await refused(post({ ...good, data: data(8193) }), field("/data"));
    await refused(post({ ...good, data: { text: "ü".repeat(5_000) } }), field("/data"));
    const { body } = await call(url, "GET", `/list?user_id=${own}`);
    expect(body.data.list[0].data).toStrictEqual(data(8192));
  });

  test("data nested 32 deep is accepted, 33 and 10,000 are refused", async () => {
    const objects = (depth: number) => `${'{"a":'.repeat(depth - 1)}{}${"}".repeat(depth - 1)}`;
    const lists = (depth: number) => `{"a":${"[".repeat(depth - 1)}${"]".repeat(depth - 1)}}`;
    const body = (own: string, data: string) => `{"user_id":"${own}","key":"new_message","data":${data}}`;
    for (const nested of [objects, lists]) {
      const own = newUser();
      expect((await post(body(own, nested(32)))).status).toBe(201);
      const { body: answer } = await call(url, "GET", `/list?user_id=${own}`);
      expect(answer.data.list[0].data).toStrictEqual(JSON.parse(nested(32)));
      for (const depth of [33, 101, 10_000]) {
        const { status, body: error } = await post(body(user, nested(depth)));
        expect([status, error.error.code]).toStrictEqual([400, "invalid_request"]);
        expect(error.error.details[0].pointer).toMatch(/^\/data(\/[a0]){32}$/);
        await works();
      }
    }
  });
});

describe("fields", () => {
  test.each<[string, object, string[]]>([
    ["no field at all", {}, ["/user_id", "/key"]],
    ["no user_id", { key: "new_message" }, ["/user_id"]],
    ["no key", { user_id: user }, ["/key"]],
    ["an unknown field", { ...good, title: "x" }, ["/title"]],
    ["two unknown fields", { ...good, admin: true, "a/b~c": 1 }, ["/admin", "/a~1b~0c"]],
    ["a field named $set", { ...good, $set: { a: 1 } }, ["/$set"]],
    ["a field named constructor", { ...good, constructor: 1 }, ["/constructor"]],
    ["a field named toString", { ...good, toString: 1 }, ["/toString"]],
    ["an empty name", { ...good, "": 1 }, ["/"]],
    ["user_id as a number", { ...good, user_id: 4 }, ["/user_id"]],
    ["user_id as null", { ...good, user_id: null }, ["/user_id"]],
    ["user_id as a list", { ...good, user_id: [user] }, ["/user_id"]],
    ["user_id as a query", { ...good, user_id: { $gt: "" } }, ["/user_id"]],
    ["user_id of 23 characters", { ...good, user_id: user.slice(1) }, ["/user_id"]],
    ["user_id of 25 characters", { ...good, user_id: `${user}0` }, ["/user_id"]],
    ["user_id that is not hex", { ...good, user_id: `${user.slice(1)}g` }, ["/user_id"]],
    ["user_id with a line break after it", { ...good, user_id: `${user}\n` }, ["/user_id"]],
    ["user_id with NUL", { ...good, user_id: `${user.slice(1)}\0` }, ["/user_id"]],
    ["user_id in other digits", { ...good, user_id: "１".repeat(24) }, ["/user_id"]],
    ["user_id of 12 bytes", { ...good, user_id: "abcdefghijkl" }, ["/user_id"]],
    ["an empty user_id", { ...good, user_id: "" }, ["/user_id"]],
    ["an unknown key", { ...good, key: "new_massage" }, ["/key"]],
    ["a key in capitals", { ...good, key: "NEW_MESSAGE" }, ["/key"]],
    ["a key with a blank", { ...good, key: "new_message " }, ["/key"]],
    ["key __proto__", { ...good, key: "__proto__" }, ["/key"]],
    ["key constructor", { ...good, key: "constructor" }, ["/key"]],
    ["key as a list", { ...good, key: ["new_message"] }, ["/key"]],
    ["key as null", { ...good, key: null }, ["/key"]],
    ["an empty key", { ...good, key: "" }, ["/key"]],
    ["target_id of 23 characters", { ...good, target_id: user.slice(1) }, ["/target_id"]],
    ["target_id as a number", { ...good, target_id: 1 }, ["/target_id"]],
    ["data as a list", { ...good, data: [] }, ["/data"]],
    ["data as a string", { ...good, data: "x" }, ["/data"]],
    ["data as a number", { ...good, data: 0 }, ["/data"]],
    ["data as false", { ...good, data: false }, ["/data"]],
    [
      "everything wrong at once",
      { user_id: 1, key: 2, target_id: 3, data: 4, more: 5 },
      ["/user_id", "/key", "/target_id", "/data", "/more"],
    ],
  ])("%s is refused by name", async (_what, body, pointers) => {
    await refused(post(body), field(...pointers));
  });

  test("an answer lists at most twenty problems", async () => {
    const many = Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`field${n}`, n]));
    const { status, body } = await post({ ...good, ...many });
    expect([status, body.error.details.length]).toStrictEqual([400, 20]);
    await works();
  });
});

describe("queries", () => {
  const id = "0399ea67638f394d4b7243fc";
  test.each<[string, string[]]>([
    ["GET /list", ["?user_id"]],
    ["GET /list?user_id=", ["?user_id"]],
    [`GET /list?user_id=${user.slice(1)}`, ["?user_id"]],
    [`GET /list?user_id=${user}0`, ["?user_id"]],
    [`GET /list?user_id=${user.slice(1)}x`, ["?user_id"]],
    [`GET /list?user_id=${user}%00`, ["?user_id"]],
    [`GET /list?user_id=${user}%0A`, ["?user_id"]],
    [`GET /list?user_id=${user}&user_id=${user}`, ["?user_id"]],
    [`GET /list?user_id[$ne]=1`, ["?user_id", "?user_id[$ne]"]],
    [`GET /list?user_id=${user}&limit=5&limit=6`, ["?limit"]],
    [`GET /list?user_id=${user}&skip=0&skip=0`, ["?skip"]],
    [`GET /list?user_id=${user}&skip=-1`, ["?skip"]],
    [`GET /list?user_id=${user}&skip=1.5`, ["?skip"]],
    [`GET /list?user_id=${user}&skip=1e9`, ["?skip"]],
    [`GET /list?user_id=${user}&skip=1000001`, ["?skip"]],
    [`GET /list?user_id=${user}&skip=`, ["?skip"]],
    [`GET /list?user_id=${user}&skip=abc`, ["?skip"]],
    [`GET /list?user_id=${user}&skip=null`, ["?skip"]],
    [`GET /list?user_id=${user}&skip=true`, ["?skip"]],
    [`GET /list?user_id=${user}&skip=99999999999999999999`, ["?skip"]],
    [`GET /list?user_id=${user}&limit=-1`, ["?limit"]],
    [`GET /list?user_id=${user}&limit=1001`, ["?limit"]],
    [`GET /list?user_id=${user}&limit=abc`, ["?limit"]],
    [`GET /list?user_id=${user}&limit=1.5`, ["?limit"]],
    [`GET /list?user_id=${user}&limit=NaN`, ["?limit"]],
    [`GET /list?user_id=${user}&limit=Infinity`, ["?limit"]],
    [`GET /list?user_id=${user}&limit=1e400`, ["?limit"]],
    [`GET /list?user_id=${user}&limit=`, ["?limit"]],
    [`GET /list?user_id=${user}&skip=x&limit=y`, ["?limit", "?skip"]],
    [`GET /list?user_id=${user}&offset=3`, ["?offset"]],
    [`GET /list?user_id=${user}&__proto__=1`, ["?__proto__"]],
    [`GET /list?user_id=${user}&constructor=1`, ["?constructor"]],
    ["POST /read", ["?user_id", "?notification_id"]],
    [`POST /read?user_id=${user}`, ["?notification_id"]],
    [`POST /read?notification_id=${id}`, ["?user_id"]],
    [`POST /read?user_id=${user}&notification_id=${id}0`, ["?notification_id"]],
    [`POST /read?user_id=${user}&notification_id=all`, ["?notification_id"]],
    [`POST /read?user_id=${user}&notification_id=${id}&notification_id=${id}`, ["?notification_id"]],
    [`POST /read?user_id=${user}&notification_id[$gt]=`, ["?notification_id", "?notification_id[$gt]"]],
    [`POST /read?user_id=${user}&notification_id=${id}&all=1`, ["?all"]],
  ])("%s is refused with the parameter's name", async (request, pointers) => {
    const [method, path] = request.split(" ") as [string, string];
    await refused(call(url, method, path), field(...pointers));
  });

  test.each([
    ["skip=0&limit=0", 0, 0],
    ["skip=1000000&limit=1000", 1_000_000, 1000],
    ["limit=1", 0, 1],
  ])("%s is accepted", async (query, skip, limit) => {
    const { status, body } = await call(url, "GET", `/list?user_id=${newUser()}&${query}`);
    expect(status).toBe(200);
    expect(body.data.request).toMatchObject({ skip, limit });
  });

  test.each(["/list?user_id=%", "/list?user_id=%zz", "/%zz", "/list/%c0%ae", `/${"a".repeat(3_000)}`])(
    "a broken or very long path is a 4xx: %.30s",
    async (path) => {
      const { status, body } = await call(url, "GET", path);
      expect([400, 404, 414]).toContain(status);
      const { code } = body.success === false ? body.error : body;
      expect(["invalid_request", "not_found"]).toContain(code);
      await works();
    },
  );
});

describe("data is stored unchanged", () => {
  const odd: Record<string, unknown> = {
    $set: { admin: true },
    "$set.a": 1,
    $where: "sleep(1000)",
    $oid: "638f394d4b7243fc0399ea67",
    oid: { $oid: "638f394d4b7243fc0399ea67" },
    date: { $date: "2020-01-01T00:00:00Z" },
    long: { $numberLong: "5" },
    ref: { $ref: "#/definitions/a.b" },
    id: { $id: "1", $db: "x" },
    literal: { $literal: { $literal: 1 } },
    "a.b.c": "dots",
    ".": ".",
    "a..b": 1,
    "": "empty",
    " ": "blank",
    deep: { "": { "": [{ "": "" }] } },
    constructor: "x",
    prototype: { constructor: null },
    toBSON: "x",
    toJSON: "x",
    toString: "x",
    valueOf: [{}, { a: [{ hasOwnProperty: [{}] }] }],
    toLocaleString: { isPrototypeOf: [[{}]] },
    hasOwnProperty: false,
    length: -1,
    email: "$email",
    root: "$$ROOT",
    remove: "$$REMOVE",
    now: ["$$NOW", "$rev", "$notifications.0.id", "{{ key }}", "{% raw %}"],
    "10": "numeric key",
    "-1": [],
    emptyList: [],
    emptyObject: {},
    nothing: null,
    yes: true,
    nul: "a\0b",
    controls: "\u0001\u001f\u007f\u0085\u2028\u2029",
    unicode: "ünï © 漢字 😀 \ud83d\ude00 e\u0301 \ufffd \ufeff \uffff",
    numbers: [0, 1, -1, 0.1, 2 ** 31 - 1, 2 ** 31, -(2 ** 31) - 1, 2 ** 53 - 1, 1 - 2 ** 53],
    more: [1e308, -1e308, 5e-324, 1.7976931348623157e308, 1e21, 1e-7],
    mixed: [1, "1", null, [[]], [{}], { a: [{ b: [] }] }],
    crlf: "a\r\nBcc: someone@example.org",
    html: "<script>alert(1)</script>&amp;",
  };

  /** `toStrictEqual` takes a value's `constructor` for its type. */
  const same = (found: unknown, wanted: unknown) =>
    expect(isDeepStrictEqual(found, wanted), JSON.stringify(found)).toBe(true);

  /** By default the driver looks names up in `{}`, finds `valueOf` and gives raw bytes for a list under that name. */
  const toTheLetter = { fieldsAsRaw: Object.create(null) };

  test("with any names and strings", async () => {
    const own = newUser();
    expect((await post({ ...good, user_id: own, data: odd })).status).toBe(201);
    const { body } = await call(url, "GET", `/list?user_id=${own}`);
    same(body.data.list[0].data, odd);
    const found = await users.findOne({ _id: new ObjectId(own) }, toTheLetter);
    same(found.notifications[0].data, odd);
    expect(Object.keys(found).sort()).toStrictEqual([
      "_id",
      "email",
      "notifications",
      "phone",
      "removedBefore",
      "rev",
    ]);
  });

  test("with each of them alone", async () => {
    for (const [name, value] of Object.entries(odd)) {
      const own = newUser();
      const data = { [name]: value };
      expect((await post({ ...good, user_id: own, data })).status, name).toBe(201);
      const { body } = await call(url, "GET", `/list?user_id=${own}`);
      same(body.data.list[0].data, data);
    }
  });

  test("in a type that is also sent as e-mail, and after it was read", async () => {
    const own = newUser();
    expect((await post({ ...good, user_id: own, key: "new_login", data: odd })).status).toBe(201);
    const delivery = await db.collection("deliveries").findOne({ user: new ObjectId(own) }, toTheLetter);
    same(delivery?.content.data, odd);
    const [{ id }] = (await call(url, "GET", `/list?user_id=${own}`)).body.data.list;
    expect((await call(url, "POST", `/read?user_id=${own}&notification_id=${id}`)).status).toBe(200);
    const { body } = await call(url, "GET", `/list?user_id=${own}`);
    expect(body.data.list[0]).toMatchObject({ is_new: false });
    same(body.data.list[0].data, odd);
  });

  test("-0 comes back as 0, as in JSON", async () => {
    const own = newUser();
    const text = `{"user_id":"${own}","key":"new_message","data":{"zero":-0}}`;
    expect((await post(text)).status).toBe(201);
    const { body } = await call(url, "GET", `/list?user_id=${own}`);
    expect(body.data.list[0].data).toEqual({ zero: 0 });
  });

  test.each<[string, string, string]>([
    ["a name with NUL", '{"a\\u0000b":1}', "/data/a\0b"],
    ["a name that is NUL, further in", '{"a":[{"\\u0000":1}]}', "/data/a/0/\0"],
    ["_bsontype", '{"_bsontype":"ObjectId","id":"x"}', "/data/_bsontype"],
    ["_bsontype further in", '{"a":{"b":[{"_bsontype":"Long"}]}}', "/data/a/b/0/_bsontype"],
    ["what MongoDB takes for a reference", '{"a":{"$ref":"a.b","$id":1}}', "/data/a/$ref"],
    ["half a surrogate pair", '{"a":"x\\ud800"}', "/data/a"],
    ["the other half", '{"a":["\\udc00x"]}', "/data/a/0"],
    ["halves in the wrong order", '{"a":{"b":"\\ude00\\ud83d"}}', "/data/a/b"],
    ["half a pair in a name", '{"\\ud800":1}', "/data/\ufffd"],
    ["1e400", '{"a":1e400}', "/data/a"],
    ["-1e400 in a list", '{"a":[0,-1e400]}', "/data/a/1"],
  ])("a value that cannot be stored exactly is refused with a pointer: %s", async (_what, data, pointer) => {
    const { status, body } = await post(`{"user_id":"${user}","key":"new_message","data":${data}}`);
    const pointers = body.error?.details?.map((one: { pointer: string }) => one.pointer.toWellFormed());
    expect([status, body.error?.code, pointers]).toStrictEqual([400, "invalid_request", [pointer]]);
    await works();
  });

  test("arbitrary data is refused with a 4xx or comes back equal", async () => {
    const oddName = fc.constantFrom(
      ...Object.keys(odd).filter((name) => name.length < 12),
      ...["__proto__", "_bsontype", "a\0", "\ud800", "$", "0"],
    );
    const anyText = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => String.fromCharCode(...units)),
      fc.constantFrom("$email", "$$ROOT", "\0", "\udc00"),
    );
    const { value: anyValue } = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: "small", withCrossShrink: true },
        anyText,
        fc.oneof(
          fc.integer(),
          fc.double(),
          fc.constantFrom(-0, 2 ** 53 - 1, 1e308),
          fc.boolean(),
          fc.constant(null),
        ),
        fc.array(tie("value"), { maxLength: 4 }),
        fc.dictionary(fc.oneof({ weight: 4, arbitrary: fc.string() }, oddName), tie("value"), { maxKeys: 4 }),
      ),
    }));
    const name = fc.oneof(
      { weight: 6, arbitrary: fc.string({ unit: "grapheme" }) },
      { weight: 1, arbitrary: anyText },
      { weight: 1, arbitrary: oddName },
    );
    const anyData = fc.dictionary(name, anyValue, { maxKeys: 5 });
    let taken = 0;
    let turnedDown = 0;
    await fc.assert(
      fc.asyncProperty(anyData, async (data) => {
        const own = newUser();
        const text = JSON.stringify({ user_id: own, key: "new_message", data });
        const { status, body } = await post(text);
        if (status !== 201) {
          turnedDown++;
          expect([400, 413]).toContain(status);
          expect(body).toMatchObject({ success: false, error: { code: expect.stringMatching(/^invalid_/) } });
          expect(await users.countDocuments({ _id: new ObjectId(own) })).toBe(0);
          return;
        }
        taken++;
        const { body: answer } = await call(url, "GET", `/list?user_id=${own}`);
        expect(isDeepStrictEqual(answer.data.list[0].data, JSON.parse(text).data)).toBe(true);
      }),
      { numRuns: 200 },
    );
    expect(taken).toBeGreaterThan(50);
    expect(turnedDown).toBeGreaterThan(5);
    await works();
  });
});

describe("content of an e-mail", () => {
  // Its own database: the service above captures what it finds in the other.
  const mail = freshDatabase();
  const folder = mkdtempSync(join(tmpdir(), "belfry-types-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const typesFile = join(folder, "types.json");
  writeFileSync(
    typesFile,
    JSON.stringify({
      hello: {
        inbox: false,
        channels: {
          email: {
            subject: "Hello {{ data.name }}",
            text: "{{ data.name }}",
            html: "<p>{{ data.name }}</p>",
          },
        },
      },
    }),
  );

  const evilNames = [
    "Eve\r\nBcc: victim@users.example",
    "Eve\nBcc: victim@users.example\nX-Evil: 1",
    "Eve\rBcc: victim@users.example",
    "Eve\r\n\r\n<h1>another body</h1>",
    "Eve\u2028Bcc: victim@users.example",
    "Eve\u0085Bcc: victim@users.example",
    "Eve\u000bBcc: victim@users.example\0",
    "Éve\r\nBcc: victim@users.example",
    `${"long ".repeat(300)}\r\nBcc: victim@users.example`,
  ];
  test.each(evilNames.map((name) => [name.slice(0, 40), name] as const))(
    "cannot add a header: %j",
    async (_start, name) => {
      const smtp = await startSmtp();
      const app = await startService({
        DB_URI: mail.uri,
        ...smtp.variables,
        EMAIL: "reader@users.example",
        NOTIFICATION_TYPES_FILE: typesFile,
      });
      const own = newUser();
      const created = await call(app.url, "POST", "/create", { user_id: own, key: "hello", data: { name } });
      expect(created.status).toBe(201);
      const received = await eventually(() => smtp.mails[0], "the mail");
      const [head = ""] = received.raw.split("\r\n\r\n");
      // A header goes on in lines that begin with a blank.
      const headers = head.replace(/\r\n[ \t]+/g, " ").split("\r\n");
      const names = headers.map((line) => line.split(":")[0]?.toLowerCase());
      expect(names.sort()).toStrictEqual(
        [
          "auto-submitted",
          "content-type",
          "date",
          "from",
          "message-id",
          "mime-version",
          "subject",
          "to",
        ].sort(),
      );
      expect(head).not.toMatch(/[^\r]\n|\r[^\n]/);
      expect(headers.find((line) => line.startsWith("To:"))).toBe("To: reader@users.example");
      expect(received.to).toBe("reader@users.example");
      expect(smtp.mails.length).toBe(1);
      await app.close();
      await smtp.close();
    },
  );

  test.each([
    "a@users.example\r\nBcc: victim@users.example",
    "a@users.example, victim@users.example",
    "<victim@users.example> a@users.example",
    "a@users.example\0",
    "no address",
  ])("a stored address that is more than one address gets no mail: %j", async (email) => {
    const smtp = await startSmtp();
    const app = await startService({ DB_URI: mail.uri, ...smtp.variables });
    const own = newUser();
    await mail.db.collection("users").insertOne({ _id: new ObjectId(own), email });
    const created = await call(app.url, "POST", "/create", { user_id: own, key: "registration" });
    expect(created.status).toBe(201);
    const delivery = await eventually(
      () =>
        mail.db
          .collection("deliveries")
          .findOne({ user: new ObjectId(own), state: "failed" })
          .then((d) => d ?? undefined),
      "the delivery to fail",
    );
    expect(delivery.reason).toBe("address");
    expect(smtp.mails).toStrictEqual([]);
    await app.close();
    await smtp.close();
  });
});

describe("connections", () => {
  const open: Socket[] = [];
  afterEach(() => {
    for (const socket of open.splice(0)) socket.destroy();
  });
  async function dial(text: string | Buffer): Promise<Socket> {
    const socket = connect(Number(new URL(url).port), "127.0.0.1");
    open.push(socket);
    socket.on("error", () => {});
    await once(socket, "connect");
    await new Promise((resolve) => socket.write(text, resolve));
    return socket;
  }

  const halves = [
    "",
    "POST",
    "POST /create HTTP/1.1\r\n",
    "POST /create HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n",
    'POST /create HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"user_id":',
    "POST /create HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{",
    "POST /read?user_id=1 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\nabc",
  ];

  test("forty half requests do not delay other requests", async () => {
    for (let n = 0; n < 40; n++) await dial(halves[n % halves.length]!);
    await works();
    expect(open.some((socket) => !socket.destroyed)).toBe(true);
  });

  test.each(halves)("half a request and a closed connection do no harm: %j", async (half) => {
    const ended = await dial(half);
    ended.end();
    ended.resume();
    await once(ended, "close");
    const reset = await dial(half);
    reset.resetAndDestroy();
    await works();
  });

  test.each<[string, string | Buffer]>([
    ["random bytes", Buffer.from(Array.from({ length: 4096 }, (_, n) => (n * 167 + 13) % 256))],
    ["a TLS greeting", Buffer.from("16030100a5010000a1030300", "hex")],
    ["an HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    ["an unknown method", "BREW /create HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"],
    ["a size that is no number", "POST /create HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: x\r\n\r\n{}"],
    [
      "two sizes",
      "POST /create HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    ],
    [
      "a size and chunks",
      "POST /create HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    [
      "a bad chunk",
      "POST /create HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    ["no Host", "GET /list HTTP/1.1\r\n\r\n"],
    ["NUL in the path", "GET /li\0st HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"],
    ["NUL in a header", "GET /list HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: a\0b\r\n\r\n"],
    ["a path without a slash", "GET list HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"],
  ])("%s is refused, and other requests are served", async (what, bytes) => {
    const answer = await exchange(bytes);
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.status).toBeLessThan(500);
    // Node answers this one itself, without a body.
    if (what !== "no Host") expect(answer.body.code ?? answer.body.error.code).toMatch(/^[a-z_]+$/);
    await works();
  });

  test("headers of 64 KiB get 431", async () => {
    const { status } = await exchange(
      `GET /list HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Big: ${"x".repeat(65_536)}\r\n\r\n`,
    );
    expect(status).toBe(431);
    await works();
  });
});

/** Sends bytes as they are and reads the first answer. */
async function exchange(bytes: string | Buffer): Promise<Answer> {
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  const chunks: Buffer[] = [];
  socket.on("data", (chunk) => chunks.push(chunk));
  socket.on("error", () => {});
  socket.write(bytes);
  const text = () => Buffer.concat(chunks).toString("utf8");
  try {
    return await eventually(() => {
      const [, status, head, rest] = /^HTTP\/1\.1 (\d{3})[^\r]*\r\n(.*?)\r\n\r\n(.*)$/s.exec(text()) ?? [];
      const length = Number(/^content-length: (\d+)/im.exec(head ?? "")?.[1] ?? 0);
      if (rest === undefined || Buffer.byteLength(rest) < length) return undefined;
      const json = /^content-type: [^\r]*json/im.test(head ?? "");
      return { status: Number(status), body: json ? JSON.parse(rest) : rest, headers: new Headers() };
    }, "an answer");
  } finally {
    socket.destroy();
  }
}
