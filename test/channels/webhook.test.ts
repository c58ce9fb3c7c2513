import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { ObjectId } from "mongodb";
import { Webhook } from "standardwebhooks";
import { afterAll, describe, expect, onTestFinished, test, vi } from "vitest";
import {
  createWebhookProvider,
  type WebhookOptions,
  webhookOutcome,
} from "../../src/channels/webhook/send.ts";
import { webhookKey } from "../../src/channels/webhook/signature.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { SendError } from "../../src/model/delivery.ts";
import { deliveriesOf } from "../../src/store/deliveries.ts";
import { freshDatabase } from "../support/database.ts";
import { call } from "../support/http.ts";
import type { Counterpart, Verdict } from "../support/provider-counterpart.ts";
import { eventually, startService } from "../support/service.ts";
import { startTarget } from "../support/webhook.ts";
import { providerSuite } from "./shared.ts";

const database = freshDatabase();
const { uri, db } = database;
const newSecret = (bytes = 32) => `whsec_${randomBytes(bytes).toString("base64")}`;

async function target(...options: Parameters<typeof startTarget>) {
  const started = await startTarget(...options);
  onTestFinished(() => started.close());
  return started;
}

function provider(port: number, more: Partial<WebhookOptions> = {}) {
  return createWebhookProvider({
    allowHttp: true,
    allowNetworks: ["127.0.0.0/8"],
    ports: [port],
    now: Date.now,
    ...more,
  });
}

const message = (port: number, more: object = {}) => ({
  id: "0123456789abcdef01234567",
  user: "u",
  url: `http://127.0.0.1:${port}/hook`,
  secrets: [newSecret()],
  payload: { type: "ping" },
  ...more,
});

const outcomeOf = (sending: Promise<unknown>) =>
  sending.then(
    () => "sent",
    (error: SendError) => error.outcome,
  );

providerSuite(database, {
  name: "webhook",
  channel: "webhook",
  start: startReceiver,
  cannot: { credentials: "the user's secrets sign; who does not like them answers with a status" },
});

/** A user's receiver: it ignores calls without a valid signature. */
async function startReceiver(): Promise<Counterpart> {
  const statuses: Record<Exclude<Verdict, "no answer">, number> = { take: 204, later: 500, never: 410 };
  let verdict: Verdict = "take";
  const sink = await target((_call, response) => {
    if (verdict === "no answer") response.destroy();
    else response.writeHead(statuses[verdict]).end();
  });
  const secret = newSecret();
  const url = `http://127.0.0.1:${sink.port}/canary`;
  return {
    variables: reaching(sink.port),
    secrets: [secret],
    profile: { webhook: { url, secrets: [secret] } },
    // A URL has no line breaks: they are dropped from it.
    broken: {
      profile: { webhook: { url: `${url}\r\nX-Evil: 1`, secrets: [secret] } },
      arrivesAs: `${url}X-Evil:%201`,
    },
    answer: (next) => {
      verdict = next;
    },
    received: () =>
      sink.calls.map(({ path, headers, body }) => {
        const signed = new Webhook(secret).verify(body, headers as Record<string, string>);
        const { data } = signed as { data: { data: { title: string; text: string } } };
        return {
          to: [`http://${headers.host}${path}`],
          id: String(headers["webhook-id"]),
          title: data.data.title,
          text: data.data.text,
          fields: [...Object.keys(headers), ...Object.keys(data)],
        };
      }),
    connections: () => ({ open: sink.open(), ever: sink.connections() }),
  };
}

/** Variables with which a target on this machine may be called. */
const reaching = (port: number) => ({
  WEBHOOK_ALLOW_HTTP: "on",
  WEBHOOK_ALLOW_NETWORKS: "127.0.0.0/8",
  WEBHOOK_PORTS: String(port),
});

describe("a receiver that knows Standard Webhooks", () => {
  test("verifies 1,000 random bodies with its own library", async () => {
    const sink = await target((_call, response) => void response.end());
    const hook = provider(sink.port);
    const secret = newSecret(24);
    const receiver = new Webhook(secret);
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(fc.string(), fc.jsonValue()),
        fc.stringMatching(/^[0-9a-f]{24}$/),
        async (payload, id) => {
          await hook.send(message(sink.port, { id, secrets: [secret], payload }));
          const { headers, body } = sink.calls.pop() as (typeof sink.calls)[number];
          expect(headers["webhook-id"]).toBe(id);
          expect(headers["content-type"]).toBe("application/json");
          expect(receiver.verify(body, headers as Record<string, string>)).toEqual(
            JSON.parse(JSON.stringify(payload)),
          );
        },
      ),
      { numRuns: 1_000 },
    );
  });

  test("verifies with the old secret and with the new one while they rotate, and with no other", async () => {
    const sink = await target((_call, response) => void response.end());
    const [old, fresh] = [newSecret(), newSecret(64)];
    await provider(sink.port).send(message(sink.port, { secrets: [fresh, old] }));
    const { headers, body } = sink.calls[0] as (typeof sink.calls)[number];
    const given = headers as Record<string, string>;
    expect(new Webhook(old).verify(body, given)).toEqual({ type: "ping" });
    expect(new Webhook(fresh).verify(body, given)).toEqual({ type: "ping" });
    expect(() => new Webhook(newSecret()).verify(body, given)).toThrow();
    expect(() => new Webhook(old).verify(`${body} `, given)).toThrow();
  });
});

test("nothing is sent without one or two valid secrets", async () => {
  const sink = await target((_call, response) => void response.end());
  const good = newSecret();
  for (const secrets of [
    [],
    [good, good, good],
    [newSecret(23)],
    [newSecret(65)],
    ["whsec_%"],
    [good, "secret"],
    [{}],
  ])
    expect(await outcomeOf(provider(sink.port).send(message(sink.port, { secrets })))).toMatchObject({
      kind: "rejected",
      reason: "policy",
      code: "SECRET",
    });
  expect(sink.connections()).toBe(0);
  expect(webhookKey("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).toHaveLength(24);
});

test("Retry-After is respected as seconds and as a date, up to a day", () => {
  const now = Date.parse("2026-03-01T00:00:00Z");
  const after = (header: string | undefined, status = 503) =>
    (webhookOutcome(status, "", header, now) as { afterMs?: number }).afterMs;
  expect(after("120")).toBe(120_000);
  expect(after("Sun, 01 Mar 2026 00:10:00 GMT")).toBe(600_000);
  expect(after("Sat, 28 Feb 2026 00:00:00 GMT")).toBe(0);
  expect(after("9999999999")).toBe(86_400_000);
  expect(after("Fri, 01 Jan 2106 00:00:00 GMT")).toBe(86_400_000);
  expect(after("soon")).toBeUndefined();
  expect(after(undefined)).toBeUndefined();
  for (const status of [429, 502, 504]) {
    expect(after(undefined, status)).toBe(60_000);
    expect(after("1", status)).toBe(1_000);
  }
});

describe("a target that misbehaves", () => {
  const brief = { timeoutMs: 400 };
  /** The test decides when the time limit of an exchange expires. */
  function timeThatEnds() {
    let end = () => {};
    const timeout = vi.spyOn(AbortSignal, "timeout").mockImplementation(() => {
      const controller = new AbortController();
      end = () => controller.abort(new DOMException("the time is over", "TimeoutError"));
      return controller.signal;
    });
    onTestFinished(() => timeout.mockRestore());
    return { timeout, end: () => end() };
  }

  test("a target that never answers gives an unknown outcome", async () => {
    const { timeout, end } = timeThatEnds();
    const sink = await target(end);
    expect(await outcomeOf(provider(sink.port, brief).send(message(sink.port)))).toMatchObject({
      kind: "unknown",
      code: "TIMEOUT",
      ailing: false,
    });
    expect(timeout.mock.calls).toEqual([[brief.timeoutMs]]);
    await eventually(() => sink.open() === 0, "the connection is closed");
  });

  test("an endless answer is cut off at 64 KiB, and its status counts", async () => {
    let written = 0;
    const sink = await target((_call, response) => {
      const chunk = Buffer.alloc(16 * 1024, "a");
      const more = () => {
        while (!response.destroyed && response.write(chunk)) written += chunk.length;
      };
      response.on("drain", more);
      response.writeHead(200);
      more();
    });
    const { text } = await provider(sink.port).send(message(sink.port));
    expect(text).toBe(`200 ${"a".repeat(1024)}`);
    await eventually(() => sink.open() === 0, "the connection is closed");
    // The buffers of the two sockets took some bytes that nobody read.
    expect(written).toBeLessThan(8 * 1024 * 1024);
  });

  test("a slow answer is cut off at the time limit, and its status counts", async () => {
    const { timeout, end } = timeThatEnds();
    const sink = await target(({ path }, response) => {
      response.writeHead(path === "/good" ? 202 : 500);
      let drips = 0;
      const drip = setInterval(() => {
        response.write(".");
        if (++drips === 10) end();
      }, 20);
      response.on("close", () => clearInterval(drip));
    });
    const hook = provider(sink.port, brief);
    const url = `http://127.0.0.1:${sink.port}`;
    expect((await hook.send(message(sink.port, { url: `${url}/good` }))).text).toMatch(/^202 \.+$/);
    expect(await outcomeOf(hook.send(message(sink.port, { url: `${url}/bad` })))).toMatchObject({
      kind: "retry",
      code: "500",
    });
    expect(timeout.mock.calls).toEqual([[brief.timeoutMs], [brief.timeoutMs]]);
  });

  test("a closed port, an unknown name and a slow resolver are retried as not sent", async () => {
    const sink = await target(() => {});
    await sink.close();
    const hook = provider(sink.port);
    expect(await outcomeOf(hook.send(message(sink.port)))).toMatchObject({
      kind: "retry",
      code: "ECONNREFUSED",
    });
    const url = `http://nobody.invalid:${sink.port}/`;
    const unknownName = provider(sink.port, {
      resolve: async () => Promise.reject(Object.assign(new Error("none"), { code: "ENOTFOUND" })),
    });
    expect(await outcomeOf(unknownName.send(message(sink.port, { url })))).toMatchObject({
      kind: "retry",
      code: "ENOTFOUND",
    });
    const slowName = provider(sink.port, { timeoutMs: 50, resolve: () => new Promise(() => {}) });
    expect(await outcomeOf(slowName.send(message(sink.port, { url })))).toMatchObject({ kind: "retry" });
  });

  test("a failed TLS handshake is retried as not sent, and names the host (SNI)", async () => {
    let hello = "";
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", (bytes) => {
        hello = bytes.toString("latin1");
        socket.end("this is not TLS");
      });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const hook = provider(port, { resolve: async () => ["127.0.0.1"] });
    const outcome = await outcomeOf(hook.send(message(port, { url: `https://hooks.example:${port}/` })));
    expect(outcome).toMatchObject({ kind: "retry" });
    expect(hello).toContain("hooks.example");
    expect(hello).not.toContain("webhook-id");
  });
});

describe("a target that answers in a way that HTTP clients rarely meet", () => {
  /** A server that writes these bytes, closes or not, and does nothing else. */
  async function raw(write: (socket: Socket) => void) {
    const open = new Set<Socket>();
    const server = createServer((socket) => {
      open.add(socket);
      socket.on("error", () => {}).on("close", () => open.delete(socket));
      socket.once("data", () => write(socket));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => {
      for (const socket of open) socket.destroy();
      server.close();
    });
    return { port: (server.address() as AddressInfo).port, open };
  }
  /** Writes for as long as the other side takes it. */
  const without = (end: string) => (socket: Socket) => {
    const more = () => {
      while (!socket.destroyed && socket.write(end.repeat(1000)));
    };
    socket.on("drain", more);
    more();
  };
  const switching = "HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: x\r\n";

  test.each([
    ["101 and closes", (socket: Socket) => socket.end(`${switching}\r\n`), { kind: "retry", code: "101" }],
    ["101 and stays", (socket: Socket) => socket.write(`${switching}\r\n`), { kind: "retry", code: "101" }],
    [
      "101 without naming a protocol",
      (socket: Socket) => socket.write("HTTP/1.1 101 S\r\n\r\n"),
      { kind: "retry", code: "101" },
    ],
    [
      "101 and a Retry-After",
      (socket: Socket) => socket.write(`${switching}Retry-After: 120\r\n\r\nbytes`),
      { kind: "retry", code: "101", afterMs: 120_000 },
    ],
    [
      "200 and an upgrade",
      (socket: Socket) =>
        socket.end("HTTP/1.1 200 O\r\nConnection: Upgrade\r\nUpgrade: x\r\nContent-Length: 0\r\n\r\n"),
      "sent",
    ],
    ["1xx without end", without("HTTP/1.1 102 P\r\n\r\n"), { kind: "unknown" }],
    ["1xx and closes", (socket: Socket) => socket.end("HTTP/1.1 103 E\r\n\r\n"), { kind: "unknown" }],
    [
      "100 and then 204",
      (socket: Socket) => socket.end("HTTP/1.1 100 C\r\n\r\nHTTP/1.1 204 N\r\n\r\n"),
      "sent",
    ],
    ["headers without end", without("X: y\r\n"), { kind: "unknown" }],
    [
      "a status and headers without end",
      (socket: Socket) => {
        socket.write("HTTP/1.1 200 O\r\n");
        without("X-Long: yyyyyyyyyyyy\r\n")(socket);
      },
      { kind: "unknown" },
    ],
    [
      "a body in chunks without end",
      (socket: Socket) => {
        socket.write("HTTP/1.1 200 O\r\nTransfer-Encoding: chunked\r\n\r\n");
        without("1\r\nx\r\n")(socket);
      },
      "sent",
    ],
    [
      "trailers without end",
      (socket: Socket) => {
        socket.write("HTTP/1.1 500 O\r\nTransfer-Encoding: chunked\r\nTrailer: x\r\n\r\n1\r\nx\r\n0\r\n");
        without("X: y\r\n")(socket);
      },
      { kind: "retry", code: "500" },
    ],
    ["no HTTP at all", without("SSH-2.0-x\r\n"), { kind: "unknown" }],
    ["nothing and closes", (socket: Socket) => socket.end(), { kind: "unknown" }],
  ])("the send ends: %s", async (_what, write, expected) => {
    const { port, open } = await raw(write);
    const outcome = await outcomeOf(provider(port).send(message(port)));
    if (expected === "sent") expect(outcome).toBe("sent");
    else expect(outcome).toMatchObject(expected as object);
    await eventually(() => open.size === 0, "the connection is closed");
  });

  test("the engine's deadline ends a send whose headers drip, and closes its connection", async () => {
    const ended = new AbortController();
    const { port, open } = await raw((socket) => {
      socket.write("HTTP/1.1 200 O\r\nX-Slow: ");
      ended.abort();
    });
    const outcome = await outcomeOf(provider(port).send(message(port), ended.signal));
    expect(outcome).toMatchObject({ kind: "unknown", code: "TIMEOUT", ailing: false });
    await eventually(() => open.size === 0, "the connection is closed");
  });
});

describe("through the service", () => {
  const secret = newSecret();
  const folder = mkdtempSync(join(tmpdir(), "belfry-types-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  const ping = {
    inbox: false,
    channels: { webhook: {} },
    retry: { delay_ms: 20, factor: 1, max_retries: 2 },
  };
  writeFileSync(join(folder, "types.json"), JSON.stringify({ ping }));

  async function service(port: number, more: Record<string, string> = {}) {
    return startService({
      DB_URI: uri,
      NOTIFICATION_TYPES_FILE: join(folder, "types.json"),
      ...reaching(port),
      ...more,
    });
  }

  /** A user of its own whose target is this path; answers with the user's id. */
  async function userOf(port: number, path: string): Promise<string> {
    const _id = new ObjectId();
    await db
      .collection("users")
      .insertOne({ _id, webhook: { url: `http://127.0.0.1:${port}${path}`, secrets: [secret] } });
    return _id.toHexString();
  }

  const deliveryOf = (user: string) =>
    deliveriesOf(db)
      .find({ user: new ObjectId(user) })
      .sort({ _id: -1 })
      .limit(1)
      .next();

  test("each status is retried as documented, with one id and a new timestamp each time", async () => {
    const rows: Array<[path: string, attempts: number, state: string, reason?: string]> = [
      ["/200", 1, "sent"],
      ["/204", 1, "sent"],
      ["/301", 3, "failed", "exhausted"],
      ["/302", 3, "failed", "exhausted"],
      ["/307", 3, "failed", "exhausted"],
      ["/400", 3, "failed", "exhausted"],
      ["/401", 3, "failed", "exhausted"],
      ["/404", 3, "failed", "exhausted"],
      ["/410", 1, "failed", "address"],
      ["/500", 3, "failed", "exhausted"],
      ["/503", 3, "failed", "exhausted"],
      ["/hang-up", 3, "failed", "exhausted"],
      ["/recovers", 2, "sent"],
      ["/429", 1, "pending"],
      ["/502", 1, "pending"],
      ["/504", 1, "pending"],
      ["/429-after-1", 2, "sent"],
    ];
    const sink = await target(({ path }, response, earlier) => {
      if (path === "/hang-up") return void response.destroy();
      if (path === "/recovers") return void response.writeHead(earlier ? 200 : 500).end();
      if (path === "/429-after-1")
        return void (earlier ? response.end() : response.writeHead(429, { "retry-after": "1" }).end());
      response.writeHead(Number(path.slice(1)), { location: "/redirected" }).end("as told");
    });
    const { url } = await service(sink.port);
    const users = await Promise.all(rows.map(([path]) => userOf(sink.port, path)));
    for (const user_id of users)
      expect((await call(url, "POST", "/create", { user_id, key: "ping", data: { n: 1 } })).status).toBe(201);

    for (const [index, [path, attempts, state, reason]] of rows.entries()) {
      const found = await eventually(async () => {
        const one = await deliveryOf(users[index] as string);
        return one?.attempts.length === attempts && one.state === state && one;
      }, `${path} is ${state} after ${attempts} attempts`);
      expect(found.reason, path).toBe(reason);
      const calls = sink.calls.filter((one) => one.path === path);
      expect(calls, path).toHaveLength(attempts);
      expect(new Set(calls.map((one) => one.headers["webhook-id"]))).toEqual(
        new Set([found._id.toHexString()]),
      );
      for (const one of calls) new Webhook(secret).verify(one.body, one.headers as Record<string, string>);
      if (path === "/302") expect(found.attempts[0]).toMatchObject({ code: "302", text: "302 as told" });
      const [{ at: begun } = { at: new Date(Number.NaN) }] = found.attempts;
      if (state === "pending") expect(found.due.getTime() - begun.getTime()).toBeGreaterThanOrEqual(60_000);
      if (path === "/429-after-1") {
        const [first, second] = calls as [(typeof calls)[number], (typeof calls)[number]];
        expect(second.at - first.at).toBeGreaterThanOrEqual(990);
        expect(second.headers["webhook-timestamp"]).not.toBe(first.headers["webhook-timestamp"]);
      }
    }
    expect(sink.calls.filter((one) => one.path === "/redirected")).toEqual([]);
    const { type, timestamp, data } = JSON.parse(sink.calls[0]?.body ?? "");
    expect(type).toBe("ping");
    expect(new Date(timestamp).toISOString()).toBe(timestamp);
    expect(data).toMatchObject({ user_id: users[0], data: { n: 1 } });

    // After 410 the target is left alone.
    const gone = users[rows.findIndex(([path]) => path === "/410")] as string;
    await call(url, "POST", "/create", { user_id: gone, key: "ping" });
    await eventually(async () => (await deliveryOf(gone))?.state === "skipped", "the next one is skipped");
    expect((await deliveryOf(gone))?.reason).toBe("suppressed");
    expect(sink.calls.filter((one) => one.path === "/410")).toHaveLength(1);
  });

  test("many failing targets do not delay the other users' webhooks", async () => {
    const sink = await target(
      ({ path }, response) => void (path === "/good" ? response.end() : response.destroy()),
    );
    const { url } = await service(sink.port);
    const bad = await Promise.all(Array.from({ length: 12 }, () => userOf(sink.port, "/bad")));
    for (const user_id of bad) await call(url, "POST", "/create", { user_id, key: "ping" });
    await eventually(() => sink.calls.length >= 36, "the failing ones have used up their tries");
    const good = await userOf(sink.port, "/good");
    await call(url, "POST", "/create", { user_id: good, key: "ping" });
    await eventually(async () => (await deliveryOf(good))?.state === "sent", "the good one is sent");
    const { providers } = (await call(url, "GET", "/readyz?verbose")).body;
    expect(providers.webhook).toEqual({ webhook: { state: "ok" } });
  });

  test("160 deliveries to a silent target hardly delay another user's webhook", async () => {
    let held = 0;
    const sink = await target(({ path }, response) => {
      if (path === "/silent") held++;
      else response.end();
    });
    const good = await target((_call, response) => void response.end());
    const { url } = await service(sink.port, { WEBHOOK_PORTS: `${sink.port},${good.port}` });
    const silent = await userOf(sink.port, "/silent");
    const sending = Array.from({ length: 160 }, () =>
      call(url, "POST", "/create", { user_id: silent, key: "ping" }),
    );
    await Promise.all(sending);
    await eventually(() => held > 0, "the silent target holds a call");
    const user_id = await userOf(good.port, "/good");
    await call(url, "POST", "/create", { user_id, key: "ping" });
    await eventually(() => good.calls.length === 1, "the other user's webhook is called");
    // None of the silent target's calls has ended yet, and it has a few of the slots only.
    expect(sink.open()).toBe(held);
    expect(held).toBeLessThanOrEqual(4);
  });

  test("a 101 answer is retried at once and delays no other webhook", async () => {
    const switching = createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", () => socket.end("HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"));
    });
    switching.listen(0, "127.0.0.1");
    await once(switching, "listening");
    onTestFinished(() => void switching.close());
    const { port } = switching.address() as AddressInfo;
    const good = await target((_call, response) => void response.end());
    const { url } = await service(port, { WEBHOOK_PORTS: `${port},${good.port}` });
    const users = await Promise.all(Array.from({ length: 40 }, () => userOf(port, "/101")));
    await Promise.all(users.map((user_id) => call(url, "POST", "/create", { user_id, key: "ping" })));
    const user_id = await userOf(good.port, "/good");
    await call(url, "POST", "/create", { user_id, key: "ping" });
    await eventually(() => good.calls.length === 1, "the other user's webhook is called");
    for (const user of users) {
      const ended = await eventually(async () => {
        const found = await deliveryOf(user);
        return found?.state === "failed" ? found : undefined;
      }, "it has used its tries");
      expect(ended).toMatchObject({ reason: "exhausted", attempts: Array(3).fill({ code: "101" }) });
    }
    expect((await call(url, "GET", "/readyz?verbose")).body.overdue).toEqual({
      email: 0,
      sms: 0,
      webhook: 0,
    });
  });

  test("a webhook that has failed for five days is disabled, shown as such, and enabled when it is stored again", async () => {
    let status = 500;
    const sink = await target((_call, response) => void response.writeHead(status).end());
    const { url } = await service(sink.port);
    const user_id = await userOf(sink.port, "/hook");
    const profile = async () => (await call(url, "GET", `/v1/users/${user_id}`)).body.webhook;
    const ended = async (state: string) => {
      await call(url, "POST", "/create", { user_id, key: "ping" });
      return eventually(async () => {
        const found = await deliveryOf(user_id);
        return found?.state === state ? found : undefined;
      }, `the delivery is ${state}`);
    };

    await ended("failed");
    const { failing_since } = await eventually(
      async () => ((await profile()).failing_since ? profile() : undefined),
      "the first failure is noted",
    );
    await ended("failed");
    expect(await profile()).toEqual({ url: expect.any(String), failing_since });

    const users = db.collection("users");
    const longAgo = new Date(Date.now() - 6 * 24 * 60 * 60_000);
    await users.updateOne({ _id: new ObjectId(user_id) }, { $set: { "webhook.failingSince": longAgo } });
    await ended("failed");
    const { disabled } = await eventually(
      async () => ((await profile()).disabled ? profile() : undefined),
      "it is disabled",
    );
    expect(disabled).toEqual({ since: expect.any(String), reason: "failing" });
    const called = sink.calls.length;
    expect((await ended("skipped")).detail).toMatch(/disabled since .*5 days; store the webhook again/);
    expect(sink.calls).toHaveLength(called);

    status = 204;
    const webhook = { url: `http://127.0.0.1:${sink.port}/hook`, secrets: [secret] };
    await call(url, "PATCH", `/v1/users/${user_id}`, { webhook });
    expect(await profile()).toEqual({ url: webhook.url });
    await ended("sent");

    status = 500;
    await ended("failed");
    await eventually(async () => (await profile()).failing_since, "the failure is noted");
    status = 204;
    await ended("sent");
    await eventually(async () => !(await profile()).failing_since, "it has answered again");
  });

  test("a webhook's headers are sent with each call, and replace none of ours", async () => {
    const sink = await target((_call, response) => void response.end());
    const { url } = await service(sink.port);
    const user_id = new ObjectId().toHexString();
    const webhook = {
      url: `http://127.0.0.1:${sink.port}/auth`,
      secrets: [secret],
      headers: { Authorization: "Bearer abc", "User-Agent": "Acme" },
    };
    expect((await call(url, "PUT", `/v1/users/${user_id}`, { webhook })).status).toBe(201);
    await call(url, "POST", "/create", { user_id, key: "ping" });
    await eventually(() => sink.calls.length === 1, "it is called");
    const { headers, body } = sink.calls[0] as (typeof sink.calls)[number];
    expect(headers).toMatchObject({
      authorization: "Bearer abc",
      "user-agent": "Acme",
      "content-type": "application/json",
    });
    new Webhook(secret).verify(body, headers as Record<string, string>);
    // The document has other writers than the API.
    await db
      .collection("users")
      .updateOne({ _id: new ObjectId(user_id) }, { $set: { "webhook.headers": { Host: "evil.example" } } });
    await call(url, "POST", "/create", { user_id, key: "ping" });
    const failed = await eventually(async () => {
      const found = await deliveryOf(user_id);
      return found?.state === "failed" ? found : undefined;
    }, "it fails");
    expect(failed).toMatchObject({ reason: "policy", attempts: [{ code: "HEADERS" }] });
    expect(sink.calls).toHaveLength(1);
  });

  test("a private target fails at once, without a connection", async () => {
    const sink = await target((_call, response) => void response.end());
    const { url } = await service(sink.port, { WEBHOOK_ALLOW_NETWORKS: "10.9.9.0/24" });
    const user_id = await userOf(sink.port, "/private");
    await call(url, "POST", "/create", { user_id, key: "ping" });
    await eventually(async () => (await deliveryOf(user_id))?.state === "failed", "it fails");
    expect(await deliveryOf(user_id)).toMatchObject({ reason: "policy", attempts: [{ code: "BLOCKED" }] });
    expect(sink.connections()).toBe(0);
  });

  test("users without a webhook of their own are called at WEBHOOK_URL", async () => {
    const sink = await target((_call, response) => void response.end());
    const [old, fresh] = [newSecret(), newSecret()];
    const { url } = await service(sink.port, {
      WEBHOOK_URL: `http://127.0.0.1:${sink.port}/everyone/`,
      WEBHOOK_SECRET: `${fresh},${old}`,
    });
    const own = await userOf(sink.port, "/own");
    const other = new ObjectId().toHexString();
    for (const user_id of [own, other]) await call(url, "POST", "/create", { user_id, key: "ping" });
    await eventually(() => sink.calls.length === 2, "both are called");
    const byPath = new Map(sink.calls.map((one) => [one.path, one]));
    expect([...byPath.keys()].sort()).toEqual(["/everyone/", "/own"]);
    const { body, headers } = byPath.get("/everyone/") as (typeof sink.calls)[number];
    for (const each of [old, fresh])
      expect(new Webhook(each).verify(body, headers as Record<string, string>)).toMatchObject({
        type: "ping",
      });
  });
});

test("a start with wrong webhook settings lists what is wrong and shows no secret", () => {
  const problem = (variables: Record<string, string>) => {
    try {
      loadConfig(variables);
      return "";
    } catch (error) {
      return (error as Error).message;
    }
  };
  const good = newSecret();
  expect(problem({ WEBHOOK_URL: "https://hooks.example/x", WEBHOOK_SECRET: good })).toBe("");
  expect(problem({ WEBHOOK_URL: "https://hooks.example/x" })).toMatch(/WEBHOOK_SECRET/);
  expect(problem({ WEBHOOK_SECRET: good })).toMatch(/WEBHOOK_URL/);
  expect(problem({ WEBHOOK_URL: "http://hooks.example/", WEBHOOK_SECRET: good })).toMatch(/https:\/\//);
  expect(
    problem({ WEBHOOK_URL: "https://hooks.example/", WEBHOOK_SECRET: [good, good, good].join() }),
  ).toMatch(/two/);
  const message = problem({
    WEBHOOK_SECRET: "whsec_hushhush",
    WEBHOOK_ALLOW_NETWORKS: "10.0.0.0/99",
    WEBHOOK_PORTS: "0",
  });
  expect(message).toMatch(/WEBHOOK_SECRET[\s\S]*WEBHOOK_ALLOW_NETWORKS[\s\S]*WEBHOOK_PORTS/);
  expect(message).not.toContain("hushhush");
});

test.each([
  ["https://hooks.example:8443/", /WEBHOOK_URL: has port 8443.*WEBHOOK_PORTS/],
  ["http://hooks.example/", /WEBHOOK_URL: must begin with https:.*WEBHOOK_ALLOW_HTTP/],
  ["https://10.0.0.1/canary", /WEBHOOK_URL: has the address 10.0.0.1.*WEBHOOK_ALLOW_NETWORKS/],
  ["https://me:canary@hooks.example/", /WEBHOOK_URL: must not contain a user name or a password/],
])("WEBHOOK_URL=%s stops the start, and the URL is not repeated", (WEBHOOK_URL, says) => {
  const start = () => loadConfig({ WEBHOOK_URL, WEBHOOK_SECRET: newSecret() });
  expect(start).toThrow(says);
  expect(start).not.toThrow(/canary/);
});

test("WEBHOOK_URL may come from a file", () => {
  const folder = mkdtempSync(join(tmpdir(), "belfry-url-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "url");
  writeFileSync(file, "https://hooks.example/token\n");
  const { config } = loadConfig({ WEBHOOK_URL_FILE: file, WEBHOOK_SECRET: newSecret() });
  expect(config.WEBHOOK_URL).toBe("https://hooks.example/token");
});
