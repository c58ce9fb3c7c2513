import { describe, expect, test } from "vitest";
import { freshDatabase } from "../../support/database.ts";
import { call } from "../../support/http.ts";
import { eventually, spawnService, startService } from "../../support/service.ts";
import { change, dialectPath, eventsPath, livePath, notify, revBefore, someone } from "./calls.ts";
import { type Device, openEvents, openIo, openSocket } from "./clients.ts";

// One user, many devices: on every transport and every instance the same.

const { uri } = freshDatabase();
const variables = { DB_URI: uri, EMAIL: "live@example.com" };

const revOf = ({ messages }: Device) => (messages.at(-1) as { rev?: number } | undefined)?.rev;

/** One device on each transport, listening. */
async function openAll(url: string, user: string): Promise<Device[]> {
  const devices = [
    openSocket(url, livePath(user)),
    await openEvents(url, eventsPath(user)),
    openIo(url, { auth: { user_id: user } }),
    openIo(url, { auth: { user_id: user }, transports: ["polling"] }),
  ];
  await eventually(() => devices.every(({ messages }) => messages.length === 1), "all listen");
  return devices;
}

test("devices on all transports, on two instances, see the same sequence of changes", async () => {
  const [a, b] = [await startService(variables), await startService(variables)];
  const user = someone();
  const devices = [...(await openAll(a.url, user)), ...(await openAll(b.url, user))];
  const dialect = [openSocket(a.url, dialectPath(user)), openSocket(b.url, dialectPath(user))];
  await eventually(() => dialect.every(({ ws }) => ws.readyState === 1), "the live dialect's, too");

  const ids: string[] = [];
  /** Waits, since changes that come together may be told together. */
  const everyone = async (what: string) => {
    const rev = await revBefore(a.url, user, 0);
    await eventually(() => devices.every((device) => revOf(device) === rev), what);
  };
  for (const [n, { url }] of [a, b, a, b].entries()) {
    ids.push(await notify(url, user, `${n}`));
    await everyone(`item ${n}`);
  }
  for (const [{ url }, n, what] of [
    [b, 0, "read"],
    [a, 1, "archive"],
    [b, 1, "unread"],
    [a, 2, "delete"],
  ] as const) {
    await change(url, user, ids[n] as string, what);
    await everyone(what);
  }
  const [first, ...others] = devices as [Device, ...Device[]];
  expect(first.messages.map((one) => one.type)).toEqual(["state", ...Array(8).fill("changes")]);
  expect(first.messages.at(-1)).toMatchObject({ unread: 2, unseen: 2, total: 3 });
  const see = async (url: string, rev: number) =>
    call(url, "POST", `/v1/users/${encodeURIComponent(user)}/inbox/seen`, { up_to_rev: rev });
  // The items that are left came with the second and the fourth change.
  await see(b.url, await revBefore(b.url, user, 4));
  await everyone("all seen");
  await see(a.url, await revBefore(a.url, user, 5));
  expect(first.messages.at(-1)).toMatchObject({
    type: "changes",
    changes: [],
    unread: 2,
    unseen: 0,
    total: 3,
  });
  for (const device of others) expect(device.messages).toEqual(first.messages);
  await eventually(() => dialect.every(({ texts }) => texts.length === 4), "each new item, no more");
  expect(dialect[1]?.texts).toEqual(dialect[0]?.texts);
});

test("devices that keep reconnecting to either instance end up exact", async () => {
  const [{ url: a }, { url: b }] = [await startService(variables), await startService(variables)];
  const user = someone();
  const openers = [
    async (url: string, rev: number) => openSocket(url, livePath(user, `?rev=${rev}`)),
    (url: string, rev: number) => openEvents(url, eventsPath(user), { "last-event-id": String(rev) }),
    async (url: string, rev: number) => openIo(url, { auth: { user_id: user, rev }, reconnection: false }),
  ];
  const drops = openers.map(() => 0);
  /** Known when all changes are made. */
  let lastRev = Number.POSITIVE_INFINITY;
  const runs = openers.map(async (open, n) => {
    const shown = new Map<string, boolean>();
    let rev = 0;
    let counts = {};
    for (let turn = n; rev !== lastRev; turn++) {
      const device = await open(turn % 2 ? a : b, rev);
      await eventually(() => device.messages.length > 1 || revOf(device) === lastRev, "something new");
      // Messages that are on their way now are lost.
      device.close();
      drops[n] = (drops[n] as number) + 1;
      for (const message of device.messages) {
        if (message.type === "resync") {
          const { body } = await call(a, "GET", `/v1/users/${encodeURIComponent(user)}/inbox?limit=100`);
          shown.clear();
          for (const one of body.items) shown.set(one.id, one.read);
          rev = body.rev;
          counts = { unread: body.unread, total: body.total };
          // Later messages may be older than the list.
          break;
        }
        if (message.type !== "changes") continue;
        expect(message.changes.filter((one) => one.rev <= rev)).toEqual([]);
        for (const one of message.changes) {
          if (one.change === "deleted") shown.delete(one.id);
          else shown.set(one.item.id, one.item.read);
        }
        rev = message.rev;
        counts = { unread: message.unread, total: message.total };
      }
    }
    return { shown, counts };
  });

  const items: string[] = [];
  for (let n = 0; n < 60; n++) {
    items.push(await notify(n % 2 ? a : b, user, `${n}`));
    if (n % 3 === 0) await change(n % 2 ? b : a, user, items[n / 3] as string, "read");
    if (n > 20 && n % 10 === 9) await change(a, user, items[n - 1] as string, "delete");
    if (n % 5 === 0) await eventually(() => drops.every((count) => count >= n / 5), "each is dropped again");
  }
  lastRev = await revBefore(a, user, 0);
  const expected = items.flatMap((id, n) => (n > 20 && n % 10 === 8 ? [] : [[id, n < 20] as const]));
  for (const { shown, counts } of await Promise.all(runs)) {
    expect([...shown].sort()).toEqual(expected.toSorted());
    expect(counts).toEqual({ total: 56, unread: 36 });
  }
});

describe("the program", () => {
  test("SIGTERM closes every device with bye and 1001, and the process ends at once", async () => {
    const service = await spawnService(variables);
    const user = someone();
    const devices = await openAll(service.url, user);
    const socket = devices[0] as ReturnType<typeof openSocket>;
    const dialect = openSocket(service.url, dialectPath(user));
    // One that does not answer its close holds up nobody.
    const deaf = openSocket(service.url, livePath(user));
    await eventually(() => dialect.ws.readyState === 1 && deaf.messages.length === 1, "all listen");
    deaf.ws.pause();
    service.kill("SIGTERM");
    expect(await service.ended).toBe(0);
    for (const { messages } of devices)
      await eventually(() => messages.at(-1)?.type === "bye", "each is told when to come back");
    expect(await socket.ended).toEqual({ code: 1001, reason: "leaving" });
    expect(await dialect.ended).toEqual({ code: 1001, reason: "leaving" });
  });

  test("an instance with only the role realtime sends what another one stores", async () => {
    const live = await spawnService({ ...variables, ROLES: "realtime" });
    const api = await spawnService({ ...variables, ROLES: "api" });
    const user = someone();
    const devices = await openAll(live.url, user);
    const id = await notify(api.url, user, "across");
    await eventually(() => devices.every(({ messages }) => messages.length === 2), "each is told");
    expect(devices[0]?.messages[1]).toMatchObject({ changes: [{ change: "new", item: { id } }] });
    expect(await openSocket(api.url, livePath(user)).ended).toMatchObject({ code: 404 });
    expect((await openEvents(api.url, eventsPath(user))).status).toBe(404);
  });
});
