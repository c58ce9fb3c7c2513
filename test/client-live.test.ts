import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { afterAll, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import WebSocket from "ws";
import {
  BelfryClient,
  BelfryClientError,
  type ClientOptions,
  type LiveOptions,
  type LiveView,
} from "../src/client/index.ts";
import { createTokens } from "../src/core/tokens.ts";
import { createBelfry } from "../src/library.ts";
import { freshDatabase } from "./support/database.ts";
import { freePort } from "./support/free-port.ts";
import { eventually, startService } from "./support/service.ts";

const { uri, client: mongo } = freshDatabase();
const belfry = createBelfry({ client: mongo });
afterAll(() => belfry.close());
const apiKey = "key-of-sixteen-characters";
const variables = { DB_URI: uri, API_KEYS: apiKey, TOKEN_SECRET: "s".repeat(32) };

let user = "";
let users = 0;
beforeEach(() => {
  user = `ann-${users++}`;
});
const notify = async (title = "x") => (await belfry.notify({ user, type: "new_message", title })).id;

/** The browser's word on whether there is a network. */
function fakeNetwork() {
  const events = new EventTarget();
  const navigator = { onLine: true };
  vi.stubGlobal("navigator", navigator);
  vi.stubGlobal("addEventListener", events.addEventListener.bind(events));
  vi.stubGlobal("removeEventListener", events.removeEventListener.bind(events));
  onTestFinished(() => void vi.unstubAllGlobals());
  return {
    turn(on: boolean) {
      navigator.onLine = on;
      events.dispatchEvent(new Event(on ? "online" : "offline"));
    },
  };
}

/**
 * A network in front of the service that can drop all its connections, let nothing through while they stay open, or answer
 * in the service's place.
 */
async function shakyNetwork(server: string) {
  const { hostname, port } = new URL(server);
  const open = new Set<Socket>();
  let answer: string | undefined;
  const proxy = createServer((near) => {
    if (answer !== undefined) {
      const instead = answer;
      near.on("error", () => {}).once("data", () => near.end(instead));
      return;
    }
    const far = connect(Number(port), hostname);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(one);
      one.on("error", () => {});
      one.on("close", () => {
        open.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  }).listen(0, "127.0.0.1");
  await once(proxy, "listening");
  onTestFinished(() => void proxy.close());
  return {
    url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    drop() {
      for (const socket of open) socket.destroy();
    },
    hang() {
      for (const socket of open) socket.unpipe();
    },
    /** Undefined: the service answers again. */
    answers(given: string | undefined) {
      answer = given;
    },
  };
}

/** What the device shows, held against what the database holds. */
function follow(server: string, options: Partial<ClientOptions> & Partial<LiveOptions>) {
  const { transport, heartbeatSeconds, ...rest } = options;
  const views: LiveView[] = [];
  const client = new BelfryClient({
    server,
    user,
    WebSocket,
    ...(!rest.getToken && !rest.token && { apiKey }),
    ...rest,
  });
  const live = client.live({
    onChange: (view) => void views.push(view),
    ...(transport && { transport }),
    ...(heartbeatSeconds && { heartbeatSeconds }),
  });
  onTestFinished(() => live.close());
  const reaches = (connection: LiveView["connection"]) =>
    eventually(() => live.view.connection === connection, `to be ${connection}`);
  /** Live, and exactly the inbox. */
  const agrees = async () => {
    const wanted = await belfry.inbox.list({ user, limit: 1_000, archived: "any" });
    await eventually(
      () => live.view.connection === "live" && live.view.rev === wanted.rev,
      `rev ${wanted.rev}`,
    );
    const { items, unread, unseen, total, rev } = live.view;
    expect({ items, unread, unseen, total, rev }).toEqual(wanted);
  };
  return { live, client, views, reaches, agrees };
}

describe.each(["websocket", "events"] as const)("a live inbox by %s", (transport) => {
  test("loads the inbox, then follows every change", async () => {
    const { url } = await startService(variables);
    const first = await notify("first");
    const { live, client, views, agrees } = follow(url, { transport });
    await agrees();
    expect(views.map((one) => one.connection)).toEqual(["connecting", "live"]);
    const second = await notify("second");
    await agrees();
    await client.inbox.read(first);
    await agrees();
    await client.inbox.archive(second);
    await client.inbox.remove(first);
    await agrees();
    expect(live.view).toMatchObject({ unread: 0, total: 1, items: [{ id: second, archived: true }] });
    await notify("third");
    await client.inbox.seen();
    await agrees();
    expect(live.view).toMatchObject({ unread: 1, unseen: 0 });
    await client.inbox.readAll();
    await agrees();
  });

  test("loads 250 items in pages, and drops the oldest when the service does", async () => {
    const { url } = await startService({ ...variables, INBOX_LIMIT: "250" });
    const large = createBelfry({ client: mongo, inboxLimit: 250 });
    onTestFinished(() => large.close());
    const add = (count: number) =>
      Promise.all(Array.from({ length: count }, () => large.notify({ user, type: "new_message" })));
    await add(250);
    const { live } = follow(url, { transport });
    const agrees = async () => {
      const wanted = await large.inbox.list({ user, limit: 1_000 });
      await eventually(() => live.view.connection === "live" && live.view.rev === wanted.rev, "it all");
      expect(live.view.items).toEqual(wanted.items);
    };
    await agrees();
    await add(40);
    await agrees();
    expect(live.view.total).toBe(250);
  });

  test("misses and doubles nothing when the service restarts", async () => {
    const port = await freePort();
    const before = await startService({ ...variables, PORT: port });
    const kept = await notify("kept");
    const gone = await notify("gone");
    const { live, views, reaches, agrees } = follow(before.url, { transport });
    await agrees();
    const { rev } = live.view;
    await before.close();
    await reaches("connecting");
    await belfry.inbox.remove(user, gone);
    await belfry.inbox.read(user, kept);
    for (let n = 0; n < 30; n++) await notify(`missed ${n}`);
    const told = views.length;
    await startService({ ...variables, PORT: port });
    await agrees();
    expect(new Set(live.view.items.map((one) => one.id)).size).toBe(31);
    // What was shown meanwhile stayed, and the list was not read anew.
    expect(views.slice(told).every((one) => one.rev === rev || one.rev === live.view.rev)).toBe(true);
  });

  test("reloads the list when more was deleted than the service remembers", async () => {
    const port = await freePort();
    const variablesHere = { ...variables, PORT: port };
    const before = await startService(variablesHere);
    const ids: string[] = [];
    for (let n = 0; n < 100; n++) ids.push(await notify());
    const { agrees } = follow(before.url, { transport });
    await agrees();
    await before.close();
    for (const id of ids.slice(0, 60)) await belfry.inbox.remove(user, id);
    for (let n = 0; n < 60; n++) await belfry.inbox.remove(user, await notify());
    await startService(variablesHere);
    await agrees();
  });

  test("follows an inbox that was erased and starts again with smaller revs", async () => {
    const { url } = await startService(variables);
    await notify();
    await notify();
    const { client, agrees } = follow(url, { transport });
    await agrees();
    await client.profile.remove();
    await notify("new");
    await agrees();
  });

  test("ends up exact on a network that keeps dropping connections", async () => {
    const { url } = await startService(variables);
    const network = await shakyNetwork(url);
    const { live, reaches, agrees } = follow(network.url, { transport });
    await agrees();
    const kept: string[] = [];
    for (let n = 0; n < 250; n++) {
      const one = kept[Math.floor(Math.random() * kept.length)];
      const dice = Math.random();
      if (one === undefined || dice < 0.5) kept.push(await notify());
      else if (dice < 0.7) await belfry.inbox.read(user, one);
      else if (dice < 0.85) await belfry.inbox.archive(user, one);
      else {
        await belfry.inbox.remove(user, one);
        kept.splice(kept.indexOf(one), 1);
      }
      if (kept.length > 80) await belfry.inbox.remove(user, kept.shift() as string);
      if (n % 50 !== 0) continue;
      await reaches("live");
      network.drop();
    }
    await agrees();
    expect(live.view.items).toHaveLength(kept.length);
  });

  test("replaces a token that expires during a connection, and misses nothing", async () => {
    const { url } = await startService(variables);
    // Good for two seconds more.
    const clocks = [Date.now() - 13_000, Date.now()];
    const { sign } = createTokens({
      secrets: [variables.TOKEN_SECRET],
      ttlSeconds: 10,
      now: () => clocks.shift() as number,
    });
    let asked = 0;
    const getToken = async () => {
      asked++;
      return (await sign(user)).token;
    };
    const { agrees } = follow(url, { transport, getToken });
    await agrees();
    await eventually(() => asked === 2, "the token to run out");
    await notify();
    await agrees();
  });

  test("replaces a refused token; reports `refused` for a forbidden user", async () => {
    const { url } = await startService(variables);
    const program = new BelfryClient({ server: url, apiKey, user });
    const tokens: string[] = [];
    const getToken = async () => {
      tokens.push(tokens.length === 0 ? "one.that.ran-out" : (await program.createToken()).token);
      return tokens.at(-1) as string;
    };
    const { agrees } = follow(url, { transport, getToken });
    await notify();
    await agrees();
    expect(tokens).toHaveLength(2);

    const { token } = await new BelfryClient({ server: url, apiKey, user: "bob" }).createToken();
    const intruder = follow(url, { transport, getToken: () => token });
    await intruder.reaches("refused");
    expect(intruder.live.view).toMatchObject({ items: [], error: { code: "forbidden" } });
    const expired = follow(url, { transport, token: "one.that.ran-out" });
    await expired.reaches("refused");
    expect(expired.live.view.error).toMatchObject({ code: "unauthorized" });
  });

  test("does not call onChange after close", async () => {
    const { url } = await startService(variables);
    const { live, views, agrees } = follow(url, { transport });
    const other = follow(url, { transport });
    await agrees();
    await other.agrees();
    live.close();
    const told = views.length;
    await notify();
    await other.agrees();
    expect(views).toHaveLength(told);
  });

  test("obeys a proxy's Retry-After, and shows it", async () => {
    const page = fakeNetwork();
    const { url } = await startService(variables);
    const network = await shakyNetwork(url);
    const { live, agrees } = follow(network.url, { transport });
    await agrees();
    network.answers(
      "HTTP/1.1 429 Later\r\nRetry-After: 600\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    );
    const before = Date.now();
    network.drop();
    await eventually(
      () => live.view.error instanceof BelfryClientError && live.view.error.status === 429,
      "429",
    );
    expect(live.view).toMatchObject({ connection: "connecting", error: { retryAfter: 600 } });
    const { retryAt = 0 } = live.view;
    expect(retryAt).toBeGreaterThanOrEqual(before + 600_000);
    expect(retryAt).toBeLessThanOrEqual(Date.now() + 602_000);
    network.answers(undefined);
    await notify();
    // Reason enough for a try before that.
    page.turn(true);
    await agrees();
  });

  test("waits while the page is offline, then catches up", async () => {
    const network = fakeNetwork();
    const { url } = await startService(variables);
    const { views, reaches, agrees } = follow(url, { transport });
    await agrees();
    network.turn(false);
    await reaches("offline");
    const told = views.length;
    await notify();
    expect(views).toHaveLength(told);
    network.turn(true);
    await agrees();
  });
});

test("notices a dead event stream by its missing heartbeat", async () => {
  const { url } = await startService({ ...variables, LIVE_HEARTBEAT_SECONDS: "1" });
  const network = await shakyNetwork(url);
  const { agrees, reaches } = follow(network.url, { transport: "events", heartbeatSeconds: 1 });
  await agrees();
  network.hang();
  await notify();
  await reaches("connecting");
  await agrees();
});

test("falls back to server-sent events where no WebSocket gets through", async () => {
  const { url } = await startService(variables);
  class Blocked extends WebSocket {
    constructor(_url: string) {
      super("ws://127.0.0.1:1");
    }
  }
  const { token } = await new BelfryClient({ server: url, apiKey, user }).createToken();
  const { agrees } = follow(url, { WebSocket: Blocked, token });
  await notify();
  await agrees();
});

test("returns to WebSocket after a long outage", async () => {
  const page = fakeNetwork();
  const port = await freePort();
  const before = await startService({ ...variables, PORT: port });
  const { token } = await new BelfryClient({ server: before.url, apiKey, user }).createToken();
  const asked: string[] = [];
  const { live, agrees } = follow(before.url, {
    token,
    WebSocket: class extends WebSocket {
      constructor(address: string) {
        super(address);
        asked.push("live");
      }
    },
    fetch: (address, init) => {
      asked.push(new URL(String(address)).pathname.split("/").at(-1) as string);
      return fetch(address, init);
    },
  });
  await agrees();
  await before.close();
  /** The pauses have grown, and need not be waited for. */
  const soon = (check: () => boolean, what: string) =>
    eventually(() => {
      page.turn(true);
      return check();
    }, what);
  await soon(() => asked.filter((one) => one === "live").length > 5, "some tries");
  await startService({ ...variables, PORT: port });
  await notify();
  await soon(() => live.view.connection === "live", "to be live");
  await agrees();
  expect(new Set(asked)).toEqual(new Set(["inbox", "live"]));
});

test("an exception in onChange does not stop the connection", async () => {
  const { url } = await startService(variables);
  const thrown: unknown[] = [];
  const catching = (error: unknown) => void thrown.push(error);
  const others = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException").on("uncaughtException", catching);
  onTestFinished(() => {
    process.removeAllListeners("uncaughtException");
    for (const one of others) process.on("uncaughtException", one);
  });
  const mistake = new Error("the page's");
  const client = new BelfryClient({ server: url, apiKey, user });
  const live = client.live({
    onChange() {
      throw mistake;
    },
  });
  onTestFinished(() => live.close());
  await notify();
  await eventually(() => live.view.connection === "live" && live.view.total === 1, "to be live");
  expect(new Set(thrown)).toEqual(new Set([mistake]));
});
