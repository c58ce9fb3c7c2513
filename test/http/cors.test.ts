import { describe, expect, test } from "vitest";
import { createOriginRule } from "../../src/http/origins.ts";
import { freshDatabase } from "../support/database.ts";
import { type Answer, call } from "../support/http.ts";
import { spawnService, startService } from "../support/service.ts";

// Which pages of other origins may call, as their browser asks and reads it.

const { uri } = freshDatabase();
const key = "a-key-of-more-than-16-characters";
const page = "https://app.example";
const user = "638f394d4b7243fc0399ea67";
const start = (more: Record<string, string> = {}) =>
  startService({ DB_URI: uri, API_KEYS: key, ALLOWED_ORIGINS: `${page},http://localhost:5173`, ...more });

const cors = ({ headers }: Answer) =>
  Object.fromEntries([...headers].filter(([name]) => name.startsWith("access-control-") || name === "vary"));
const preflight = (url: string, path: string, method: string, origin = page) =>
  call(url, "OPTIONS", path, undefined, {
    origin,
    "access-control-request-method": method,
    "access-control-request-headers": "authorization,content-type",
  });
const from = (origin: string, bearer?: string) => ({
  origin,
  ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }),
});

const userFacing: Array<[string, string]> = [
  ["GET", `/list?user_id=${user}`],
  ["POST", `/read?user_id=${user}&notification_id=${user}`],
  ["GET", "/users/4/notifications"],
];
const docs = ["/openapi.json", "/asyncapi.json", "/docs", "/docs/json"];
const others: Array<[string, string]> = [
  ["POST", "/create"],
  ["POST", "/notifications"],
  ["GET", "/v1/deliveries"],
  ["POST", `/v1/deliveries/${user}/retry`],
  ["POST", "/v1/users/alex/token"],
  ["GET", "/metrics"],
  ["GET", "/livez"],
  ["GET", "/nothing"],
];

describe("a page of an allowed origin", () => {
  test.each(userFacing)("%s %s: may ask, without a key for the question", async (method, path) => {
    const app = await start();
    for (const origin of [page, "http://localhost:5173"]) {
      const answer = await preflight(app.url, path, method, origin);
      expect([answer.status, answer.body]).toStrictEqual([204, ""]);
      expect(cors(answer)).toStrictEqual({
        "access-control-allow-origin": origin,
        "access-control-allow-methods": method === "GET" ? "GET, HEAD" : method,
        "access-control-allow-headers": "Authorization, Content-Type, Idempotency-Key, Last-Event-ID",
        "access-control-max-age": "600",
        vary: "Origin",
      });
    }
  });

  test.each(userFacing)("%s %s: may read the answer, and why it was refused", async (method, path) => {
    const app = await start();
    for (const bearer of [key, "wrong", undefined]) {
      const answer = await call(app.url, method, path, undefined, from(page, bearer));
      expect(answer.status === 401, String(bearer)).toBe(bearer !== key);
      expect(cors(answer)).toStrictEqual({
        "access-control-allow-origin": page,
        "access-control-expose-headers": "Date, Link, Retry-After, Idempotent-Replayed",
        vary: "Origin",
      });
    }
  });

  test("may change what is the user's, and not what lies beside it", async () => {
    const app = await start();
    const item = await preflight(app.url, `/v1/users/alex/inbox/${user}`, "DELETE");
    expect([item.status, cors(item)["access-control-allow-methods"]]).toStrictEqual([
      204,
      "DELETE, GET, HEAD",
    ]);
    const profile = await preflight(app.url, "/v1/users/alex", "DELETE");
    expect([profile.status, cors(profile)]).toStrictEqual([401, {}]);
  });

  test("may listen to events and to Socket.IO", async () => {
    const app = await start();
    for (const path of ["/v1/users/alex/events", "/socket.io/?EIO=4&transport=polling"]) {
      const response = await fetch(app.url + path, { headers: from(page, key) });
      await response.body?.cancel();
      expect([response.status, response.headers.get("access-control-allow-origin")]).toStrictEqual([
        200,
        page,
      ]);
    }
  });

  test("may read the documents", async () => {
    const app = await start();
    for (const path of docs) {
      const answer = await call(app.url, "GET", path, undefined, from(page));
      expect([answer.status, cors(answer)["access-control-allow-origin"]]).toStrictEqual([200, page]);
      expect((await preflight(app.url, path, "GET")).status).toBe(204);
    }
  });

  test.each(others)("%s %s: may neither ask nor read: it is for programs", async (method, path) => {
    const app = await start();
    const asked = await preflight(app.url, path, method);
    expect([asked.status, cors(asked)]).toStrictEqual([401, {}]);
    expect(cors(await call(app.url, method, path, undefined, from(page, key)))).toStrictEqual({});
  });

  test("may call a service that answers without a key under loopback names alone", async () => {
    const app = await start({ API_KEYS: "" });
    const [[method, path]] = userFacing as [[string, string]];
    expect((await preflight(app.url, path, method)).status).toBe(204);
    const answer = await call(app.url, method, path, undefined, from(page));
    expect([answer.status, cors(answer)["access-control-allow-origin"]]).toStrictEqual([200, page]);
    // Else any page could notify anybody.
    const asked = await preflight(app.url, "/create", "POST");
    expect([asked.status, cors(asked)]).toStrictEqual([405, {}]);
  });
});

describe("a page of another origin", () => {
  test.each([
    "https://app.example.evil.example",
    "https://evil-app.example",
    "http://app.example",
    "https://app.example:8443",
    "HTTPS://APP.EXAMPLE",
    "https://app.example/",
    "null",
    "*",
    "",
  ])("%s may not", async (origin) => {
    const app = await start();
    for (const [method, path] of userFacing) {
      const asked = await preflight(app.url, path, method, origin);
      expect([asked.status, cors(asked)]).toStrictEqual([401, { vary: "Origin" }]);
      const answer = await call(app.url, method, path, undefined, from(origin, key));
      expect(cors(answer)).toStrictEqual({ vary: "Origin" });
    }
  });

  test("a cache keeps the answers to different origins apart, also the answer to none", async () => {
    const app = await start();
    const answer = await call(app.url, "GET", `/list?user_id=${user}`, undefined, {
      authorization: `Bearer ${key}`,
    });
    expect(cors(answer)).toStrictEqual({ vary: "Origin" });
  });
});

describe("ALLOWED_ORIGINS", () => {
  test("*: every page may, of origin null too", async () => {
    const app = await start({ ALLOWED_ORIGINS: "*" });
    for (const origin of [page, "null", "https://else.example"]) {
      const asked = await preflight(app.url, `/list?user_id=${user}`, "GET", origin);
      expect([asked.status, cors(asked)["access-control-allow-origin"]]).toStrictEqual([204, "*"]);
      const answer = await call(app.url, "GET", `/list?user_id=${user}`, undefined, from(origin, key));
      expect(cors(answer)).toStrictEqual({
        "access-control-allow-origin": "*",
        "access-control-expose-headers": "Date, Link, Retry-After, Idempotent-Replayed",
      });
    }
  });

  test("not set: no page of another origin, and an OPTIONS is a method like any other", async () => {
    for (const [keys, status] of [
      [key, 401],
      ["", 405],
    ] as const) {
      const app = await start({ ALLOWED_ORIGINS: "", API_KEYS: keys });
      const asked = await preflight(app.url, `/list?user_id=${user}`, "GET");
      expect([asked.status, cors(asked)]).toStrictEqual([status, {}]);
      const answer = await call(app.url, "GET", `/list?user_id=${user}`, undefined, from(page, key));
      expect([answer.status, cors(answer)]).toStrictEqual([200, {}]);
    }
  });

  test("an OPTIONS that is no preflight is a method like any other", async () => {
    const app = await start({ API_KEYS: "" });
    const answer = await call(app.url, "OPTIONS", `/list?user_id=${user}`, undefined, { origin: page });
    expect([answer.status, answer.headers.get("allow")]).toStrictEqual([405, "GET, HEAD"]);
  });
});

describe("sockets", () => {
  test.each<[string | undefined, string | undefined, boolean]>([
    [undefined, "belfry.example", true],
    [page, "belfry.example", true],
    ["https://belfry.example", "belfry.example", true],
    ["https://belfry.example", "BELFRY.example:443", true],
    ["http://belfry.example", "belfry.example:80", true],
    ["http://127.0.0.1:3000", "127.0.0.1:3000", true],
    ["http://[::1]:3000", "[::1]:3000", true],
    ["https://else.example", "belfry.example", false],
    ["https://belfry.example:444", "belfry.example", false],
    ["http://127.0.0.1:3000", "127.0.0.1:3001", false],
    ["http://localhost:3000", "127.0.0.1:3000", false],
    ["https://belfry.example.evil.example", "belfry.example", false],
    ["https://belfry.example@evil.example", "belfry.example", false],
    ["https://else.example", undefined, false],
    ["null", "null", false],
    ["null", "belfry.example", false],
    ["", "", false],
    ["file://", "", false],
    ["garbage", "garbage", false],
  ])("Origin %s at Host %s: %s", (origin, host, allowed) => {
    expect(createOriginRule([page])(origin, host)).toBe(allowed);
  });

  test("an app's own scheme is never taken for this service's own page", () => {
    expect(createOriginRule([])("capacitor://localhost", "localhost")).toBe(false);
    expect(createOriginRule(["capacitor://localhost"])("capacitor://localhost", "belfry.example")).toBe(true);
  });

  test("a refused origin is reported once, and no more than 100 of them", () => {
    const refused: string[] = [];
    const rule = createOriginRule([page], (origin) => refused.push(origin));
    for (let n = 0; n < 3; n++) rule("https://else.example", "belfry.example");
    expect(refused).toEqual(["https://else.example"]);
    rule(page, "belfry.example");
    rule(undefined, "belfry.example");
    for (let n = 0; n < 1_000; n++) rule(`https://${n}.example`, "belfry.example");
    rule(`https://${"x".repeat(10_000)}.example`, "belfry.example");
    expect(refused).toHaveLength(100);
    expect(Math.max(...refused.map(({ length }) => length))).toBeLessThanOrEqual(200);
  });

  test("with * every page, of origin null too", () => {
    for (const origin of ["null", "https://else.example", "file://"])
      expect(createOriginRule(["*"])(origin, "belfry.example")).toBe(true);
  });
});

test("an operator finds a refused origin, and an unknown proxy, in the log, once each, with the remedy", async () => {
  const service = await spawnService({ DB_URI: uri, API_KEYS: key });
  const foreign = "https://shop.example";
  for (let n = 0; n < 3; n++) {
    await call(service.url, "GET", `/list?user_id=${user}`, undefined, from(foreign, key));
    await preflight(service.url, `/list?user_id=${user}`, "GET", foreign);
    await call(service.url, "GET", "/livez", undefined, { "x-forwarded-for": "203.0.113.9" });
  }
  await fetch(`${service.url}/inbox.js`, { headers: { origin: "https://else.example" } });
  service.kill("SIGTERM");
  await service.ended;
  const lines = service.output().split("\n");
  const refused = lines.filter((line) => line.includes("ALLOWED_ORIGINS"));
  expect(refused).toHaveLength(1);
  expect(refused[0]).toContain(foreign);
  const proxies = lines.filter((line) => line.includes("TRUST_PROXY"));
  expect(proxies).toHaveLength(1);
  expect(proxies[0]).toContain("TRUST_PROXY=127.0.0.1");
});
