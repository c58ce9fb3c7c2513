import type { Socket } from "node:net";
import { fastify } from "fastify";
import { afterEach, expect, test } from "vitest";
import { liveRoutes } from "../../../src/http/live/index.ts";
import type { Hub } from "../../../src/realtime/hub.ts";
import { createHub } from "../../../src/realtime/hub.ts";
import { createInboxes } from "../../realtime/inboxes.ts";
import { eventually } from "../../support/eventually.ts";
import { dialectPath, eventsPath, livePath } from "./calls.ts";
import { openEvents, openIo, openSocket } from "./clients.ts";
import { openAdmission } from "./open-admission.ts";

// Real sockets on every transport; the inbox is in memory, so that 20,000 changes take seconds.

const changes = 20_000;
/** All that may wait in the process for one connection. */
const bound = 1024 * 1024;
/** Until nothing more fits into the kernel's buffers: some MB for each connection. */
const fillers = 2_000;
const long = "x".repeat(20_000);

/** The server's side of one connection. */
interface Seen {
  socket: Socket;
  /** Told so often what had changed. */
  told: number;
  /** The most that ever waited. */
  most: number;
}

const closers: Array<() => Promise<unknown>> = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function start() {
  const inboxes = createInboxes();
  const log = { info() {}, warn() {}, error() {} };
  const hub = createHub({
    read: async (requests) => requests.map(inboxes.changesSince),
    readRevs: inboxes.revs,
    compareMs: 60_000,
    jitterMs: 1,
    random: Math.random,
    log,
  });
  const seen: Seen[] = [];
  const sockets: Socket[] = [];
  /** Each device has one connection, the newest. */
  const watched: Hub["subscribe"] = (user, since, sink) => {
    const one: Seen = { socket: sockets.at(-1) as Socket, told: 0, most: 0 };
    // The live dialect's asks where the inbox stands before it opens.
    if (seen.at(-1)?.socket === one.socket) seen.pop();
    seen.push(one);
    const { changes } = sink;
    sink.changes = (view) => {
      one.told++;
      changes.call(sink, view);
      // Infinite while texts wait that the network is not given yet.
      const backlog = Number.isFinite(sink.backlog()) ? sink.backlog() : 0;
      one.most = Math.max(one.most, one.socket.writableLength, backlog);
    };
    return hub.subscribe(user, since, sink);
  };
  const app = fastify();
  app.server.on("connection", (socket) => sockets.push(socket));
  await liveRoutes(app, {
    hub: Object.assign(Object.create(hub) as Hub, { subscribe: watched }),
    ...openAdmission,
  });
  const url = await app.listen({ host: "127.0.0.1", port: 0 });
  closers.push(() => app.close());
  return { url, hub, inboxes, seen };
}

test("devices that stop reading during 20,000 changes use less than 1 MiB each, then show the newest", {
  timeout: 240_000,
}, async () => {
  const { url, hub, inboxes, seen } = await start();
  inboxes.add("alex");
  const listens = (count: number) => eventually(() => seen.length === count, `${count} listen`);
  const reader = openSocket(url, livePath("alex"));
  await listens(1);
  const own = openSocket(url, livePath("alex"));
  await listens(2);
  const events = await openEvents(url, eventsPath("alex"));
  await listens(3);
  const io = openIo(url, { auth: { user_id: "alex" } });
  await listens(4);
  const dialect = openSocket(url, dialectPath("alex"));
  await eventually(() => dialect.ws.readyState === dialect.ws.OPEN, "the fifth is open");
  await listens(5);
  const devices = [reader, own, events, io];
  await eventually(() => devices.every(({ messages }) => messages.length === 1), "all are greeted");

  const ioSocket = (io.socket.io.engine.transport as unknown as { ws: typeof own.ws }).ws;
  const stalled = [own.ws, events.response, ioSocket, dialect.ws];
  for (const one of stalled) one.pause();
  const revOf = ({ messages }: (typeof devices)[number]) => (messages.at(-1) as { rev?: number }).rev;
  async function happens(body?: string): Promise<void> {
    inboxes.add("alex", body);
    hub.touch(["alex"]);
    const { rev } = inboxes.list("alex");
    while (revOf(reader) !== rev) await new Promise((resolve) => setImmediate(resolve));
  }
  const [, ...theirs] = seen as [Seen, Seen, Seen, Seen, Seen];
  for (let n = 0; n < fillers && theirs.some(({ socket }) => socket.writableLength === 0); n++)
    await happens(long);
  expect(theirs.every(({ socket }) => socket.writableLength > 0)).toBe(true);

  for (const one of seen) one.told = 0;
  for (let n = 0; n < changes; n++) await happens();
  expect(seen[0]?.told).toBe(changes);
  const [ofOwn, ofEvents, ofIo, ofDialect] = theirs as [Seen, Seen, Seen, Seen];
  for (const { most } of theirs) expect(most).toBeLessThan(bound);
  // However small: each is a buffer that may hold 8 KB.
  for (const { told } of [ofOwn, ofEvents, ofDialect]) expect(told).toBeLessThan(bound / 8_192 / 2);
  // Texts, not yet buffers, of 300 characters.
  expect(ofIo.told).toBeLessThan(bound / 300 / 2);

  for (const one of stalled) one.resume();
  await eventually(() => devices.every((one) => revOf(one) === revOf(reader)), "all show the newest", 60);
  const newest = inboxes.list("alex").items.at(-1)?.id as string;
  await eventually(() => dialect.texts.at(-1)?.includes(newest), "the live dialect's too", 60);
});
