import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import WebSocket, { WebSocketServer } from "ws";
import { BelfryClient, type ClientOptions, type LiveOptions, type LiveView } from "../src/client/index.ts";
import { eventually } from "./support/eventually.ts";

// What a service in order hardly ever does, or a proxy in front of it: a server that plays a script.

const nothing = { rev: 1, unread: 0, unseen: 0, total: 0 };
const state = { type: "state", ...nothing };
const stale = {
  type: "changes",
  rev: 3,
  unread: 1,
  unseen: 1,
  total: 1,
  changes: [{ change: "new", rev: 3, item: { id: "stale", read: false, created_rev: 3, rev: 3 } }],
};

interface Script {
  /** What each WebSocket is told before it is closed, or left open; the last one's for all that follow. */
  sockets?: Array<{ says?: object[]; closes?: [code: number, reason: string] }>;
  events?: (response: ServerResponse, nth: number) => void;
}

/** Follows a server that plays this. */
async function play(
  { sockets = [], events }: Script,
  options: Partial<ClientOptions> & Partial<LiveOptions>,
) {
  const tokens: Array<string | null> = [];
  let streams = 0;
  const server = createServer((request, response) => {
    if (!request.url?.includes("/events")) return response.end(JSON.stringify({ ...nothing, items: [] }));
    response.writeHead(200, { "content-type": "text/event-stream" });
    return events?.(response, streams++);
  }).listen(0, "127.0.0.1");
  new WebSocketServer({ server }).on("connection", (socket, { url = "" }) => {
    const { says = [], closes } = sockets[Math.min(tokens.length, sockets.length - 1)] ?? {};
    tokens.push(new URL(url, "ws://x").searchParams.get("token"));
    for (const message of says) socket.send(JSON.stringify(message));
    if (closes) socket.close(...closes);
  });
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { transport, heartbeatSeconds, ...rest } = options;
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const views: LiveView[] = [];
  const live = new BelfryClient({ server: url, user: "ann", WebSocket, ...rest }).live({
    onChange: (view) => void views.push(view),
    ...(transport && { transport }),
    ...(heartbeatSeconds && { heartbeatSeconds }),
  });
  onTestFinished(() => live.close());
  const reaches = (connection: LiveView["connection"]) =>
    eventually(() => live.view.connection === connection, `to be ${connection}`);
  return { live, views, tokens, reaches };
}

const countingTokens = () => {
  let asked = 0;
  return () => `token-${++asked}`;
};
const refusing: [number, string] = [1008, "token_expired"];

test("reconnects after an outage that outlives two tokens", async () => {
  const { tokens, reaches } = await play(
    {
      sockets: [
        { closes: refusing },
        { closes: [1013, "overloaded"] },
        { closes: refusing },
        { says: [state] },
      ],
    },
    { getToken: countingTokens() },
  );
  await reaches("live");
  expect(tokens).toEqual(["token-1", "token-2", "token-2", "token-3"]);
});

test("gives up when the same bearer is accepted and disconnected twice", async () => {
  const { live, tokens, reaches } = await play(
    { sockets: [{ says: [state], closes: refusing }] },
    { getToken: () => "the same" },
  );
  await reaches("refused");
  expect(live.view.error).toMatchObject({ code: "token_expired" });
  expect(tokens).toEqual(["the same", "the same"]);
});

test("calls getToken again after it failed once", async () => {
  let asked = 0;
  const getToken = () => {
    if (++asked === 2) throw new Error("the page's own server is away");
    return `token-${asked}`;
  };
  const { views, tokens, reaches } = await play(
    { sockets: [{ closes: refusing }, { closes: refusing }, { says: [state] }] },
    { getToken },
  );
  await reaches("live");
  expect(tokens).toEqual(["token-1", "token-1", "token-3"]);
  expect(views.map((one) => one.error?.message)).toContain("the page's own server is away");
});

test("tries server-sent events when WebSockets stop working", async () => {
  const { live, reaches } = await play(
    {
      sockets: [{ says: [state], closes: [1001, "leaving"] }, { closes: [1001, ""] }],
      events: (response) => response.write(`data: ${JSON.stringify({ ...stale, rev: 5 })}\n\n`),
    },
    {},
  );
  await eventually(() => live.view.rev === 5, "events");
  await reaches("live");
});

test("ignores events after `resync`", async () => {
  const { views, reaches } = await play(
    {
      events(response, nth) {
        const told = nth === 0 ? [{ ...nothing, type: "resync" }, stale] : [state];
        response.write(told.map((one) => `data: ${JSON.stringify(one)}\n\n`).join(""));
      },
    },
    { transport: "events" },
  );
  await reaches("live");
  expect(views.flatMap((one) => one.items)).toEqual([]);
  expect(views.filter((one) => one.error)).toEqual([]);
});

test("an unreadable event ends the connection", async () => {
  let closed = 0;
  const { reaches } = await play(
    {
      events(response, nth) {
        response.on("close", () => closed++);
        response.write(`data: ${nth === 0 ? "{" : JSON.stringify(state)}\n\n`);
      },
    },
    { transport: "events" },
  );
  await reaches("live");
  await eventually(() => closed === 1, "the first one's end");
});

test("throws for a missing user and an invalid heartbeat", () => {
  const client = new BelfryClient({ server: "http://127.0.0.1:1" });
  expect(() => client.live({ onChange() {} })).toThrow(expect.objectContaining({ code: "no_user" }));
  for (const heartbeatSeconds of [0, -1, Number.NaN, Number.POSITIVE_INFINITY])
    expect(() => client.as("ann").live({ onChange() {}, heartbeatSeconds })).toThrow("heartbeatSeconds");
});
