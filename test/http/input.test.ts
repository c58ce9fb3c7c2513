import { gzipSync } from "node:zlib";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startApp } from "../../src/app.ts";
import { loadConfig } from "../../src/config/load.ts";
import { createBelfry } from "../../src/library.ts";
import { freshDatabase } from "../support/database.ts";
import { type Answer, call } from "../support/http.ts";

// What a first client sends: nulls, long numbers, odd ids, other content types.

const { uri, db, client } = freshDatabase();
const hex = "638f394d4b7243fc0399ea67";
let url = "";
let close = async () => {};
beforeAll(async () => {
  const app = await startApp(loadConfig({ PORT: "0", DB_URI: uri }).config, pino({ level: "silent" }));
  url = app.url ?? "";
  close = app.close;
});
afterAll(() => close());

const post = (path: string, body: unknown, headers?: Record<string, string>) =>
  call(url, "POST", path, body, headers);
const problemsOf = ({ body }: Answer): Array<{ pointer: string; detail: string }> =>
  body.errors ?? body.details ?? body.error.details;

describe("an integer that JavaScript cannot hold", () => {
  test.each([
    ["/create", `{"user_id":"${hex}","key":"new_message","data":{"order":9007199254740993}}`, "/data/order"],
    [
      "/v1/notifications",
      '{"recipients":["a"],"type":"new_message","data":{"a":[{"b":-12345678901234567890}]}}',
      "/data/a/0/b",
    ],
    ["/v1/types/new_post/preview", '{"data":{"n":1e400}}', "/data/n"],
    ["/notification/", '{"title":"x","receiver_user_id":9007199254740993}', "/receiver_user_id"],
  ])("POST %s refuses it, and says to send a string", async (path, body, pointer) => {
    const answer = await post(path, body);
    expect(answer.status).toBe(400);
    expect(problemsOf(answer)).toStrictEqual([
      { pointer, detail: expect.stringMatching(/send it as a string$/) },
    ]);
  });

  test("POST /notifications refuses it as user_id", async () => {
    const { status, body } = await post(
      "/notifications",
      '{"user_id":9007199254740993,"notification_type":"in-app","content":"x"}',
    );
    expect([status, body.error]).toStrictEqual([
      400,
      expect.stringMatching(/^`user_id` is a number.*send it as a string\.$/),
    ]);
  });

  test("the largest exact one, and a string, come back as they were sent", async () => {
    const data =
      '{"max":9007199254740991,"min":-9007199254740991,"text":"9007199254740993","pi":3.141592653589793}';
    expect(
      (await post("/v1/notifications", `{"recipients":["exact"],"type":"new_message","data":${data}}`))
        .status,
    ).toBe(201);
    const { body } = await call(url, "GET", "/v1/users/exact/inbox");
    expect(body.items[0].data).toStrictEqual(JSON.parse(data));
  });

  test("the library refuses a BigInt", async () => {
    const belfry = createBelfry({ client, database: db.databaseName });
    const bad = belfry.notify({ user: "a", type: "new_message", data: { order: 9007199254740993n } });
    await expect(bad).rejects.toThrow("`order` is a BigInt, which JSON does not have; give it as a string.");
    await belfry.close();
  });
});

describe("null in an optional field", () => {
  test.each([
    ["/create", { user_id: hex, key: "new_message", target_id: null, data: null }],
    [
      "/v1/notifications",
      {
        recipients: ["n"],
        type: "new_message",
        title: null,
        body: null,
        data: null,
        target_id: null,
        channels: null,
      },
    ],
    ["/notification/", { title: "x", receiver_user_id: "n", description: null, identifier: null }],
    ["/v1/users/n/inbox/read-all", { up_to_rev: null }],
    ["/v1/types/new_post/preview", { title: null, body: null, data: null, target_id: null }],
    [
      "/v1/deliveries/redrive",
      {
        user_id: null,
        status: null,
        from: null,
        to: null,
        dry_run: null,
        cursor: null,
        channel: null,
        reason: null,
        type: null,
      },
    ],
  ])("POST %s takes it as absent", async (path, body) => {
    const { status, body: answer } = await post(path, body);
    expect(status, JSON.stringify(answer)).toBeLessThan(300);
  });

  test("stores nothing of it", async () => {
    await post("/v1/notifications", { recipients: ["nulls"], type: "new_message", title: null, data: null });
    const { body } = await call(url, "GET", "/v1/users/nulls/inbox");
    expect(Object.keys(body.items[0])).not.toEqual(expect.arrayContaining(["title"]));
    expect(body.items[0]).not.toHaveProperty("data");
  });

  test("keeps a null inside data", async () => {
    await post("/v1/notifications", { recipients: ["inner"], type: "new_message", data: { a: null } });
    const { body } = await call(url, "GET", "/v1/users/inner/inbox");
    expect(body.items[0].data).toStrictEqual({ a: null });
  });

  test("PUT and PATCH clear the field", async () => {
    const full = { email: "a@example.com", phone: "+12025550100", locale: "de", time_zone: "UTC" };
    const path = "/v1/users/cleared";
    const none = { email: null, phone: null, locale: null, time_zone: null, webhook: null };
    for (const method of ["PUT", "PATCH"]) {
      expect((await call(url, "PUT", path, full)).body).toStrictEqual({ id: "cleared", ...full });
      const cleared = await call(url, method, path, none);
      expect([cleared.status, cleared.body]).toStrictEqual([200, { id: "cleared" }]);
    }
  });

  test("the library takes it as absent", async () => {
    const belfry = createBelfry({ client, database: db.databaseName });
    await belfry.notify({ user: "lib", type: "new_message", title: null, data: null } as never);
    expect((await belfry.inbox.list({ user: "lib", after: null } as never)).items[0]).not.toHaveProperty(
      "title",
    );
    await belfry.close();
  });

  test("a required field is not optional", async () => {
    const answer = await post("/create", { user_id: null, key: "new_message" });
    expect([answer.status, problemsOf(answer)]).toStrictEqual([
      400,
      [{ pointer: "/user_id", detail: "must be text, not null" }],
    ]);
  });
});

describe("an id that nobody can see or reach", () => {
  const blank = [
    " ",
    "   ",
    "\u00a0",
    "\u200b",
    "\u200d\ufeff",
    "\u2060",
    "\u00ad",
    "\u3000",
    "\u2028",
    "\u2800",
    "\u3164",
    "\u115f",
    "\ufe0f",
    "\u{e0020}",
    "\t",
    "a\u0000",
    "a\nb",
    ".",
    "..",
  ];
  test.each(blank.map((id) => [JSON.stringify(id), id]))("%s is refused everywhere", async (_shown, id) => {
    const segment = id.startsWith(".") ? id.replaceAll(".", "%2E") : encodeURIComponent(id);
    // `fetch` resolves `%2E` in a path, too.
    const reachable = !id.startsWith(".");
    const answers = [
      await post("/v1/notifications", { recipients: ["ok", id], type: "new_message" }),
      await post("/notification/", { title: "x", receiver_user_id: id }),
      await call(url, "GET", `/v1/deliveries?user_id=${segment}`),
      await call(url, "GET", `/v1/suppressions?user_id=${segment}`),
      ...(reachable
        ? [
            await call(url, "GET", `/v1/users/${segment}`),
            await call(url, "PUT", `/v1/users/${segment}`, {}),
            await call(url, "DELETE", `/v1/users/${segment}`),
            await call(url, "GET", `/v1/users/${segment}/inbox`),
            await call(url, "GET", `/v1/users/a/inbox/${segment}`),
            await call(url, "GET", `/notification/${segment}`),
            await call(url, "DELETE", `/v1/suppressions/${segment}/email`),
          ]
        : []),
    ];
    for (const answer of answers) expect(answer.status, JSON.stringify(answer.body)).toBe(400);
    const belfry = createBelfry({ client, database: db.databaseName });
    await expect(belfry.notify({ user: id, type: "new_message" })).rejects.toThrow(
      "`user` must have a visible character",
    );
    await belfry.close();
  });

  test.each(["a b", "…", "...", ".a", "👩‍👩‍👧", "é", "می‌خواهم", "-", "0", "$"])("%s is an id", async (id) => {
    expect((await post("/v1/notifications", { recipients: [id], type: "new_message" })).status).toBe(201);
    expect((await call(url, "GET", `/v1/users/${encodeURIComponent(id)}/inbox`)).body.total).toBe(1);
  });
});

describe("a body that is not sent as JSON", () => {
  const text = JSON.stringify({ user_id: hex, key: "new_message" });
  test.each([
    "text/plain",
    "text/plain; charset=utf-8",
    "TEXT/PLAIN",
    "application/x-www-form-urlencoded",
    "application/octet-stream",
    "application/jsonx",
    "text/json",
  ])("as %s is 415, and the answer names the right type", async (type) => {
    for (const path of ["/create", "/notification", "/notifications", "/v1/notifications"]) {
      const { status, body } = await post(path, text, { "content-type": type });
      expect([status, JSON.stringify(body)], path).toStrictEqual([
        415,
        expect.stringContaining("Content-Type: application/json"),
      ]);
    }
  });

  test("without a content type is 415", async () => {
    const { status, body } = await call(url, "POST", "/create", undefined, {});
    expect([status, body.error.message]).toStrictEqual([400, "The body is missing; send one JSON object."]);
    const bytes = new Blob([text]);
    const answer = await fetch(`${url}/create`, { method: "POST", body: bytes });
    expect([answer.status, ((await answer.json()) as { error: { code: string } }).error.code]).toStrictEqual([
      415,
      "unsupported_media_type",
    ]);
  });

  test.each(["gzip", "GZIP", "deflate", "br", "zstd", "x"])(
    "compressed as %s is 415, and the answer says to send it uncompressed",
    async (encoding) => {
      for (const path of [
        "/create",
        "/notification",
        "/notifications",
        "/v1/notifications",
        "/v1/users/a/inbox/read-all",
      ]) {
        const { status, body } = await post(path, gzipSync(text), { "content-encoding": encoding });
        expect([status, JSON.stringify(body)], path).toStrictEqual([
          415,
          expect.stringContaining("Send it uncompressed."),
        ]);
      }
      expect((await post("/create", text, { "content-encoding": "identity" })).status).toBe(201);
    },
  );
});
