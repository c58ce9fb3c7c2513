import { once } from "node:events";
import { expect, test } from "vitest";
import { freshDatabase } from "../../support/database.ts";
import { call } from "../../support/http.ts";
import { counted } from "../../support/inbox.ts";
import { eventually, startService } from "../../support/service.ts";
import { change, listening, livePath, notify, revBefore, someone } from "./calls.ts";
import { openIo, openSocket } from "./clients.ts";
import { key, secret, token } from "./tokens.ts";

const { uri } = freshDatabase();
const variables = { DB_URI: uri, EMAIL: "live@example.com" };

const transports = [["websocket"], ["polling"], ["polling", "websocket"]];
const kinds = transports.map((list) => [list.join(" then "), list] as const);

test.each(kinds)(
  "by %s: sends the greeting, the state, each change, and each new item as the old event",
  async (_name, transports) => {
    const { url } = await startService(variables);
    const user = someone();
    const device = openIo(url, { transports, auth: { user_id: user } });
    await eventually(() => device.messages.length === 1, "where it stands");
    expect(device.greetings).toEqual([expect.stringContaining(user)]);
    const id = await notify(url, user, "Title", "Body");
    await eventually(() => device.messages.length === 2, "the new item");
    await change(url, user, id, "archive");
    await eventually(() => device.messages.length === 3, "that it was archived");
    const untitled = await notify(url, user, "Title alone");
    await eventually(() => device.messages.length === 4, "the second item");
    expect(counted(device.messages, await revBefore(url, user, 3))).toMatchObject([
      { type: "state", rev: 0, unread: 0, unseen: 0, total: 0 },
      {
        type: "changes",
        rev: 1,
        unread: 1,
        changes: [{ change: "new", rev: 1, item: { id, title: "Title" } }],
      },
      {
        type: "changes",
        rev: 2,
        unread: 0,
        changes: [{ change: "archived", rev: 2, item: { id, archived: true } }],
      },
      { type: "changes", rev: 3, unread: 1, unseen: 1, total: 2, changes: [{ change: "new", rev: 3 }] },
    ]);
    // A packet of its own: a poll may bring it after the other.
    await eventually(() => device.notifications.length === 2, "the second item by the old event");
    expect(device.notifications).toEqual([
      { message: "Body", id },
      { message: "Title alone", id: untitled },
    ]);
    const { body } = await call(url, "POST", `/v1/users/${encodeURIComponent(user)}/inbox/seen`);
    await eventually(() => device.messages.length === 5, "that all is seen");
    expect(device.messages[4]).toEqual({ type: "changes", ...body, unseen: 0, changes: [] });
    expect(device.notifications).toHaveLength(2);
  },
);

test("a reconnect with rev in auth or query brings what was missed", async () => {
  const { url } = await startService(variables);
  const user = someone();
  for (const title of ["1", "2", "3"]) await notify(url, user, title);
  const began = await revBefore(url, user, 3);
  const told = async (options: Parameters<typeof openIo>[1]) => {
    const device = openIo(url, options);
    await eventually(() => device.messages.length === 2, "what it missed");
    const last = device.messages[1] as { changes?: Array<{ rev: number }> };
    return last.changes?.map((one) => one.rev - began) ?? device.messages[1]?.type;
  };
  expect(await told({ auth: { user_id: user, rev: began + 1 } })).toEqual([2, 3]);
  expect(await told({ query: { user_id: user, rev: String(began + 2) } })).toEqual([3]);
  expect(await told({ auth: { user_id: user, rev: 0 } })).toEqual([1, 2, 3]);
  expect(await told({ auth: { user_id: user, rev: began + 99 } })).toBe("resync");
});

test("a dropped client reconnects and misses nothing", async () => {
  const { url } = await startService(variables);
  const user = someone();
  let rev: number | undefined;
  const device = openIo(url, {
    auth: (give) => give({ user_id: user, ...(rev !== undefined && { rev }) }),
    reconnectionDelay: 10,
    reconnectionDelayMax: 50,
  });
  await eventually(() => device.messages.length === 1, "it listens");
  rev = 0;
  device.socket.io.engine.close();
  await notify(url, user, "meanwhile");
  await eventually(() => device.notifications.length === 1, "what came meanwhile");
  expect(device.messages.at(-1)).toMatchObject({ type: "changes", rev: await revBefore(url, user, 0) });
});

test("an invalid user, rev or token gets a connect_error with the reason", async () => {
  const { url } = await startService({ ...variables, LIVE_CONNECTIONS_PER_USER: "1" });
  const refused = async (auth: Record<string, unknown>, options = {}) => {
    const device = openIo(url, { auth, reconnection: false, ...options });
    await eventually(() => device.errors.length === 1, JSON.stringify(auth));
    expect(device.greetings).toEqual([]);
    return device.errors[0];
  };
  const wrong = { data: { code: "invalid_request" } };
  for (const auth of [
    {},
    { user_id: "" },
    { user_id: "x".repeat(129) },
    { user_id: 1.5 },
    { user_id: null },
    { user_id: { $gt: "" } },
    { user_id: ["a"] },
    { user_id: "a\0" },
    { user_id: "a", rev: -1 },
    { user_id: "a", rev: "x" },
    { user_id: "a", rev: 1.5 },
    { user_id: "a", rev: {} },
  ])
    expect(await refused(auth), JSON.stringify(auth)).toMatchObject(wrong);
  const device = openIo(url, { auth: { user_id: "a" } });
  await eventually(() => device.messages.length === 1, "it listens");
  expect(await refused({ user_id: "a" })).toMatchObject({ data: { code: "too_many_connections" } });
  device.close();
  await eventually(async () => {
    const again = openIo(url, { auth: { user_id: "a" }, reconnection: false });
    await eventually(() => again.errors.length + again.messages.length > 0, "an answer");
    return again.messages.length > 0;
  }, "there is room");
  const elsewhere = openIo(`${url}/elsewhere`, { auth: { user_id: "b" }, reconnection: false });
  await eventually(() => elsewhere.errors.length === 1, "another namespace");
  expect(elsewhere.errors[0]?.message).toBe("Invalid namespace");
});

test("with keys, accepts the user's token or a key; refuses a missing, foreign or expired one", async () => {
  const { url } = await startService({ ...variables, API_KEYS: key, TOKEN_SECRET: secret });
  const outcome = async (auth: object, options = {}) => {
    const device = openIo(url, { auth: { user_id: "alex", ...auth }, reconnection: false, ...options });
    await eventually(() => device.errors.length + device.messages.length > 0, "an answer");
    return device.errors[0]?.data?.code ?? device.messages[0]?.type;
  };
  expect(await outcome({})).toBe("unauthorized");
  expect(await outcome({ token: 7 })).toBe("unauthorized");
  expect(await outcome({ token: await token("alex", -60) })).toBe("unauthorized");
  expect(await outcome({ token: await token("bob") })).toBe("forbidden");
  expect(await outcome({ token: await token("alex") })).toBe("state");
  expect(await outcome({}, { query: { token: await token("alex") } })).toBe("state");
  expect(await outcome({}, { extraHeaders: { authorization: `Bearer ${key}` } })).toBe("state");
  expect(
    await outcome({}, { transports: ["polling"], extraHeaders: { authorization: `Bearer ${key}` } }),
  ).toBe("state");

  // Five seconds are forgiven; then it is dropped, and has to come with another one.
  const short = openIo(url, {
    auth: { user_id: "alex", token: await token("alex", -1) },
    reconnectionDelay: 10,
  });
  await eventually(() => short.messages.length === 1, "it may listen for now");
  await eventually(
    () => short.errors.at(-1)?.data?.code === "unauthorized",
    "it is refused when it comes back",
  );
});

test("closes a connection that sends too long or too many messages", async () => {
  const { url } = await startService(variables);
  for (const transports of [["websocket"], ["polling"]]) {
    const ended = async (act: (device: ReturnType<typeof openIo>) => void) => {
      const device = openIo(url, { transports, auth: { user_id: "a" }, reconnection: false });
      await eventually(() => device.messages.length === 1, "it listens");
      const why = new Promise<string>((resolve) => device.socket.on("disconnect", resolve));
      act(device);
      return why;
    };
    expect(await ended(({ socket }) => socket.emit("x", "y".repeat(70_000)))).toMatch(/^transport/);
    const often = ({ socket }: ReturnType<typeof openIo>) => {
      for (let n = 0; n < 200; n++) socket.emit("x");
    };
    expect(await ended(often)).toMatch(/^transport/);
  }
  const next = openIo(url, { auth: { user_id: "a" } });
  await eventually(() => next.messages.length === 1, "the next one is served");
  // What nobody listens to, binary or not, is heard by nobody.
  next.socket.emit("notification", { message: "forged", id: "1" });
  next.socket.emit("state", Buffer.from("binary"));
  await notify(url, "a");
  await eventually(() => next.messages.length === 2, "it goes on");
  await eventually(() => next.notifications.length > 0, "by the old event, too");
  expect(next.notifications).toHaveLength(1);
  // Pieces of one text, which never ends.
  const pieces = openSocket(url, "/socket.io/?EIO=4&transport=websocket");
  await eventually(() => pieces.texts.length === 1, "it is open");
  for (let n = 0; n < 200; n++) pieces.ws.send("4", { fin: false });
  expect(await pieces.ended).toMatchObject({ code: 1008 });
});

test("counts an address's connections before they name a user", async () => {
  const { url } = await startService({ ...variables, LIVE_CONNECTIONS_PER_ADDRESS: "3" });
  const devices = [1, 2, 3].map((user) => openIo(url, { transports: ["polling"], auth: { user_id: user } }));
  await eventually(() => devices.every(({ messages }) => messages.length === 1), "three are served");
  for (const transports of [["polling"], ["websocket"]]) {
    const device = openIo(url, { transports, auth: { user_id: 4 }, reconnection: false });
    await eventually(() => device.errors.length === 1, "the fourth is refused");
  }
  const refused = await call(url, "GET", "/socket.io/?EIO=4&transport=polling");
  expect(refused).toMatchObject({ status: 429, body: { code: "too_many_connections" } });
  expect(refused.headers.get("retry-after")).toBe("10");
  expect(await openSocket(url, "/socket.io/?EIO=4&transport=websocket").ended).toMatchObject({ code: 429 });
  devices[0]?.close();
  await eventually(async () => {
    const device = openIo(url, { auth: { user_id: 4 }, reconnection: false });
    await eventually(() => device.errors.length + device.messages.length > 0, "an answer");
    return device.messages.length > 0;
  }, "there is room");
});

test("connections without a token never fill their address: a client with one gets in at its first try", async () => {
  const { url } = await startService({
    ...variables,
    API_KEYS: key,
    TOKEN_SECRET: secret,
    LIVE_CONNECTIONS_PER_ADDRESS: "400",
  });
  const auth = { user_id: "alex", token: await token("alex") };
  const silent = Array.from({ length: 400 }, () => openSocket(url, "/socket.io/?EIO=4&transport=websocket"));
  await Promise.all(silent.map(({ ws, ended }) => Promise.race([once(ws, "open"), ended])));
  const device = openIo(url, { auth, reconnection: false });
  await eventually(() => device.errors.length + device.messages.length > 0, "an answer");
  expect(device.errors).toEqual([]);
});

test("a thousand connections without a token block nobody, and few stay open", {
  timeout: 240_000,
}, async () => {
  const { url } = await startService({ ...variables, API_KEYS: key, TOKEN_SECRET: secret });
  const path = "/socket.io/?EIO=4&transport=websocket";
  const silent = Array.from({ length: 1_000 }, () => openSocket(url, path));
  let closed = 0;
  for (const { ended } of silent) void ended.then(() => closed++);
  const wrong = Array.from({ length: 300 }, () => openSocket(url, livePath("alex", "?token=wrong")));
  for (const { ws } of wrong) ws.pause();
  await eventually(() => closed >= 500, "most are closed", 60);
  const devices = ["alex", "bob"].map(async (user) => {
    const good = await token(user);
    const device = openIo(url, { auth: { user_id: user, token: good } });
    await eventually(() => device.messages.length === 1, `${user} listens`);
    const socket = openSocket(url, livePath(user, `?token=${good}`));
    await eventually(() => socket.messages.length === 1, `${user} listens by WebSocket`);
  });
  await Promise.all(devices);
});

test("refuses pages of other origins unless listed, polling included", async () => {
  const origin = "https://app.example";
  const { url } = await startService({ ...variables, ALLOWED_ORIGINS: origin });
  const poll = (headers: Record<string, string>) =>
    call(url, "GET", "/socket.io/?EIO=4&transport=polling", undefined, headers);
  expect(await poll({ origin: "https://evil.example" })).toMatchObject({ status: 403 });
  expect(
    (await poll({ origin: "https://evil.example" })).headers.get("access-control-allow-origin"),
  ).toBeNull();
  const answer = await poll({ origin });
  expect(answer.status).toBe(200);
  expect(answer.headers.get("access-control-allow-origin")).toBe(origin);
  expect((await poll({ origin: new URL(url).origin })).status).toBe(200);
  expect((await poll({})).status).toBe(200);
});

test("answers invalid Socket.IO requests with an error", async () => {
  const { url } = await startService(variables);
  for (const query of [
    "",
    "?EIO=3&transport=polling",
    "?EIO=4",
    "?EIO=4&transport=pigeon",
    "?EIO=4&transport=polling&sid=x",
    // A script, which pages of every origin may load.
    "?EIO=4&transport=polling&j=0",
    "?EIO=4&transport=polling&%6a=",
  ])
    expect((await call(url, "GET", `/socket.io/${query}`)).status, query).toBe(400);
  expect((await call(url, "POST", "/socket.io/?EIO=4&transport=polling", "40")).status).toBe(400);
  expect((await call(url, "PUT", "/socket.io/", {})).status).toBe(405);
  expect((await call(url, "GET", "/socket.io/socket.io.js")).status).toBe(404);
  for (const query of ["transport=polling", "transport=websocket&transport=polling", ""])
    expect(await openSocket(url, `/socket.io/?EIO=4&${query}`).ended, query).toMatchObject({ code: 400 });
  const device = openIo(url, { auth: { user_id: "a" } });
  await eventually(() => device.messages.length === 1, "the next one is served");
});

test("a connection that sends CONNECT many times subscribes once; a refused one may retry", async () => {
  const { url } = await startService(variables);
  const user = someone();
  const path = `${url}/socket.io/?EIO=4&transport=polling`;
  const opened = await (await fetch(path)).text();
  const session = `${path}&sid=${JSON.parse(opened.slice(1)).sid}`;
  const say = (packets: string[]) => fetch(session, { method: "POST", body: packets.join("\x1e") });
  const packets: string[] = [];
  const heard = (start: string) => packets.filter((one) => one.startsWith(start)).length;
  const polling = async (check: () => boolean, what: string) =>
    eventually(
      async () => check() || packets.push(...(await (await fetch(session)).text()).split("\x1e")) < 0,
      what,
    );
  await say(["40{}"]);
  await polling(() => heard("44") === 1, "it has named nobody");
  await say(Array(49).fill(`40${JSON.stringify({ user_id: user })}`));
  await polling(() => heard("40") + heard("44") === 50, "all are answered");
  expect(heard("40")).toBe(1);
  expect(await listening(url)).toBe(1);
  await notify(url, user);
  await polling(() => heard('42["changes"') > 0, "it is told");
  await notify(url, user);
  await polling(() => heard('42["changes"') > 1, "it is told of the next");
  await polling(() => heard('42["notification"') > 1, "by the old event, too");
  expect([heard('42["changes"'), heard('42["notification"')]).toEqual([2, 2]);
});

test("a slow client has two heartbeats to answer the ping", async () => {
  const { url } = await startService({ ...variables, LIVE_HEARTBEAT_SECONDS: "7" });
  const device = openSocket(url, "/socket.io/?EIO=4&transport=websocket");
  await eventually(() => device.texts.length === 1, "it is open");
  const { pingInterval, pingTimeout } = JSON.parse((device.texts[0] as string).slice(1));
  expect({ pingInterval, pingTimeout }).toEqual({ pingInterval: 7_000, pingTimeout: 14_000 });
});

test("cuts off a client that answers no ping, and one that names no user", async () => {
  const { url } = await startService({ ...variables, LIVE_HEARTBEAT_SECONDS: "2" });
  const raw = (answer: (text: string) => string | undefined) => {
    const device = openSocket(url, "/socket.io/?EIO=4&transport=websocket");
    device.ws.on("message", (data) => {
      const said = answer(String(data));
      if (said !== undefined) device.ws.send(said);
    });
    return device;
  };
  const deaf = raw((text) => (text.startsWith("0") ? '40{"user_id":"a"}' : undefined));
  // It answers pings, and that is all.
  const nameless = raw((text) => (text === "2" ? "3" : undefined));
  const well = openIo(url, { auth: { user_id: "a" } });
  await eventually(() => deaf.texts.some((text) => text.startsWith('42["state"')), "it listened once");
  await Promise.all([deaf.ended, nameless.ended]);
  expect(deaf.texts).toContain("2");
  expect(nameless.texts.filter((text) => text.startsWith("4"))).toEqual([]);
  expect(well.socket.connected).toBe(true);
});

test("a client that reads late gets every notification, many MB of them", {
  timeout: 240_000,
}, async () => {
  const { url } = await startService({ ...variables, INBOX_LIMIT: "1000" });
  const user = someone();
  const device = openIo(url, { auth: { user_id: user } });
  await eventually(() => device.messages.length === 1, "it listens");
  const { ws } = device.socket.io.engine.transport as unknown as { ws: { pause(): void; resume(): void } };
  ws.pause();
  const long = "é".repeat(10_000);
  await Promise.all(
    Array.from({ length: 300 }, (_, n) => notify(url, user, `${n}`, `${n} ${long}`.slice(0, 10_000))),
  );
  ws.resume();
  await eventually(() => device.notifications.length === 300, "300 of 20 kB each");
  expect(new Set(device.notifications.map((one) => one.id)).size).toBe(300);
  await eventually(() => (device.messages.at(-1) as { total: number }).total === 300, "the counts, too");
});

test("a stop sends bye and drops the connection, so that clients reconnect", async () => {
  const service = await startService(variables);
  const devices = kinds.map(([, transports]) => {
    const device = openIo(service.url, { transports, auth: { user_id: "a" }, reconnection: false });
    return { ...device, why: new Promise<string>((resolve) => device.socket.on("disconnect", resolve)) };
  });
  const [nameless, refused] = [1, 2].map(() =>
    openSocket(service.url, "/socket.io/?EIO=4&transport=websocket"),
  );
  await eventually(() => nameless?.texts.length === 1 && refused?.texts.length === 1, "these do not");
  refused?.ws.send("40{}");
  await eventually(() => refused?.texts.length === 2, "one was refused");
  await eventually(() => devices.every(({ messages }) => messages.length === 1), "they listen");
  await service.close();
  for (const { messages, why } of devices) {
    // "io server disconnect" would mean: do not come back.
    expect(await why).toBe("transport close");
    expect(messages.at(-1)).toEqual({ type: "bye", retry_ms: expect.any(Number) });
  }
  // Cut off after two seconds: 1006.
  for (const device of [nameless, refused]) expect(await device?.ended).toMatchObject({ code: 1005 });
});
