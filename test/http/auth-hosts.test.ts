import { once } from "node:events";
import { connect } from "node:net";
import { describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { createHostCheck } from "../../src/http/hosts.ts";
import { freshDatabase } from "../support/database.ts";
import { startService } from "../support/service.ts";

// DNS rebinding: a page elsewhere points its own name to this address. It cannot hide that name.

const { uri } = freshDatabase();
const user = "638f394d4b7243fc0399ea67";
const path = `/list?user_id=${user}`;

/** The answer to a request that is written as it stands. */
async function ask(url: string, request: string): Promise<{ status: number; text: string }> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  let text = "";
  socket.on("data", (chunk) => {
    text += chunk;
  });
  socket.write(request);
  await once(socket, "close");
  return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]), text };
}

const under = (url: string, host: string, more = "", target = path) =>
  ask(url, `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n${more}\r\n`);

/** The status of the handshake; 101 when it opens. */
async function upgrade(url: string, target: string, host: string): Promise<number> {
  const ws = new WebSocket(url.replace("http", "ws") + target, { headers: { host } });
  ws.on("error", () => {});
  return new Promise((resolve) => {
    ws.on("open", () => {
      ws.terminate();
      resolve(101);
    });
    ws.on("unexpected-response", (_request, answer) => {
      ws.terminate();
      resolve(answer.statusCode ?? 0);
    });
  });
}

const answered = [
  "127.0.0.1:3000",
  "127.8.8.8",
  "192.168.1.20:3000",
  "203.0.113.7",
  "127.0.0.1.",
  "localhost",
  "localhost:3000",
  "LOCALHOST:3000",
  "localhost.",
  "localhost.:3000",
  "app.localhost",
  "App.LocalHost:3000",
  "[::1]",
  "[::1]:3000",
  "[2001:db8::7]:3000",
  "[::FFFF:127.0.0.1]",
  "belfry",
  "Belfry.:3000",
  "notify.example:8443",
  "public.example",
];
const refused = [
  "rebind.example",
  "rebind.example:3000",
  "evilbelfry",
  "belfry.example",
  "localhost.evil.example",
  "notlocalhost",
  "127.0.0.1.evil.example",
  "evil.example.127.0.0.1",
  "localhost@evil.example",
  "evil.example@x.localhost",
  "evil/x.localhost",
  "[rebind.example]",
  "[::1].evil.example",
  "::1",
  ":3000",
  "localhost:x",
  "127.0.0.1:3000:evil.example",
  ".localhost",
  "localhost..",
  "[]",
  "",
];

describe("Host", () => {
  const check = createHostCheck(["belfry", "Notify.Example", "public.example"]);
  test.each(answered)("%s is answered", (host) => {
    check({ url: "/", headers: { host } });
  });
  test.each(refused)("%j is refused", (host) => {
    expect(() => check({ url: "/", headers: { host } })).toThrow("ALLOWED_HOSTS");
  });
});

describe.each([
  ["without API_KEYS", {}],
  ["with AUTH=off", { AUTH: "off" }],
])("%s", (_name, more) => {
  const start = (variables: Record<string, string> = {}) =>
    startService({ DB_URI: uri, ALLOWED_HOSTS: "belfry,notify.example", ...more, ...variables });

  test("a request for a foreign host is 403 and says what to set; known hosts are answered", async () => {
    const { url } = await start({ PUBLIC_URL: "https://public.example/belfry" });
    for (const host of answered) expect((await under(url, host)).status, host).toBe(200);
    for (const target of [path, "/", "/docs/", "/openapi.json", "/livez", "/metrics", "/nothing"]) {
      const { status, text } = await under(url, "rebind.example:3000", "", target);
      expect([target, status]).toEqual([target, 403]);
      expect(text).toContain("foreign_host");
      expect(text).toContain("add rebind.example to ALLOWED_HOSTS");
    }
  });

  test("no other header, no form of the request and no transport gets a foreign page in", async () => {
    const { url } = await start({ TRUST_PROXY: "127.0.0.0/8" });
    for (const more of ["X-Forwarded-Host: localhost\r\n", "Forwarded: host=localhost\r\n"])
      expect((await under(url, "rebind.example", more)).status).toBe(403);
    expect((await under(url, "localhost", "X-Forwarded-Host: app.example\r\n")).status).toBe(200);
    // The name in an absolute target outranks the header.
    expect((await under(url, "localhost", "", `http://rebind.example${path}`)).status).toBe(403);
    expect((await under(url, "rebind.example", "", `http://localhost${path}`)).status).toBe(403);
    expect((await under(url, "localhost", "", `http://localhost:3000${path}`)).status).toBe(200);
    expect((await ask(url, `GET ${path} HTTP/1.0\r\n\r\n`)).status).toBe(403);
    expect((await ask(url, `GET ${path} HTTP/1.0\r\nHost: localhost\r\n\r\n`)).status).toBe(200);
    for (const target of [`/v1/users/${user}/events`, "/socket.io/?EIO=4&transport=polling"])
      expect((await under(url, "rebind.example", "", target)).status, target).toBe(403);
    for (const target of [
      `/v1/users/${user}/live`,
      `/ws/v1/notifications/${user}`,
      "/socket.io/?EIO=4&transport=websocket",
    ]) {
      expect(await upgrade(url, target, "rebind.example"), target).toBe(403);
      expect(await upgrade(url, target, "belfry:3000"), target).toBe(101);
    }
  });
});

test("with API_KEYS the key decides, whatever the host", async () => {
  const key = "a-key-of-more-than-16-characters";
  const { url } = await startService({ DB_URI: uri, API_KEYS: key });
  expect((await under(url, "belfry.example", `Authorization: Bearer ${key}\r\n`)).status).toBe(200);
  expect((await under(url, "belfry.example")).status).toBe(401);
});
