import { connect } from "node:net";
import { expect, test } from "vitest";
import { freshDatabase } from "../../support/database.ts";
import { call } from "../../support/http.ts";
import { counted } from "../../support/inbox.ts";
import { eventually, startService } from "../../support/service.ts";
import { change, eventsPath, listening, livePath, notify, revBefore, someone } from "./calls.ts";
import { openEvents, openSocket } from "./clients.ts";
import { key, secret, token } from "./tokens.ts";

const { uri } = freshDatabase();
const variables = { DB_URI: uri, EMAIL: "live@example.com" };

test("an EventSource gets the state, then each change, with its rev as id", async () => {
  const { url } = await startService(variables);
  const user = someone();
  const device = await openEvents(url, eventsPath(user));
  expect(device.status).toBe(200);
  expect(device.headers).toMatchObject({
    "content-type": "text/event-stream",
    "cache-control": "no-store",
    "x-accel-buffering": "no",
  });
  await eventually(() => device.messages.length === 1, "where it stands");
  const id = await notify(url, user, "two\nlines");
  await eventually(() => device.messages.length === 2, "the new item");
  await change(url, user, id, "read");
  await eventually(() => device.messages.length === 3, "that it was read");
  expect(device.blocks[0]).toMatch(/^retry: \d{4}$/);
  const began = await revBefore(url, user, 2);
  expect(device.blocks.slice(1).map((block) => block.split("\ndata:")[0])).toEqual([
    "id: 0\nevent: state",
    `id: ${began + 1}\nevent: changes`,
    `id: ${began + 2}\nevent: changes`,
  ]);
  expect(counted(device.messages, began)).toMatchObject([
    { type: "state", rev: 0, unread: 0, unseen: 0, total: 0 },
    {
      type: "changes",
      rev: 1,
      unread: 1,
      unseen: 1,
      total: 1,
      changes: [{ change: "new", item: { id, title: "two\nlines" } }],
    },
    {
      type: "changes",
      rev: 2,
      unread: 0,
      unseen: 0,
      total: 1,
      changes: [{ change: "read", item: { id, read: true } }],
    },
  ]);
});

test("Last-Event-ID overrides rev on a reconnect, and brings what was missed", async () => {
  const { url } = await startService(variables);
  const user = someone();
  for (const title of ["1", "2", "3"]) await notify(url, user, title);
  const began = await revBefore(url, user, 3);
  const told = async (query: string, headers?: Record<string, string>) => {
    const device = await openEvents(url, eventsPath(user, query), headers);
    await eventually(() => device.messages.length === 2, "what it missed");
    const last = device.messages[1] as { changes?: Array<{ rev: number }> };
    return last.changes?.map((one) => one.rev - began) ?? device.messages[1]?.type;
  };
  expect(await told(`?rev=${began + 1}`)).toEqual([2, 3]);
  expect(await told("?rev=0", { "last-event-id": String(began + 2) })).toEqual([3]);
  expect(await told("?rev=0")).toEqual([1, 2, 3]);
  expect(await told(`?rev=${began + 99}`)).toBe("resync");
});

test("a stream that breaks between state and changes gets the changes on its reconnect", async () => {
  const { url } = await startService(variables);
  const user = someone();
  await notify(url, user, "1");
  const known = await revBefore(url, user, 0);
  const missed = [await notify(url, user, "2"), await notify(url, user, "3")];
  /** A browser that got nothing after `state` reconnects to the same path with the last id. */
  const brokenOff = async (path: string) => {
    const { blocks } = await openEvents(url, path);
    await eventually(() => blocks.some((block) => block.includes("event: state")), "where it stands");
    const state = blocks.findIndex((block) => block.includes("event: state"));
    const id = /^id: (.*)$/m.exec(blocks.slice(0, state + 1).join("\n"))?.[1];
    return () => openEvents(url, path, id === undefined ? {} : { "last-event-id": id });
  };
  const told = async (device: Awaited<ReturnType<typeof openEvents>>) => {
    await eventually(() => device.messages.length === 2, "what it missed");
    const last = device.messages[1] as { changes: Array<{ item: { id: string } }> };
    return last.changes.map((one) => one.item.id);
  };
  const comeBack = await brokenOff(eventsPath(user, `?rev=${known}`));
  expect(await told(await comeBack())).toEqual(missed);
  // Without a rev what counts is what happens from then on.
  const comeBackFresh = await brokenOff(eventsPath(user));
  const meanwhile = await notify(url, user, "4");
  expect(await told(await comeBackFresh())).toEqual([meanwhile]);
});

test("an invalid request gets a problem answer instead of a stream", async () => {
  const { url } = await startService(variables);
  const refused = async (path: string, headers?: Record<string, string>) => {
    const device = await openEvents(url, path, headers);
    expect(device.headers["content-type"]).toContain("application/problem+json");
    return { status: device.status, code: JSON.parse(await device.body()).code };
  };
  const wrong = { status: 400, code: "invalid_request" };
  for (const query of [
    "?rev=-1",
    "?rev=x",
    "?rev=1.5",
    "?rev=",
    "?rev=9007199254740991",
    "?page=1",
    "?rev=1&rev=2",
  ])
    expect(await refused(eventsPath("a", query)), query).toEqual(wrong);
  expect(await refused(eventsPath("a"), { "last-event-id": "x" })).toEqual(wrong);
  expect(await refused(eventsPath("x".repeat(129)))).toEqual(wrong);
  expect(await refused(eventsPath("a"), { origin: "https://evil.example" })).toEqual({
    status: 403,
    code: "forbidden",
  });
  expect(await refused(eventsPath("a"), { host: "evil.example" })).toEqual({
    status: 403,
    code: "foreign_host",
  });
  expect((await call(url, "POST", eventsPath("a"), {})).status).toBe(405);
  expect((await fetch(url + eventsPath("a"), { method: "HEAD" })).status).toBe(405);
});

test("with keys, accepts the user's token in query or header; refuses a missing, foreign or expired one", async () => {
  const { url } = await startService({ ...variables, API_KEYS: key, TOKEN_SECRET: secret });
  const status = async (query: string, headers?: Record<string, string>) =>
    (await openEvents(url, eventsPath("alex", query), headers)).status;
  expect(await status("")).toBe(401);
  expect(await status("?token=x")).toBe(401);
  expect(await status(`?token=${await token("alex", -60)}`)).toBe(401);
  expect(await status(`?token=${await token("bob")}`)).toBe(403);
  expect(await status(`?token=${await token("alex")}`)).toBe(200);
  expect(await status("", { authorization: `Bearer ${await token("alex")}` })).toBe(200);
  expect(await status("", { authorization: `Bearer ${key}` })).toBe(200);
  // Five seconds are forgiven; then the open stream ends.
  const short = await openEvents(url, eventsPath("alex", `?token=${await token("alex", -1)}`));
  expect(short.status).toBe(200);
  await short.ended;
});

test("pages of allowed origins and our own may read the stream", async () => {
  const origin = "https://app.example";
  const { url } = await startService({ ...variables, ALLOWED_ORIGINS: origin });
  const device = await openEvents(url, eventsPath("a"), { origin });
  expect(device).toMatchObject({ status: 200, headers: { "access-control-allow-origin": origin } });
  const own = await openEvents(url, eventsPath("a"), { origin: new URL(url).origin });
  expect(own.status).toBe(200);
  const preflight = await call(url, "OPTIONS", eventsPath("a"), undefined, {
    origin,
    "access-control-request-method": "GET",
    "access-control-request-headers": "authorization",
  });
  expect(preflight.status).toBe(204);
});

test("event streams count against the connection limits until they close", async () => {
  const { url } = await startService({ ...variables, LIVE_CONNECTIONS_PER_USER: "2" });
  const socket = openSocket(url, livePath("alex"));
  await eventually(() => socket.messages.length === 1, "a socket listens");
  const device = await openEvents(url, eventsPath("alex"));
  const refused = await openEvents(url, eventsPath("alex"));
  expect(refused.status).toBe(429);
  expect(refused.headers["retry-after"]).toBe("10");
  expect(JSON.parse(await refused.body())).toMatchObject({ code: "too_many_connections" });
  expect((await openSocket(url, livePath("alex")).ended).code).toBe(1013);
  device.close();
  await eventually(async () => (await openEvents(url, eventsPath("alex"))).status === 200, "there is room");
});

test("a connection that breaks during the token check is not counted", async () => {
  const { url } = await startService({
    ...variables,
    API_KEYS: key,
    TOKEN_SECRET: secret,
    LIVE_CONNECTIONS_PER_USER: "2",
    LIVE_CONNECTIONS_PER_ADDRESS: "6",
  });
  const good = await token("alex");
  const { hostname, port } = new URL(url);
  const upgrade =
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
  for (let n = 0; n < 40; n++) {
    const socket = connect(Number(port), hostname);
    socket.on("error", () => {});
    const path = n % 2 ? eventsPath("alex") : livePath("alex");
    const head = `GET ${path}?token=${good} HTTP/1.1\r\nHost: 127.0.0.1\r\n${n % 2 ? "" : upgrade}\r\n`;
    await new Promise((resolve) => socket.write(head, resolve));
    if (n % 4 < 2) socket.resetAndDestroy();
    else setImmediate(() => socket.resetAndDestroy());
  }
  // Socket.IO asks for the token within the connection.
  for (let n = 0; n < 20; n++) {
    const device = openSocket(url, "/socket.io/?EIO=4&transport=websocket");
    await Promise.race([device.ended, new Promise((resolve) => device.ws.on("message", resolve))]);
    if (device.ws.readyState !== 1) continue;
    const packet = `40${JSON.stringify({ user_id: "alex", token: good })}`;
    await new Promise((resolve) => device.ws.send(packet, resolve));
    device.close();
  }
  await eventually(async () => {
    const both = [
      openSocket(url, livePath("alex", `?token=${good}`)),
      openSocket(url, livePath("alex", `?token=${good}`)),
    ];
    await Promise.all(
      both.map(({ ws, ended }) => Promise.race([ended, new Promise((r) => ws.on("message", r))])),
    );
    const served = both.every(({ messages }) => messages.length === 1);
    for (const device of both) device.close();
    return served;
  }, "both connections are free");
});

test("refuses a pipelined request for a stream, and does not count it", async () => {
  const { url } = await startService({ ...variables, LIVE_CONNECTIONS_PER_USER: "2" });
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  let told = "";
  socket.on("data", (chunk) => {
    told += chunk;
  });
  socket.write(`GET ${eventsPath("alex")} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`.repeat(50));
  await eventually(() => told.includes("event: state"), "the first is told where it stands");
  const other = await openEvents(url, eventsPath("alex"));
  expect(other.status).toBe(200);
  expect(await listening(url)).toBe(2);
  other.close();
  socket.destroy();
  await eventually(async () => (await listening(url)) === 0, "nobody is left");
});

test("sends a comment as heartbeat", async () => {
  const { url } = await startService({ ...variables, LIVE_HEARTBEAT_SECONDS: "1" });
  const device = await openEvents(url, eventsPath("a"));
  await eventually(() => device.blocks.filter((block) => block === ":").length >= 2, "two of them");
});

/** Some 16 MB, few at a time: more than 512 KiB at once would be told in one word. */
async function notifyMuch(url: string, user: string, headers?: Record<string, string>): Promise<void> {
  const long = "é".repeat(10_000);
  for (let n = 0; n < 80; n++)
    await Promise.all(Array.from({ length: 10 }, () => notify(url, user, "x", long, headers)));
}

/** Whether the newest message has the `rev` and the counts of the inbox, which keeps as much of the 16 MB as fits. */
async function isUpToDate(url: string, user: string, messages: unknown[]): Promise<boolean> {
  const response = await fetch(`${url}/v1/users/${user}/inbox?limit=1`);
  const { rev, unread, total } = (await response.json()) as Record<string, number>;
  const last = messages.at(-1) as Record<string, number>;
  return last.rev === rev && last.unread === unread && last.total === total;
}

test("cuts off a client that reads nothing for two heartbeats", {
  timeout: 240_000,
}, async () => {
  const { url } = await startService({ ...variables, LIVE_HEARTBEAT_SECONDS: "1", INBOX_LIMIT: "1000" });
  const user = someone();
  const [stuck, well] = [await openEvents(url, eventsPath(user)), await openEvents(url, eventsPath(user))];
  stuck.response.pause();
  await notifyMuch(url, user);
  await eventually(async () => (await listening(url)) === 1, "one listens");
  await notify(url, user, "after");
  await eventually(() => isUpToDate(url, user, well.messages), "its neighbour has the last one");
});

test("frees the connection of a client that reads nothing when its token expires", {
  timeout: 240_000,
}, async () => {
  const { url } = await startService({
    ...variables,
    ...{ API_KEYS: key, TOKEN_SECRET: secret, INBOX_LIMIT: "1000" },
    ...{ LIVE_HEARTBEAT_SECONDS: "600", LIVE_CONNECTIONS_PER_USER: "1" },
  });
  const user = someone();
  const stuck = await openEvents(url, eventsPath(user, `?token=${await token(user, 5)}`));
  stuck.response.pause();
  const authorization = { authorization: `Bearer ${key}` };
  await notifyMuch(url, user, authorization);
  await eventually(
    async () => {
      const next = await openEvents(url, eventsPath(user), authorization);
      next.close();
      return next.status === 200;
    },
    "its connection is free",
    30,
  );
});

test("a client that reads late misses nothing", { timeout: 240_000 }, async () => {
  const { url } = await startService({ ...variables, INBOX_LIMIT: "1000" });
  const user = someone();
  const late = await openEvents(url, eventsPath(user));
  await eventually(() => late.messages.length === 1, "it listens");
  late.response.pause();
  await notifyMuch(url, user);
  late.response.resume();
  await eventually(() => isUpToDate(url, user, late.messages), "it has caught up");
  await notify(url, user, "after");
  await eventually(() => isUpToDate(url, user, late.messages), "and goes on");
});

test("a stop ends the stream with bye, without waiting for the client", async () => {
  const service = await startService(variables);
  const devices = [
    await openEvents(service.url, eventsPath("a")),
    await openEvents(service.url, eventsPath("b")),
  ];
  await eventually(() => devices.every(({ messages }) => messages.length === 1), "they listen");
  await service.close();
  for (const device of devices) {
    await device.ended;
    const { retry_ms } = device.messages.at(-1) as { retry_ms: number };
    expect(device.messages.at(-1)).toEqual({ type: "bye", retry_ms: expect.any(Number) });
    // A browser that knows nothing of `bye` comes back at the same time, with the last id it had.
    expect(device.blocks.at(-1)).toMatch(new RegExp(`^retry: ${retry_ms}\nevent: bye`));
    expect(device.lastEventId).toBe("0");
  }
});
