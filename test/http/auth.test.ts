import diagnostics from "node:diagnostics_channel";
import type { FastifyInstance } from "fastify";
import { SignJWT } from "jose";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startApp } from "../../src/app.ts";
import { loadConfig } from "../../src/config/load.ts";
import { createLinks } from "../../src/core/links.ts";
import { createTokens } from "../../src/core/tokens.ts";
import { createAuthorizer } from "../../src/http/auth.ts";
import { freshDatabase } from "../support/database.ts";
import { call } from "../support/http.ts";
import { eventually, spawnService, startService } from "../support/service.ts";

// Who may do what: every route of the server against every kind of bearer.

const { uri } = freshDatabase();
const keys = ["first-key-of-26-characters", "second-key-of-27-characters"];
const secrets = { first: "first-secret-of-over-32-characters", old: "older-secret-of-over-32-characters" };
const removed = "removed-secret-of-over-32-characters";
const variables = {
  DB_URI: uri,
  API_KEYS: keys.join(),
  TOKEN_SECRET: Object.values(secrets).join(),
};

/** A token as the service makes them; by default good for ten minutes. */
function token(user: string, secret = secrets.first, seconds = 600): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  return new SignJWT({ sub: user, aud: "belfry", iat: now - 900, exp: now + seconds })
    .setProtectedHeader({ alg: "HS256" })
    .sign(new TextEncoder().encode(secret));
}

/** How a route is asked well about a user of its dialect, and what it then answers; by default 200. */
interface Row {
  path?: (user: string) => string;
  body?: object;
  status?: number;
  /** Takes the token in the query, too. */
  inQuery?: true;
}
const hex = "638f394d4b7243fc0399ea67";
const item = "0399ea67638f394d4b7243fc";

/** What belongs to one user: `users` are two of them as the route names them. */
const userFacing: Record<string, Row & { users: [string, string] }> = {
  "GET /list": { users: [hex, item], path: (user) => `/list?user_id=${user}` },
  "POST /read": {
    users: [hex, item],
    path: (user) => `/read?user_id=${user}&notification_id=${item}`,
    status: 404,
  },
  "GET /users/:id/notifications": {
    users: ["44", "55"],
    path: (user) => `/users/${user}/notifications`,
    status: 400,
  },
  "GET /notification/:receiver_user_id": { users: ["alex", "bob"], path: (user) => `/notification/${user}` },
  "PATCH /notification/read": {
    users: ["alex", "bob"],
    path: (user) => `/notification/read?notification_id=${item}.${Buffer.from(user).toString("base64url")}`,
  },
  "GET /v1/users/:id/inbox": { users: [hex, item], path: (user) => `/v1/users/${user}/inbox` },
  "POST /v1/users/:id/inbox/read-all": {
    users: ["alex", "bob"],
    path: (user) => `/v1/users/${user}/inbox/read-all`,
  },
  "POST /v1/users/:id/inbox/seen": {
    users: ["alex", "bob"],
    path: (user) => `/v1/users/${user}/inbox/seen`,
  },
  ...Object.fromEntries(
    ["GET", "DELETE", "POST read", "POST unread", "POST archive", "POST unarchive"].map((name) => {
      const [method, change] = name.split(" ");
      const end = change === undefined ? "" : `/${change}`;
      const path = (user: string) => `/v1/users/${user}/inbox/${item}${end}`;
      return [`${method} /v1/users/:id/inbox/:item${end}`, { users: ["alex", "bob"], path, status: 404 }];
    }),
  ),
  ...Object.fromEntries(
    ["GET", "PUT", "PATCH"].map((method) => [
      `${method} /v1/users/:id/preferences`,
      {
        users: ["alex", "bob"] satisfies [string, string],
        path: (user: string) => `/v1/users/${user}/preferences`,
        ...(method !== "GET" && { body: {} }),
      },
    ]),
  ),
  "GET /v1/users/:id/topics": { users: ["alex", "bob"], path: (user) => `/v1/users/${user}/topics` },
  ...Object.fromEntries(
    ["PUT", "DELETE"].map((method) => [
      `${method} /v1/topics/:key/subscribers/:user`,
      {
        users: ["alex", "bob"] satisfies [string, string],
        path: (user: string) => `/v1/topics/unknown/subscribers/${user}`,
        status: 404,
      },
    ]),
  ),
  "GET /v1/users/:id/events": {
    users: ["alex", "bob"],
    path: (user) => `/v1/users/${user}/events`,
    inQuery: true,
  },
};

/** What is for programs with an API key alone. */
const forPrograms: Record<string, Row> = {
  "POST /create": { body: { user_id: hex, key: "new_message" }, status: 201 },
  "POST /notifications": { body: { user_id: 9, notification_type: "in-app", content: "x" }, status: 201 },
  "GET /metrics": {},
  "GET /v1/captured": {},
  "GET /v1/captured/:id": { path: () => `/v1/captured/${item}`, status: 404 },
  "GET /v1/deliveries": {},
  "GET /v1/digests": {},
  "POST /v1/digests/:id/release": { path: () => `/v1/digests/${item}/release`, status: 404 },
  "GET /v1/deliveries/:id": { path: () => `/v1/deliveries/${item}`, status: 404 },
  "GET /v1/deliveries/:id/message": { path: () => `/v1/deliveries/${item}/message`, status: 404 },
  "POST /v1/deliveries/:id/retry": { path: () => `/v1/deliveries/${item}/retry`, status: 404 },
  "POST /v1/deliveries/redrive": { body: { dry_run: true } },
  "GET /v1/ledger": {},
  "GET /v1/types": {},
  "POST /v1/types/:key/preview": { path: () => "/v1/types/direct/preview", body: {} },
  "GET /v1/users": {},
  "GET /v1/stats": {},
  "GET /v1/simulator": {},
  "PUT /v1/simulator": { body: { running: false } },
  "GET /v1/test/clock": {},
  "POST /v1/test/clock": { body: { advance: "1s" }, status: 409 },
  "GET /v1/suppressions": {},
  "DELETE /v1/suppressions": { path: () => "/v1/suppressions?reason=address" },
  "DELETE /v1/suppressions/:user_id/:channel": {
    path: () => `/v1/suppressions/${hex}/email`,
    status: 404,
  },
  "GET /v1/broadcasts": {},
  "POST /v1/broadcasts": {
    path: () => "/v1/broadcasts?dry_run=true",
    body: { notification: { type: "new_message" }, to: { all: true } },
  },
  "GET /v1/broadcasts/:id": { path: () => `/v1/broadcasts/${item}`, status: 404 },
  ...Object.fromEntries(
    ["pause", "resume", "cancel"].map((change) => [
      `POST /v1/broadcasts/:id/${change}`,
      { path: () => `/v1/broadcasts/${item}/${change}`, status: 404 },
    ]),
  ),
  "GET /v1/topics": {},
  "GET /v1/topics/:key": { path: () => "/v1/topics/unknown", status: 404 },
  "PUT /v1/topics/:key": { path: () => "/v1/topics/news", body: {} },
  "DELETE /v1/topics/:key": { path: () => "/v1/topics/unknown", status: 404 },
  "GET /v1/topics/:key/subscribers": { path: () => "/v1/topics/unknown/subscribers", status: 404 },
  "POST /v1/topics/:key/subscribers": {
    path: () => "/v1/topics/unknown/subscribers",
    body: { add: ["zoe"] },
    status: 404,
  },
  "POST /notification": { body: { title: "x", receiver_user_id: "zoe" }, status: 201 },
  "POST /notification/": { body: { title: "x", receiver_user_id: "zoe" }, status: 201 },
  "POST /v1/notifications": { body: { recipients: ["zoe"], type: "new_message" }, status: 201 },
  "POST /v1/notifications/recall": { body: { key: "order-1001", user_id: "zoe" } },
  "GET /v1/jobs": {},
  "GET /v1/jobs/:id": { path: () => `/v1/jobs/${item}`, status: 404 },
  "DELETE /v1/jobs/:id": { path: () => `/v1/jobs/${item}`, status: 404 },
  "POST /v1/jobs/:id/pause": { path: () => `/v1/jobs/${item}/pause`, status: 404 },
  "GET /v1/schedules": {},
  "PUT /v1/schedules/:key": { path: () => "/v1/schedules/tea", body: {}, status: 400 },
  "GET /v1/schedules/:key": { path: () => "/v1/schedules/no", status: 404 },
  "POST /v1/schedules/:key/pause": { path: () => "/v1/schedules/no/pause", status: 404 },
  "POST /v1/schedules/:key/resume": { path: () => "/v1/schedules/no/resume", status: 404 },
  "DELETE /v1/schedules/:key": { path: () => "/v1/schedules/no", status: 404 },
  "POST /v1/jobs/:id/resume": { path: () => `/v1/jobs/${item}/resume`, status: 404 },
  "GET /v1/notifications/:id": { path: () => `/v1/notifications/${item}`, status: 404 },
  "GET /v1/users/:id": { path: (user) => `/v1/users/${user}-profile`, status: 404 },
  "PUT /v1/users/:id": { path: () => "/v1/users/zoe", body: {} },
  "PATCH /v1/users/:id": { path: () => "/v1/users/zoe", body: {} },
  "DELETE /v1/users/:id": { path: () => "/v1/users/yan", status: 204 },
  "POST /v1/users/:id/token": { path: () => "/v1/users/alex/token", status: 201 },
};

/** What asks for nothing. Callbacks bring a signature; sockets are asked by themselves. */
const open: Record<string, Row> = {
  "GET /": {},
  "GET /message.html": {},
  "GET /console.css": {},
  "GET /console.js": {},
  "GET /console-broadcasts.js": {},
  "GET /console-live.js": {},
  "GET /inbox.js": {},
  "GET /preferences.js": {},
  "GET /livez": {},
  "GET /readyz": {},
  "GET /openapi.json": {},
  "GET /asyncapi.json": {},
  "GET /docs": {},
  "GET /docs/static/index.html": {},
  "GET /docs/static/swagger-initializer.js": {},
  "GET /docs/json": {},
  "GET /docs/static/theme/favicon.svg": {},
  "GET /docs/yaml": {},
  "GET /docs/static/*": { path: () => "/docs/static/swagger-ui.css" },
  "POST /v1/callbacks/mailgun": { body: {}, status: 400 },
  "POST /v1/callbacks/twilio": { status: 400 },
  "GET /u/:token": { path: () => "/u/x", status: 404 },
  "POST /u/:token": { path: () => "/u/x", status: 404 },
  "GET /p/:token": { path: () => "/p/x", status: 404 },
  "POST /p/:token": { path: () => "/p/x", status: 404 },
  "GET /v1/users/:id/live": { path: () => "/v1/users/alex/live", status: 400 },
  "GET /ws/v1/notifications/:user_id": { path: () => "/ws/v1/notifications/alex", status: 400 },
  ...Object.fromEntries(
    ["GET", "POST"].flatMap((method) =>
      ["/socket.io", "/socket.io/"].map((path) => [`${method} ${path}`, { status: 400 }]),
    ),
  ),
};
const rows: Record<string, Row> = { ...userFacing, ...forPrograms, ...open };
const [aUser, aProgram] = [Object.entries(userFacing), Object.entries(forPrograms)];

let app: { url: string; close(): Promise<void> };
const routes = new Set<string>();
beforeAll(async () => {
  // Fastify announces each instance that is made: early enough to hear of every route.
  const channel = diagnostics.channel("fastify.initialization");
  const listen = (message: unknown) => {
    (message as { fastify: FastifyInstance }).fastify.addHook("onRoute", ({ method, url }) => {
      for (const one of [method].flat()) routes.add(`${one} ${url}`);
    });
  };
  channel.subscribe(listen);
  app = await startApp(loadConfig({ PORT: "0", ...variables }).config, pino({ level: "silent" }));
  channel.unsubscribe(listen);
  expect((await ask("POST /notification", "zoe", keys[0])).status).toBe(201);
  expect((await ask("PUT /v1/topics/:key", "zoe", keys[0])).status).toBe(201);
});
afterAll(() => app.close());

/** Asks and reads no more of an endless answer than its head. */
async function ask(
  route: string,
  user: string,
  bearer?: string,
  more: { query?: string; method?: string; at?: string } = {},
) {
  const [method, pattern] = route.split(" ") as [string, string];
  const { path, body } = rows[route] as Row;
  const url = new URL((path?.(user) ?? pattern) + (more.query ?? ""), more.at ?? app.url);
  const response = await fetch(url, {
    method: more.method ?? method,
    headers: {
      ...(body && { "content-type": "application/json" }),
      ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }),
    },
    ...(body && { body: JSON.stringify(body) }),
  });
  const endless = /event-stream/.test(response.headers.get("content-type") ?? "");
  const text = endless ? "" : await response.text();
  if (endless) await response.body?.cancel();
  const json = /json/.test(response.headers.get("content-type") ?? "");
  const challenge = response.headers.get("www-authenticate");
  return { status: response.status, challenge, body: json && text ? JSON.parse(text) : text };
}
const code = (body: { code?: string; error?: string | { code: string } }) =>
  body.code ?? (typeof body.error === "object" ? body.error.code : body.error);
/** The queue dialect's and the live dialect's errors are a sentence. */
const forbidden = /^forbidden$|another user/;
const unauthorized = /^unauthorized$|API key/;

test("every route has its row here, and every row its route", () => {
  const head = (name: string) => name.startsWith("HEAD ");
  expect(Object.keys(rows).sort()).toStrictEqual([...routes].filter((name) => !head(name)).sort());
  for (const name of [...routes].filter(head))
    expect(rows).toHaveProperty([name.replace("HEAD", "GET").replace(/docs\/$/, "docs")]);
});

describe("no key, a wrong key and a wrong token", () => {
  test.each([...aUser, ...aProgram])("%s: 401, and all of them read the same", async (route, row) => {
    const [user] = (row as { users?: [string, string] }).users ?? [hex];
    const good = await token(user);
    const [head, claims, signature] = good.split(".") as [string, string, string];
    const others = Buffer.from(claims, "base64url").toString().replace(user, `${user}5`);
    const wrong = {
      "no key": undefined,
      "a wrong key": "first-key-of-26-characterz",
      "both keys": keys.join(),
      "a secret": secrets.first,
      "a token of a removed secret": await token(user, removed),
      "a token whose user was changed": `${head}.${Buffer.from(others).toString("base64url")}.${signature}`,
      "a token without its signature": `${head}.${claims}.`,
      "a token that is cut short": good.slice(0, -2),
      "an unsigned token": `${Buffer.from('{"alg":"none"}').toString("base64url")}.${claims}.`,
      "an expired token of a removed secret": await token(user, removed, -60),
    };
    const seen: unknown[] = [];
    for (const [what, bearer] of Object.entries(wrong)) {
      const { status, challenge, body } = await ask(route, user, bearer);
      expect([status, challenge], what).toStrictEqual([401, "Bearer"]);
      expect(code(body), what).toMatch(unauthorized);
      seen.push(body);
    }
    for (const body of seen) expect(body).toStrictEqual(seen[0]);
  });

  const text = keys[0] as string;
  test.each<[string, Record<string, string>]>([
    ["an empty header", { authorization: "" }],
    ["no scheme", { authorization: text }],
    ["another scheme", { authorization: `Basic ${Buffer.from(`:${text}`).toString("base64")}` }],
    ["the scheme alone", { authorization: "Bearer " }],
    ["a key cut short", { authorization: `Bearer ${text.slice(0, -1)}` }],
    ["a longer key", { authorization: `Bearer ${text}x` }],
    ["two words", { authorization: `Bearer ${keys.join(" ")}` }],
    ["another header", { "x-api-key": text }],
    ["a cookie", { cookie: `token=${text}` }],
  ])("%s is no key, and the answer does not repeat it", async (_what, headers) => {
    for (const path of [`/list?user_id=${hex}`, "/users/4/notifications", "/notification/alex", "/metrics"]) {
      const { status, body } = await call(app.url, "GET", path, undefined, headers);
      expect(status, path).toBe(401);
      for (const key of keys) expect(JSON.stringify(body)).not.toContain(key);
    }
  });

  test("nobody learns which paths exist, or has a body read", async () => {
    for (const route of ["GET /nothing", "GET /create", "DELETE /list", "POST /docs"]) {
      const [method, path] = route.split(" ") as [string, string];
      const { status, body } = await call(app.url, method, path);
      expect([status, body.code], route).toStrictEqual([401, "unauthorized"]);
    }
    const bearer = { authorization: `Bearer ${await token(hex)}` };
    expect((await call(app.url, "POST", "/create", "not json at all")).status).toBe(401);
    expect((await call(app.url, "POST", "/create", "not json at all", bearer)).status).toBe(403);
  });
});

describe("an expired token", () => {
  test.each([...aUser, ...aProgram])("%s: 401, and it says that it has expired", async (route, row) => {
    const [user] = (row as { users?: [string, string] }).users ?? [hex];
    for (const secret of Object.values(secrets)) {
      const { status, body } = await ask(route, user, await token(user, secret, -60));
      expect(status).toBe(401);
      expect(JSON.stringify(body)).toContain("The token has expired: ask for a new one.");
    }
  });
});

describe("a user's own token", () => {
  test.each(aUser)(
    "%s: opens it, also in upper case, and when a secret that is being replaced signed it",
    async (route, row) => {
      const [user] = row.users;
      const accepted = [await token(user), await token(user, secrets.old), ...keys];
      if (user === hex) accepted.push(await token(hex.toUpperCase()));
      for (const bearer of accepted) expect((await ask(route, user, bearer)).status).toBe(row.status ?? 200);
      if (user === hex)
        expect((await ask(route, hex.toUpperCase(), accepted[0])).status).toBe(row.status ?? 200);
    },
  );

  test.each(aUser)("%s: does not open another's", async (route, row) => {
    const [one, other] = row.users;
    for (const [user, bearer] of [
      [one, await token(other)],
      [other, await token(one)],
      [one, await token(one.slice(0, -1))],
      [one, await token(`${one}0`)],
      [one, await token(`0${one}`)],
      [one, await token("*")],
    ] as const) {
      const { status, body } = await ask(route, user, bearer);
      expect([status, code(body)]).toStrictEqual([403, expect.stringMatching(forbidden)]);
    }
  });

  test.each(aUser)("%s: nor with HEAD", async (route, row) => {
    if (!route.startsWith("GET ") || !routes.has(route.replace("GET", "HEAD"))) return;
    const [one, other] = row.users;
    expect((await ask(route, one, await token(other), { method: "HEAD" })).status).toBe(403);
    expect((await ask(route, one, undefined, { method: "HEAD" })).status).toBe(401);
  });

  test.each(aProgram)("%s: does not open it, being for programs", async (route, row) => {
    for (const user of [hex, "alex", "9"]) {
      const { status, body } = await ask(route, user, await token(user));
      expect([status, code(body)]).toStrictEqual([403, expect.stringMatching(forbidden)]);
    }
    for (const key of keys) expect((await ask(route, hex, key)).status).toBe(row.status ?? 200);
  });

  test("opens no path that does not exist", async () => {
    for (const [method, path] of [
      ["GET", "/nothing"],
      ["DELETE", `/list?user_id=${hex}`],
      ["GET", "/v1/users"],
    ]) {
      const response = await fetch(app.url + path, {
        method: method as string,
        headers: { authorization: `Bearer ${await token(hex)}` },
      });
      expect([response.status, code((await response.json()) as object)]).toStrictEqual([403, "forbidden"]);
    }
  });

  // The queue dialect reads all of these as 4: what counts is the user whose data would be shown.
  test.each(["04", "4.0", "0x4", "4e0", "+4", "%204"])(
    "of %s does not open user 4's as the same number",
    async (written) => {
      const body = { user_id: 4, notification_type: "in-app", content: "of user 4 alone" };
      await call(app.url, "POST", "/notifications", body, { authorization: `Bearer ${keys[0]}` });
      const get = async (user: string) =>
        call(app.url, "GET", `/users/${written}/notifications`, undefined, {
          authorization: `Bearer ${await token(user)}`,
        });
      expect((await get("4")).status).toBe(200);
      expect((await get(decodeURIComponent(written))).status).toBe(403);
    },
  );

  test("named twice in the query opens nothing", async () => {
    for (const query of [
      `user_id=${item}&user_id=${hex}`,
      `user_id=${hex}&user_id=${item}`,
      `user_id[]=${hex}`,
    ]) {
      const { status } = await fetch(`${app.url}/list?${query}`, {
        headers: { authorization: `Bearer ${await token(hex)}` },
      });
      expect(status).toBe(400);
    }
  });
});

describe("the token of a user's preference page", () => {
  const { preferencesToken } = createLinks({ secrets: Object.values(secrets) });
  const isOfPage = (route: string) => /^(GET|PATCH) \/v1\/users\/:id\/preferences$/.test(route);

  // Without an address or an inbox they would count as unknown.
  beforeAll(async () => {
    for (const user of [hex, "alex", ...aUser.map(([, row]) => row.users[0])])
      await call(
        app.url,
        "PATCH",
        `/v1/users/${user}`,
        { email: "a@example.com" },
        { authorization: `Bearer ${keys[0]}` },
      );
  });

  test.each(aUser)("%s: opens it if the page needs it, for its user alone", async (route, row) => {
    const [user, other] = row.users;
    const own = await ask(route, user, preferencesToken(user));
    expect(own.status).toBe(isOfPage(route) ? 200 : 403);
    expect((await ask(route, other, preferencesToken(user))).status).toBe(403);
    expect((await ask(route, user, `${preferencesToken(user)}x`)).status).toBe(401);
  });

  test.each(aProgram)("%s: does not open it", async (route) => {
    for (const user of ["alex", hex])
      expect((await ask(route, user, preferencesToken(user))).status).toBe(403);
  });

  test("is not taken in the query, and opens no live connection", async () => {
    const query = `?token=${preferencesToken("alex")}`;
    expect((await ask("GET /v1/users/:id/events", "alex", undefined, { query })).status).toBe(403);
    for (const route of aUser.map(([name]) => name).filter(isOfPage))
      expect((await ask(route, "alex", undefined, { query })).status).toBe(401);
  });
});

describe("?token=", () => {
  test.each([...aUser, ...aProgram])(
    "%s: taken where a browser cannot send headers, and nowhere else",
    async (route, row) => {
      const { users: [user] = [hex], inQuery } = row as Row & { users?: [string, string] };
      const path = row.path?.(user) ?? "";
      for (const bearer of [await token(user), keys[0]]) {
        const { status } = await ask(route, user, undefined, {
          query: `${path.includes("?") ? "&" : "?"}token=${bearer}`,
        });
        expect(status).toBe(inQuery ? (row.status ?? 200) : 401);
      }
    },
  );
});

describe("what asks for nothing", () => {
  test.each(Object.entries(open))("%s: answers whatever the bearer is", async (route, row) => {
    for (const bearer of [undefined, "wrong", keys[0], await token(hex), await token(hex, removed, -60)])
      expect((await ask(route, hex, bearer)).status).toBe(row.status ?? 200);
  });
});

describe("authorize, for sockets", () => {
  const tokens = createTokens({ secrets: [secrets.first], ttlSeconds: 60, now: Date.now });

  test("a key opens every user and has no end; a token its own user until it ends", async () => {
    const ofPreferenceLink = async (bearer: string) => (bearer === "of the page" ? hex : undefined);
    const { authorize } = createAuthorizer({ apiKeys: keys, tokens, ofPreferenceLink });
    for (const key of keys) expect(await authorize(key, "bob")).toStrictEqual({});
    const { token: own, expiresAt } = await tokens.sign(hex);
    // Five seconds more, for clocks that differ.
    for (const user of [hex, hex.toUpperCase()])
      expect(await authorize(own, user)).toStrictEqual({ user: hex, expiresAt: expiresAt + 5_000 });
    await expect(authorize(own, "bob")).rejects.toMatchObject({ code: "forbidden" });
    await expect(authorize("of the page", hex)).rejects.toMatchObject({ code: "forbidden" });
    for (const wrong of [
      undefined,
      "",
      "wrong",
      await token(hex, removed),
      await token(hex, secrets.first, -60),
    ])
      await expect(authorize(wrong, hex)).rejects.toMatchObject({ code: "unauthorized" });
  });

  test("without API_KEYS it opens everything, whatever is shown", async () => {
    const { authorize } = createAuthorizer({ apiKeys: [], tokens, ofPreferenceLink: async () => undefined });
    for (const bearer of [undefined, "", "wrong", await token(hex)])
      expect(await authorize(bearer, "bob")).toStrictEqual({});
  });
});

describe("without API_KEYS", () => {
  test("everything answers", async () => {
    const service = await startService({ DB_URI: uri });
    for (const [route, row] of Object.entries(rows)) {
      const { users: [user] = [hex], status = 200 } = row as Row & { users?: [string, string] };
      const answer = await ask(route, user, undefined, { at: service.url });
      const expected = route === "POST /v1/users/:id/token" ? 409 : status;
      expect(answer.status, route).toBe(expected);
    }
  });

  test("tokens protect nothing, and the service says so when it starts", async () => {
    const service = await spawnService({ DB_URI: uri, TOKEN_SECRET: secrets.first });
    await eventually(() => /tokens protect nothing without API_KEYS/.test(service.output()), "the warning");
    for (const bearer of [undefined, await token(item), await token(hex, removed, -60)])
      expect((await ask("GET /list", hex, bearer, { at: service.url })).status).toBe(200);
  });
});

test("no key, secret or token is ever in the log", async () => {
  const service = await spawnService({ ...variables, LOG_LEVEL: "trace" });
  const bearers = [...keys, "wrong-canary", await token(hex), await token(item), await token(hex, removed)];
  bearers.push(await token(hex, secrets.old, -60));
  for (const bearer of bearers)
    for (const route of ["/list", "/metrics", "/nothing", "/v1/users/alex/events", "/%zz"]) {
      const headers = { authorization: `Bearer ${bearer}` };
      const get = async (path: string, more = {}) =>
        void (await fetch(service.url + path, more)).body?.cancel();
      await get(`${route}?user_id=${hex}`, { headers });
      await get(`${route}?user_id=${hex}&token=${bearer}`);
    }
  const made = await fetch(`${service.url}/v1/users/alex/token`, {
    method: "POST",
    headers: { authorization: `Bearer ${keys[0]}` },
  });
  bearers.push(((await made.json()) as { token: string }).token, ...Object.values(secrets));
  service.kill("SIGTERM");
  await eventually(() => /"msg":"stopped"/.test(service.output()), "its last line");
  expect(service.output()).toContain('"msg":"request"');
  for (const bearer of bearers)
    for (const part of bearer.split(".")) expect(service.output()).not.toContain(part);
});
