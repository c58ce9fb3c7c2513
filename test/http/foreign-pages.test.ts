import { describe, expect, test } from "vitest";
import { freshDatabase } from "../support/database.ts";
import { call } from "../support/http.ts";
import { startService } from "../support/service.ts";

// Pages of other origins can send these requests without a preflight: a form, or a `fetch` that needs none.

const { uri } = freshDatabase();
const listed = "https://app.example";
const key = "a-key-of-more-than-16-characters";
const start = (more: Record<string, string> = {}) =>
  startService({ DB_URI: uri, EMAIL: "pages@example.com", ALLOWED_ORIGINS: listed, ...more });
const form = { "content-type": "application/x-www-form-urlencoded" };
const multipart = { "content-type": "multipart/form-data; boundary=x" };
const text = { "content-type": "text/plain" };

let made = 0;
/** A user with one unread item. */
async function somebody(url: string, headers: Record<string, string> = {}) {
  const user = (0xabc000000000000000000000n + BigInt(++made)).toString(16);
  const created = await call(url, "POST", "/create", { user_id: user, key: "new_message" }, headers);
  expect(created.status).toBe(201);
  const look = async () => (await call(url, "GET", `/v1/users/${user}/inbox`, undefined, headers)).body;
  const [{ id }] = (await look()).items;
  return { user, id: id as string, look };
}

describe.each([
  ["without API_KEYS", {}],
  ["with AUTH=off", { AUTH: "off" }],
])("%s", (_name, more) => {
  test("a page of another origin can change nothing on any route", async () => {
    const { url } = await start(more);
    const { user, id, look } = await somebody(url);
    const before = await look();
    const calls: Array<[string, string, string | undefined, Record<string, string>]> = [
      ["POST", `/read?user_id=${user}&notification_id=${id}`, undefined, {}],
      ["POST", `/v1/users/${user}/inbox/read-all`, undefined, {}],
      ["POST", `/v1/users/${user}/inbox/${id}/archive`, "--x--", multipart],
      ["POST", `/v1/users/${user}/inbox/${id}/read`, "a=b", form],
      ["POST", `/v1/users/${user}/token`, "", text],
      ["POST", "/create", JSON.stringify({ user_id: user, key: "new_message" }), text],
      ["POST", "/notification", JSON.stringify({ title: "x", receiver_user_id: user }), text],
      ["DELETE", `/v1/users/${user}`, undefined, {}],
      ["PATCH", `/notification/read?notification_id=${id}`, undefined, {}],
    ];
    for (const origin of ["https://evil.example", "null", "http://localhost:1", "", `${url}.evil.example`])
      for (const [method, path, body, headers] of calls) {
        const answer = await call(url, method, path, body, { ...headers, origin });
        const code = answer.body.code ?? answer.body.error?.code;
        expect([answer.status, code], `${origin} ${method} ${path}`).toEqual([403, "foreign_host"]);
      }
    expect(await look()).toEqual(before);
  });

  test("our own pages, pages of listed origins and programs can change an inbox", async () => {
    const { url } = await start(more);
    for (const headers of [{ origin: new URL(url).origin }, { origin: listed }, {}]) {
      const { user, look } = await somebody(url);
      const { status } = await call(url, "POST", `/v1/users/${user}/inbox/read-all`, undefined, headers);
      expect([status, (await look()).unread]).toEqual([200, 0]);
    }
  });

  test("a GET is answered, but the page cannot read it; an unknown path is 404 for GET and 403 for POST", async () => {
    const { url } = await start(more);
    const { user } = await somebody(url);
    const origin = "https://evil.example";
    const answer = await call(url, "GET", `/list?user_id=${user}`, undefined, { origin });
    expect([answer.status, answer.headers.get("access-control-allow-origin")]).toEqual([200, null]);
    expect((await call(url, "GET", "/nothing", undefined, { origin })).status).toBe(404);
    expect((await call(url, "POST", "/nothing", undefined, { origin })).status).toBe(403);
  });

  test("a provider's callback is checked by its signature, not by its Origin", async () => {
    const mailgun = { MAILGUN_API_KEY: "a", MAILGUN_DOMAIN: "mail.example", MAILGUN_SIGNING_KEY: "b" };
    const { url } = await start({ ...more, ...mailgun });
    const signature = { timestamp: "1", token: "t".repeat(50), signature: "0".repeat(64) };
    const body = { signature, "event-data": { event: "delivered" } };
    const origin = "https://evil.example";
    const { status } = await call(url, "POST", "/v1/callbacks/mailgun", body, { origin });
    expect(status).toBe(406);
  });
});

test("with API_KEYS only the key decides, not the origin", async () => {
  const { url } = await start({ API_KEYS: key });
  const authorization = `Bearer ${key}`;
  const { user, look } = await somebody(url, { authorization });
  const origin = "https://evil.example";
  const readAll = (headers: Record<string, string>) =>
    call(url, "POST", `/v1/users/${user}/inbox/read-all`, undefined, { origin, ...headers });
  expect((await readAll({})).status).toBe(401);
  expect((await look()).unread).toBe(1);
  expect((await readAll({ authorization })).status).toBe(200);
});
