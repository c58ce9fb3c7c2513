import { connect, type Socket } from "node:net";
import { pino } from "pino";
import { afterEach, describe, expect, test } from "vitest";
import { createAddresses } from "../../src/http/addresses.ts";
import { createAuthorizer } from "../../src/http/auth.ts";
import type { ConnectionOptions } from "../../src/http/connections.ts";
import { createOriginRule } from "../../src/http/origins.ts";
import { buildServer, type ServerOptions } from "../../src/http/server.ts";
import { eventually } from "../support/eventually.ts";

// The real server, asked over sockets whose other side never closes.

const closers: Array<() => Promise<unknown> | unknown> = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const text = { contentType: "text/plain", text: async () => "x".repeat(20_000_000) };

async function start(more: Partial<ServerOptions> = {}, limits: Partial<ConnectionOptions> = {}) {
  const warnings: string[] = [];
  const server = await buildServer({
    health: {
      store: { ping: async () => ({}), migrations: { pending: () => [] } },
      stopping: () => false,
      metrics: text,
    },
    onRequestDone: () => {},
    authorizer: createAuthorizer({
      apiKeys: [],
      tokens: { verify: () => Promise.reject(new Error()) },
      ofPreferenceLink: async () => undefined,
    }),
    allowedOrigins: [],
    isAllowedOrigin: createOriginRule([]),
    allowedHosts: [],
    addresses: createAddresses(() => false),
    connections: {
      most: 1_000,
      mostPerAddress: 1_000,
      peerAddress: () => undefined,
      lingerMs: 50,
      ...limits,
    },
    requestTimeoutMs: 200,
    idleTimeoutMs: 30_000,
    version: "1",
    log: pino({ level: "warn" }, { write: (line) => warnings.push(JSON.parse(line).msg) }),
    ...more,
  });
  closers.push(() => server.close());
  await server.listen({ host: "127.0.0.1", port: 0 });
  const { port } = server.server.address() as { port: number };
  const open = () =>
    new Promise<number>((resolve, reject) =>
      server.server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
    );
  return { port, open, warnings };
}

/** A connection whose side never ends; `answer`: what it has read. */
function halfOpen(port: number, first = ""): { socket: Socket; answer: () => string } {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  let answer = "";
  socket.on("data", (chunk) => {
    answer += chunk;
  });
  socket.on("error", () => {});
  if (first !== "") socket.write(first);
  closers.push(() => socket.destroy());
  return { socket, answer: () => answer };
}

const none = async (open: () => Promise<number>, what: string) =>
  eventually(async () => (await open()) === 0, what);
const host = "Host: 127.0.0.1\r\n";

describe("a peer that never closes its side is let go of", () => {
  test.each<[string, string, RegExp]>([
    ["silence", "", /^HTTP\/1\.1 408 /],
    ["half a head", "GET /livez HTTP/1.1\r\nHost: 127", /^HTTP\/1\.1 408 /],
    [
      "half a body",
      `POST /nothing HTTP/1.1\r\n${host}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{`,
      /^HTTP\/1\.1 4\d\d /,
    ],
    ["no HTTP", "garbage\r\n\r\n", /^HTTP\/1\.1 400 /],
    ["too long a head", `GET / HTTP/1.1\r\n${host}X: ${"x".repeat(20_000)}\r\n\r\n`, /^HTTP\/1\.1 431 /],
    ["Connection: close", `GET /livez HTTP/1.1\r\n${host}Connection: close\r\n\r\n`, /^HTTP\/1\.1 200 /],
    ["HTTP/1.0", `GET /livez HTTP/1.0\r\n${host}\r\n`, /^HTTP\/1\.1 200 /],
    [
      "an answer, then half a head",
      `GET /livez HTTP/1.1\r\n${host}\r\nGET /livez HTT`,
      /^HTTP\/1\.1 200 .*HTTP\/1\.1 408 /s,
    ],
  ])("after %s", async (_what, first, answered) => {
    const { port, open } = await start();
    const peers = Array.from({ length: 20 }, () => halfOpen(port, first));
    await eventually(() => peers.every(({ answer }) => answered.test(answer())), "all are answered");
    await none(open, "no connection is left");
  });

  test("300 silent connections are gone, and others are served", async () => {
    const { port, open } = await start();
    const peers = Array.from({ length: 300 }, () => halfOpen(port));
    await eventually(() => peers.every(({ answer }) => answer().includes(" 408 ")), "all are answered");
    await none(open, "no connection is left");
    expect((await fetch(`http://127.0.0.1:${port}/livez`)).status).toBe(200);
  });

  test("an answer that is not read is given up", async () => {
    const { port, open } = await start({ idleTimeoutMs: 300, requestTimeoutMs: 30_000 });
    const { socket } = halfOpen(port, `GET /metrics HTTP/1.1\r\n${host}\r\n`);
    socket.pause();
    await eventually(async () => (await open()) === 1, "it is open");
    await none(open, "no connection is left");
  });
});

describe("connections are limited", () => {
  test("per address: the next one is 429, and one that leaves makes room", async () => {
    const { port, warnings } = await start(
      { requestTimeoutMs: 30_000 },
      { mostPerAddress: 3, peerAddress: () => "192.0.2.1" },
    );
    const peers = [1, 2, 3].map(() => halfOpen(port, `GET /livez HTTP/1.1\r\n${host}\r\n`));
    await eventually(() => peers.every(({ answer }) => answer().includes("200 OK")), "three are served");
    for (let n = 0; n < 3; n++) {
      const fourth = halfOpen(port);
      await eventually(() => fourth.answer().includes("429"), "the fourth is refused");
      expect(fourth.answer()).toMatch(/retry-after: \d+/);
      expect(fourth.answer()).toContain('"code":"too_many_connections"');
    }
    expect(warnings).toEqual(["HTTP_CONNECTIONS_PER_ADDRESS is reached: new HTTP connections are refused"]);
    peers[0]?.socket.destroy();
    await eventually(async () => {
      const answer = await fetch(`http://127.0.0.1:${port}/livez`, { headers: { connection: "close" } });
      return answer.status === 200;
    }, "there is room");
  });

  test("in all: the next one is 503", async () => {
    const { port } = await start({ requestTimeoutMs: 30_000 }, { most: 2 });
    const peers = [1, 2].map(() => halfOpen(port, `GET /livez HTTP/1.1\r\n${host}\r\n`));
    await eventually(() => peers.every(({ answer }) => answer().includes("200 OK")), "two are served");
    const third = halfOpen(port);
    await eventually(() => third.answer().includes("503"), "the third is refused");
    expect(third.answer()).toMatch(/retry-after: \d+/);
  });

  test("loopback and trusted proxies speak for many: only the others are counted by address", () => {
    const { peerAddress } = createAddresses((address) => address === "10.0.0.9");
    const of = (remoteAddress: string) => peerAddress({ remoteAddress } as Socket);
    for (const peer of ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "10.0.0.9", "::ffff:10.0.0.9"])
      expect(of(peer), peer).toBeUndefined();
    expect(of("10.0.0.8")).toBe("10.0.0.8");
    expect(of("::ffff:10.0.0.8")).toBe("10.0.0.8");
    expect(of("2001:db8:0:1::7")).toBe("2001:db8:0:1::/64");
  });
});
