import { connect } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { freshDatabase } from "../../support/database.ts";
import { call } from "../../support/http.ts";
import { counted } from "../../support/inbox.ts";
import { eventually, startService } from "../../support/service.ts";
import { change, dialectPath, listening, livePath, notify, revBefore, someone } from "./calls.ts";
import { openSocket } from "./clients.ts";
import { key, secret, token } from "./tokens.ts";

const { uri } = freshDatabase();
const variables = { DB_URI: uri, EMAIL: "live@example.com" };

const withKeys = { ...variables, API_KEYS: key, TOKEN_SECRET: secret };

describe("messages to a device", () => {
  test("sends the state first, then each change with its rev and the counts", async () => {
    const { url } = await startService(variables);
    const user = someone();
    const device = openSocket(url, livePath(user));
    await eventually(() => device.messages.length === 1, "it is told where it stands");
    expect(device.messages).toEqual([{ type: "state", rev: 0, unread: 0, unseen: 0, total: 0 }]);

    const id = await notify(url, user, "Hello", "World");
    const item = {
      id,
      type: "direct",
      title: "Hello",
      body: "World",
      created_at: expect.stringMatching(/Z$/),
      updated_at: expect.stringMatching(/Z$/),
      read: false,
      archived: false,
      rev: 1,
      created_rev: 1,
    };
    const expected: unknown[] = [
      { type: "changes", rev: 1, unread: 1, unseen: 1, total: 1, changes: [{ change: "new", rev: 1, item }] },
    ];
    await eventually(() => device.messages.length === 2, "the new item");
    for (const [n, [what, told, state]] of (
      [
        ["read", "read", { read: true, archived: false }],
        ["unread", "unread", { read: false, archived: false }],
        ["archive", "archived", { read: true, archived: true }],
        ["unarchive", "read", { read: true, archived: false }],
      ] as const
    ).entries()) {
      await change(url, user, id, what);
      await eventually(() => device.messages.length === 3 + n, what);
      const rev = 2 + n;
      expected.push({
        ...{ type: "changes", rev, unread: state.read ? 0 : 1, unseen: state.read ? 0 : 1, total: 1 },
        changes: [{ change: told, rev, item: { ...item, ...state, rev } }],
      });
    }
    await change(url, user, id, "delete");
    await eventually(() => device.messages.length === 7, "the deletion");
    expected.push({
      type: "changes",
      rev: 6,
      unread: 0,
      unseen: 0,
      total: 0,
      changes: [{ change: "deleted", rev: 6, id }],
    });
    expect(counted(device.messages.slice(1), await revBefore(url, user, 6))).toEqual(expected);
  });

  test("a reconnect with rev brings exactly what was missed", async () => {
    const { url } = await startService(variables);
    const user = someone();
    const [first, second] = [await notify(url, user, "1"), await notify(url, user, "2")];
    await change(url, user, first, "read");
    await notify(url, user, "3");
    await change(url, user, second, "delete");

    const began = await revBefore(url, user, 5);
    const state = { type: "state", rev: 5, unread: 1, unseen: 1, total: 2 };
    const missed = async (rev: number, messages: number) => {
      const device = openSocket(url, livePath(user, `?rev=${rev && began + rev}`));
      // An unwanted extra message would arrive before the marker has its own.
      const marker = openSocket(url, livePath(user, `?rev=${began + 1}`));
      await eventually(
        () => marker.messages.length === 2 && device.messages.length >= messages,
        "what was missed",
      );
      return counted(device.messages, began);
    };
    expect(await missed(2, 2)).toMatchObject([
      state,
      {
        ...{ type: "changes", rev: 5, unread: 1, unseen: 1, total: 2 },
        changes: [
          { change: "read", rev: 3, item: { id: first, read: true } },
          { change: "new", rev: 4, item: { title: "3" } },
          { change: "deleted", rev: 5, id: second },
        ],
      },
    ]);
    expect(await missed(5, 1)).toEqual([state]);
    expect(await missed(0, 2)).toMatchObject([state, { changes: [{ rev: 3 }, { rev: 4 }, { rev: 5 }] }]);
  });

  test("answers an unknown rev with resync, then sends later changes", async () => {
    const { url } = await startService(variables);
    const user = someone();
    await notify(url, user);
    const rev = await revBefore(url, user, 0);
    const device = openSocket(url, livePath(user, `?rev=${rev + 999}`));
    await eventually(() => device.messages.length === 2, "it is told to read anew");
    const standing = { rev, unread: 1, unseen: 1, total: 1 };
    expect(device.messages).toEqual([
      { type: "state", ...standing },
      { type: "resync", ...standing },
    ]);
    await notify(url, user, "next");
    await eventually(() => device.messages.length === 3, "the next change");
    expect(device.messages[2]).toMatchObject({
      type: "changes",
      rev: rev + 1,
      changes: [{ item: { title: "next" } }],
    });
  });

  test("sends resync to a device that was away while its user was erased", async () => {
    const { url } = await startService(variables);
    const user = someone();
    for (const title of ["1", "2", "3"]) await notify(url, user, title);
    const known = await revBefore(url, user, 0);
    const { status } = await call(url, "DELETE", `/v1/users/${encodeURIComponent(user)}`);
    expect(status).toBe(204);
    for (let n = 0; n < 10; n++) await notify(url, user, `after ${n}`);
    const device = openSocket(url, livePath(user, `?rev=${known}`));
    await eventually(() => device.messages.length === 2, "it is told to read anew");
    expect(device.messages[1]).toMatchObject({ type: "resync", unread: 10, unseen: 10, total: 10 });
    const newcomer = openSocket(url, livePath(user, "?rev=0"));
    await eventually(() => newcomer.messages.length === 2, "who knows nothing is told everything");
    expect(newcomer.messages[1]).toMatchObject({
      changes: Array.from({ length: 10 }, (_, n) => ({ change: "new", item: { title: `after ${n}` } })),
    });
  });

  test("sends resync instead of more than 512 KiB, then later changes", async () => {
    const { url } = await startService(variables);
    const user = someone();
    const long = "é".repeat(10_000);
    await Promise.all(Array.from({ length: 30 }, () => notify(url, user, "long", long)));
    const device = openSocket(url, livePath(user, "?rev=0"));
    await eventually(() => device.messages.length === 2, "it is told to read anew");
    const { rev } = device.messages[0] as { rev: number };
    expect(device.messages).toEqual([
      { type: "state", rev, unread: 30, unseen: 30, total: 30 },
      { type: "resync", rev, unread: 30, unseen: 30, total: 30 },
    ]);
    await notify(url, user, "after");
    await eventually(() => device.messages.length === 3, "the next change");
    expect(device.messages[2]).toMatchObject({ type: "changes", rev: rev + 1 });
  });

  test("a live-dialect client that reads late gets every notification, many MB of them", {
    timeout: 240_000,
  }, async () => {
    const { url } = await startService({ ...variables, INBOX_LIMIT: "1000" });
    const user = someone();
    const device = openSocket(url, dialectPath(user));
    await eventually(() => device.ws.readyState === 1, "it is open");
    device.ws.pause();
    const long = "é".repeat(10_000);
    const titles = Array.from({ length: 300 }, (_, n) => `${n}`);
    await Promise.all(titles.map((title) => notify(url, user, title, long)));
    device.ws.resume();
    await eventually(() => device.texts.length === titles.length, "300 of 20 kB each");
    const heard = device.texts.map((text) => JSON.parse(text).data.title);
    expect(heard.toSorted()).toEqual(titles.toSorted());
  });
});

describe("messages of a client", () => {
  test("echoes texts up to 64 KiB on the live dialect's socket, and not on our own", async () => {
    const { url } = await startService(variables);
    const user = someone();
    const [dialect, own] = [openSocket(url, dialectPath(user)), openSocket(url, livePath(user))];
    dialect.ws.removeAllListeners("message");
    const heard: string[] = [];
    dialect.ws.on("message", (data) => heard.push(String(data)));
    await eventually(() => dialect.ws.readyState === 1 && own.messages.length === 1, "both are open");
    const texts = ["ping", "", '{"type":"notification"}', "🧪 \0 ünï", "x".repeat(64 * 1024)];
    for (const text of texts) {
      dialect.ws.send(text);
      own.ws.send(text);
    }
    await eventually(() => heard.length === texts.length, "all come back");
    expect(heard).toEqual(texts);
    await notify(url, user);
    await eventually(() => own.messages.length === 2, "our own socket still listens");
    expect(own.messages.map((one) => one.type)).toEqual(["state", "changes"]);
  });

  test.each([
    ["our own", livePath],
    ["the live dialect's", dialectPath],
  ])(
    "%s socket: closes with a code for a long, binary or invalid message and for a flood",
    async (_name, path) => {
      const { url } = await startService(variables);
      const user = someone();
      const ended = async (act: (ws: ReturnType<typeof openSocket>["ws"]) => void) => {
        const device = openSocket(url, path(user));
        await eventually(() => device.ws.readyState === 1, "it is open");
        act(device.ws);
        return device.ended;
      };
      expect(await ended((ws) => ws.send("x".repeat(64 * 1024 + 1)))).toMatchObject({ code: 1009 });
      expect(await ended((ws) => ws.send(Buffer.from("abc")))).toEqual({ code: 1003, reason: "text_only" });
      const flood = { code: 1008, reason: "too_many_messages" };
      const socketOf = (ws: object) => (ws as { _socket: { write(bytes: Buffer): void } })._socket;
      const often = (act: () => void) => {
        for (let n = 0; n < 200; n++) act();
      };
      expect(await ended((ws) => often(() => ws.send("x")))).toEqual(flood);
      expect(await ended((ws) => often(() => ws.ping()))).toEqual(flood);
      // All in one segment: no answer can have left before the last of them is read.
      const ping = Buffer.from([0x89, 0x80, 0, 0, 0, 0]);
      expect(await ended((ws) => socketOf(ws).write(Buffer.concat(Array(200).fill(ping))))).toEqual(flood);
      // Pieces of one text, which never ends.
      expect(await ended((ws) => often(() => ws.send("x", { fin: false })))).toMatchObject({ code: 1008 });
      // A frame without a mask, and one that is not UTF-8 (RFC 6455, 5.1 and 8.1).
      expect(await ended((ws) => socketOf(ws).write(Buffer.from([0x81, 1, 0x61])))).toMatchObject({
        code: 1002,
      });
      expect(await ended((ws) => ws.send(Buffer.from([0xff]), { binary: false }))).toMatchObject({
        code: 1007,
      });
      // Other connections are not affected.
      const device = openSocket(url, livePath(user));
      await eventually(() => device.messages.length === 1, "the next one is served");
    },
  );

  test("closes a client that sends and never reads the echo", async () => {
    const { url } = await startService(variables);
    const device = openSocket(url, dialectPath(someone()));
    device.ws.removeAllListeners("message");
    await eventually(() => device.ws.readyState === 1, "it is open");
    device.ws.pause();
    const text = "x".repeat(64 * 1024);
    await eventually(async () => (await listening(url)) === 1, "it is counted");
    // Below the rate that is a flood: what the network holds for it (some MB) has to be filled first.
    const sending = setInterval(() => device.ws.send(text), 60);
    await eventually(async () => (await listening(url)) === 0, "it is given up");
    clearInterval(sending);
    device.ws.resume();
    expect(await device.ended).toEqual({ code: 1013, reason: "not_reading" });
  });
});

describe("access", () => {
  test("answers 404 for an unknown path, and 400 for a request without an upgrade", async () => {
    const { url } = await startService(variables);
    for (const path of ["/", "/v1/users/a", "/v1/users/a/b/live", "/v1/users//live", "/ws", "/list", "/docs"])
      expect(await openSocket(url, path).ended, path).toMatchObject({ code: 404 });
    for (const path of [livePath("a"), dialectPath("a")])
      expect(await call(url, "GET", path), path).toMatchObject({
        status: 400,
        body: { code: "invalid_request", detail: expect.stringContaining("WebSocket") },
      });
    expect((await call(url, "POST", livePath("a"), {})).status).toBe(405);
  });

  test("closes with invalid_request for an invalid user id or rev", async () => {
    const { url } = await startService(variables);
    const wrong = { code: 1008, reason: "invalid_request" };
    for (const path of [
      ...["-1", "1.5", "x", "", "1e3", "9".repeat(17), "9007199254740991"].map((rev) =>
        livePath("a", `?rev=${rev}`),
      ),
      "/v1/users/%ff/live",
      "/v1/users/%zz/live",
      "/v1/users/a%00/live",
      livePath("x".repeat(129)),
      dialectPath("x".repeat(129)),
    ])
      expect(await openSocket(url, path).ended, path).toEqual(wrong);
    for (const user of ["x".repeat(128), "🧪".repeat(128), "a/b?c", "ABCDEF0123456789abcdef01"]) {
      const device = openSocket(url, livePath(user, "?rev=0&anything=else"));
      await eventually(() => device.messages.length === 1, `${user} is served`);
    }
  });

  test("answers 403 to pages of unlisted origins; accepts programs, our own and listed pages", async () => {
    const { url } = await startService({ ...variables, ALLOWED_ORIGINS: "https://app.example" });
    const host = new URL(url).host;
    const outcome = async (headers: Record<string, string>, path = livePath("a")) => {
      const device = openSocket(url, path, { headers });
      const opened = new Promise((resolve) => device.ws.on("open", () => resolve("open")));
      return Promise.race([opened, device.ended.then(({ code }) => code)]);
    };
    for (const path of [livePath("a"), dialectPath("a"), "/socket.io/?EIO=4&transport=websocket"]) {
      for (const origin of [
        "https://evil.example",
        "http://app.example",
        "https://app.example.evil.example",
        "null",
      ])
        expect(await outcome({ origin }, path), `${origin} ${path}`).toBe(403);
      for (const origin of ["https://app.example", `http://${host}`])
        expect(await outcome({ origin }, path), `${origin} ${path}`).toBe("open");
      expect(await outcome({}, path)).toBe("open");
      // A page that made its own name point here (DNS rebinding).
      expect(await outcome({ origin: "http://evil.example", host: "evil.example" }, path)).toBe(403);
      expect(await outcome({ host: "evil.example" }, path)).toBe(403);
    }
  });

  test("with keys, refuses a missing, bad, foreign or expired token by its code; accepts a good one", async () => {
    const { url } = await startService(withKeys);
    const refused = (reason: string) => ({ code: 1008, reason });
    for (const path of [livePath("alex"), dialectPath("alex")]) {
      const ended = (query: string, headers = {}) => openSocket(url, path + query, { headers }).ended;
      expect(await ended("")).toEqual(refused("unauthorized"));
      expect(await ended("?token=")).toEqual(refused("unauthorized"));
      expect(await ended("?token=x.y.z")).toEqual(refused("unauthorized"));
      expect(await ended(`?token=${await token("alex", -60)}`)).toEqual(refused("unauthorized"));
      expect(await ended(`?token=${await token("alex", 600, "x".repeat(40))}`)).toEqual(
        refused("unauthorized"),
      );
      expect(await ended(`?token=${await token("bob")}`)).toEqual(refused("forbidden"));
      expect(await ended("", { authorization: `Bearer ${await token("bob")}` })).toEqual(
        refused("forbidden"),
      );
      const good = [
        openSocket(url, `${path}?token=${await token("alex")}`),
        openSocket(url, path, { headers: { authorization: `Bearer ${await token("alex")}` } }),
        openSocket(url, path, { headers: { authorization: `Bearer ${key}` } }),
        openSocket(url, `${path}?token=${key}`),
      ];
      await eventually(() => good.every(({ ws }) => ws.readyState === 1), "they are open");
    }
  });

  test("closes a socket when its token expires; one with a key stays", async () => {
    const { url } = await startService(withKeys);
    // The tolerance is five seconds.
    const short = openSocket(url, livePath("alex", `?token=${await token("alex", -1)}`));
    const program = openSocket(url, livePath("alex", `?token=${key}`));
    await eventually(() => short.messages.length === 1, "it may listen for now");
    expect(await short.ended).toEqual({ code: 1008, reason: "token_expired" });
    await call(
      url,
      "POST",
      "/notification/",
      { title: "t", receiver_user_id: "alex" },
      { authorization: `Bearer ${key}` },
    );
    await eventually(() => program.messages.length === 2, "the other is told");
    expect(short.messages).toHaveLength(1);
  });

  test("refuses tokens of a replaced secret", async () => {
    const service = await startService(withKeys);
    const good = await token("alex");
    const before = openSocket(service.url, livePath("alex", `?token=${good}`));
    await eventually(() => before.messages.length === 1, "it may listen");
    await service.close();
    expect((await before.ended).code).toBe(1001);
    const { url } = await startService({ ...withKeys, TOKEN_SECRET: "another-secret-of-over-32-characters" });
    expect(await openSocket(url, livePath("alex", `?token=${good}`)).ended).toEqual({
      code: 1008,
      reason: "unauthorized",
    });
  });

  test("limits the connections of a user and of an address across all transports", async () => {
    const { url } = await startService({
      ...variables,
      LIVE_CONNECTIONS_PER_USER: "2",
      LIVE_CONNECTIONS_PER_ADDRESS: "4",
      TRUST_PROXY: "127.0.0.1",
    });
    const later = { code: 1013, reason: "too_many_connections" };
    const from = (address: string) => ({ headers: { "x-forwarded-for": address } });
    const opened = async (user: string, address: string) => {
      const device = openSocket(url, livePath(user), from(address));
      await eventually(() => device.messages.length === 1, `${user} is served`);
      return device;
    };
    const first = await opened("alex", "192.0.2.1");
    const dialect = openSocket(url, dialectPath("alex"), from("192.0.2.2"));
    await eventually(() => dialect.ws.readyState === 1, "the second of alex");
    expect(await openSocket(url, livePath("alex"), from("192.0.2.3")).ended).toEqual(later);
    first.ws.close();
    await first.ended;
    await eventually(async () => {
      const device = openSocket(url, livePath("alex"), from("192.0.2.3"));
      return Promise.race([
        device.ended.then(() => false),
        new Promise<boolean>((resolve) => device.ws.on("message", () => resolve(true))),
      ]);
    }, "there is room again");

    // An IPv6 /64 counts as one address.
    for (let n = 1; n <= 4; n++) await opened(`v6 ${n}`, `2001:db8:0:1::${n}`);
    expect(await openSocket(url, livePath("v6 5"), from("2001:db8:0:1:ffff::5")).ended).toEqual(later);
    await opened("v6 6", "2001:db8:0:2::1");
    // Entries before the proxy's own are not trusted.
    expect(await openSocket(url, livePath("v6 7"), from("192.0.2.9, 2001:db8:0:1::7")).ended).toEqual(later);
  });
});

describe("dead and half-open connections", () => {
  test("cuts off a peer that answers no ping", async () => {
    const { url } = await startService({ ...variables, LIVE_HEARTBEAT_SECONDS: "2" });
    const user = someone();
    const dead = [livePath(user), dialectPath(user)].map((path) =>
      openSocket(url, path, { autoPong: false }),
    );
    const alive = openSocket(url, livePath(user));
    let pings = 0;
    alive.ws.on("ping", () => pings++);
    for (const device of dead) expect(await device.ended).toMatchObject({ code: 1006 });
    await eventually(() => pings > 2, "the other is asked several times");
    expect(alive.ws.readyState).toBe(1);
    await notify(url, user);
    await eventually(() => alive.messages.length === 2, "and is told");
  });

  test("treats an upgrade to another protocol as a plain request, with its body (Java's client offers h2c)", async () => {
    const { url } = await startService(variables);
    const user = someone();
    const body = JSON.stringify({ title: "by h2c", receiver_user_id: user });
    const offer =
      "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAB\r\n";
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname);
    let answers = "";
    socket.on("data", (chunk) => {
      answers += chunk;
    });
    const head = `POST /notification/ HTTP/1.1\r\nHost: 127.0.0.1\r\n${offer}Content-Type: application/json\r\n`;
    socket.write(`${head}Content-Length: ${body.length}\r\n\r\n${body.slice(0, 10)}`);
    socket.write(body.slice(10));
    await eventually(() => answers.includes("new notification created"), "it is stored");
    // The connection serves the next request, offered again.
    socket.write(`GET /notification/${encodeURIComponent(user)} HTTP/1.1\r\nHost: 127.0.0.1\r\n${offer}\r\n`);
    await eventually(() => answers.includes("list of notifications"), "it is listed");
    expect(answers.match(/HTTP\/1\.1 20[01] /g)).toHaveLength(2);
    expect(answers).toContain('"title":"by h2c"');
    socket.destroy();
  });

  test("answers pipelined requests in order, and closes a connection whose upgrade does not wait for them", async () => {
    const { url } = await startService(variables);
    const user = someone();
    const { hostname, port } = new URL(url);
    const request = (path: string, more = "") => `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${more}\r\n`;
    const h2c = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAAB\r\n";
    const webSocket =
      "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    const open = () => {
      const socket = connect(Number(port), hostname);
      onTestFinished(() => void socket.destroy());
      const told = { answers: "", closed: false };
      socket.on("data", (chunk) => {
        told.answers += chunk;
      });
      socket.on("error", () => {});
      socket.on("close", () => {
        told.closed = true;
      });
      return { told, socket };
    };
    const statuses = (answers: string) =>
      (answers.match(/HTTP\/1\.1 \d+/g) ?? []).map((line) => line.slice(9));
    const plain = request("/v1/users/a/inbox") + request("/v1/users/b/inbox") + request("/nowhere");

    const patient = open();
    patient.socket.write(plain);
    await eventually(() => statuses(patient.told.answers).length === 3, "all are answered");
    patient.socket.write(request(livePath(user), webSocket));
    await eventually(() => patient.told.answers.includes('"type":"state"'), "the last is a WebSocket");
    expect(statuses(patient.told.answers)).toEqual(["200", "200", "404", "101"]);

    for (const upgrade of [request("/asyncapi.json", h2c), request(livePath(user), webSocket)]) {
      const { told, socket } = open();
      socket.write(plain + upgrade);
      await eventually(() => told.closed, "it is closed");
      expect(["200", "200", "404"].join()).toContain(statuses(told.answers).join());
    }
    const device = openSocket(url, livePath(user));
    await eventually(() => device.messages.length === 1, "the others are served");
  });

  test("does not count a broken or invalid handshake", async () => {
    const { url } = await startService({ ...variables, LIVE_CONNECTIONS_PER_ADDRESS: "3" });
    const { hostname, port } = new URL(url);
    const upgrade = (path: string, more: string) =>
      new Promise<string>((resolve) => {
        const socket = connect(Number(port), hostname);
        let answer = "";
        socket.on("data", (chunk) => {
          answer += chunk;
        });
        socket.on("close", () => resolve(answer));
        socket.on("error", () => {});
        socket.write(
          `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${more}\r\n`,
        );
        if (more === "") socket.resetAndDestroy();
      });
    for (let n = 0; n < 5; n++) {
      await upgrade(livePath("a"), "");
      const wrong = "Sec-WebSocket-Version: 12\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
      expect(await upgrade(livePath("a"), wrong)).toContain("400 Bad Request");
      expect(
        await upgrade(livePath("a"), "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n"),
      ).toContain("400");
    }
    const devices = [1, 2, 3].map(() => openSocket(url, livePath("a")));
    await eventually(() => devices.every(({ messages }) => messages.length === 1), "all three are served");
  });

  test("serves, pings and closes a thousand idle connections", async () => {
    const service = await startService({
      ...variables,
      LIVE_CONNECTIONS_PER_ADDRESS: "2000",
      LIVE_HEARTBEAT_SECONDS: "2",
    });
    const { url } = service;
    const devices = Array.from({ length: 1_000 }, (_, n) => openSocket(url, livePath(`idle ${n}`)));
    let pings = 0;
    for (const { ws } of devices) ws.on("ping", () => pings++);
    await eventually(
      () => devices.every(({ messages }) => messages.length === 1),
      "all know where they stand",
      30,
    );
    await notify(url, "idle 500", "you");
    await eventually(() => devices[500]?.messages.length === 2, "the one is told");
    await eventually(() => pings >= 1_000, "they are asked");
    expect(devices.filter(({ messages }) => messages.length !== 1)).toHaveLength(1);
    expect(devices.filter(({ ws }) => ws.readyState !== 1)).toHaveLength(0);
    await service.close();
    for (const { ended } of devices) expect(await ended).toEqual({ code: 1001, reason: "leaving" });
    const waits = devices.map(({ messages }) => messages.at(-1) as { type: string; retry_ms: number });
    expect(waits.every(({ type }) => type === "bye")).toBe(true);
    // They do not all come back at once.
    expect(new Set(waits.map((one) => one.retry_ms)).size).toBeGreaterThan(100);
  });
});
