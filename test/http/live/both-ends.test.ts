import type { Socket } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { fastify } from "fastify";
import { expect, onTestFinished, test, vi } from "vitest";
import { liveRoutes } from "../../../src/http/live/index.ts";
import { createHub } from "../../../src/realtime/hub.ts";
import { createInboxes } from "../../realtime/inboxes.ts";
import { eventually } from "../../support/eventually.ts";
import { dialectPath, livePath } from "./calls.ts";
import { openIo, openSocket } from "./clients.ts";
import { openAdmission } from "./open-admission.ts";

/** The transports over an inbox in memory, which cannot be read until `letRead` is called. */
async function start() {
  const inboxes = createInboxes();
  inboxes.add("alex", "before");
  let reads = 0;
  let letRead = () => {};
  const mayRead = new Promise<void>((resolve) => {
    letRead = resolve;
  });
  const hub = createHub({
    async read(requests) {
      reads++;
      await mayRead;
      return requests.map(inboxes.changesSince);
    },
    readRevs: inboxes.revs,
    compareMs: 60_000,
    jitterMs: 1,
    random: Math.random,
    log: { info() {}, warn() {} },
  });
  const app = fastify();
  const sockets: Socket[] = [];
  app.server.on("connection", (socket) => sockets.push(socket));
  await liveRoutes(app, {
    hub,
    ...openAdmission,
  });
  const url = await app.listen({ host: "127.0.0.1", port: 0 });
  onTestFinished(() => app.close());
  return {
    url,
    sockets,
    close: () => app.close(),
    hub,
    letRead,
    isAsked: () => reads > 0,
    add(text: string) {
      inboxes.add("alex", text);
      hub.touch(["alex"]);
    },
  };
}

// The old clients are not told where they stand: that they are connected has to mean that they miss nothing from then on.

test("a live-dialect socket opens only when no later item can be missed", async () => {
  const { url, hub, letRead, isAsked, add } = await start();
  const device = openSocket(url, dialectPath("alex"));
  await eventually(isAsked, "the inbox is asked for");
  const own = openSocket(url, livePath("bob"));
  await eventually(() => own.ws.readyState === own.ws.OPEN, "a socket that is told where it stands opens");
  expect(device.ws.readyState).toBe(device.ws.CONNECTING);
  device.ws.on("open", () => add("after"));
  letRead();
  await eventually(() => device.texts.length === 1, "what came then is told");
  expect(device.texts[0]).toContain("after");
  expect(hub.connections("alex")).toBe(1);
});

test("a queue-dialect client is greeted only when no later item can be missed", async () => {
  const { url, letRead, isAsked, add } = await start();
  const device = openIo(url, { auth: { user_id: "alex" } });
  device.socket.on("message", () => add("after"));
  await eventually(isAsked, "the inbox is asked for");
  await eventually(() => device.socket.connected, "it is connected");
  const next = openIo(url, { auth: { user_id: "bob" } });
  await eventually(() => next.socket.connected, "so is one that came later");
  expect(device.greetings).toEqual([]);
  letRead();
  await eventually(() => device.notifications.length === 1, "what came then is told");
  expect(device.notifications[0]?.message).toBe("after");
});

test("a live-dialect socket opens after some seconds even if the inbox cannot be read", async () => {
  const { url, hub, letRead, isAsked, add } = await start();
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  const device = openSocket(url, dialectPath("alex"));
  while (!isAsked()) await turn();
  expect(device.ws.readyState).toBe(device.ws.CONNECTING);
  vi.advanceTimersByTime(5_000);
  vi.useRealTimers();
  await eventually(() => device.ws.readyState === device.ws.OPEN, "it is open");
  expect(hub.connections("alex")).toBe(1);
  letRead();
  const own = openSocket(url, livePath("alex"));
  await eventually(() => own.messages.length === 1, "the inbox can be read");
  add("after");
  await eventually(() => device.texts.length === 1, "what comes then is told");
});

test("a stop sends Socket.IO's last packet before it cuts the connection", async () => {
  const { url, sockets, close, letRead } = await start();
  letRead();
  const device = openIo(url, { auth: { user_id: "alex" }, reconnection: false });
  await eventually(() => device.messages.length === 1, "it listens");
  const why = new Promise((resolve) => device.socket.on("disconnect", resolve));
  // A network that takes nothing for a moment.
  for (const socket of sockets) socket.cork();
  const closed = close();
  for (let n = 0; n < 20; n++) await turn();
  for (const socket of sockets) socket.uncork();
  await closed;
  expect(await why).toBe("transport close");
  expect(device.messages.at(-1)).toEqual({ type: "bye", retry_ms: 0 });
});
