import { afterEach, expect, test } from "vitest";
import { BelfryError } from "../../src/model/errors.ts";
import { fromNothing, fromNow, type InboxChanges } from "../../src/model/live.ts";
import { userHash } from "../../src/model/user-id.ts";
import type { Sink } from "../../src/realtime/device.ts";
import type { Hub } from "../../src/realtime/hub.ts";
import { createHub, type HubOptions } from "../../src/realtime/hub.ts";
import { eventually } from "../support/eventually.ts";
import { Device, type Known, nothingYet } from "./device.ts";
import { createInboxes } from "./inboxes.ts";

const open: Hub[] = [];
afterEach(() => {
  for (const hub of open.splice(0)) hub.close();
});

function start(options: Partial<HubOptions> = {}, inboxes = createInboxes()) {
  const logged: string[] = [];
  const reads: string[][] = [];
  const asked: number[] = [];
  const line = (_details: object, message: string) => void logged.push(message);
  const { read = async (requests) => requests.map(inboxes.changesSince), ...others } = options;
  const hub = createHub({
    read(requests) {
      reads.push(requests.map((one) => one.user));
      asked.push(...requests.map((one) => one.since));
      return read(requests);
    },
    readRevs: inboxes.revs,
    compareMs: 60_000,
    jitterMs: 1_000,
    random: Math.random,
    log: { info: line, warn: line },
    ...others,
  });
  open.push(hub);
  const device = (user: string, known?: Known, bytes?: number) =>
    new Device(hub, user, {
      list: () => inboxes.list(user),
      ...(known && { known }),
      ...(bytes !== undefined && { bytes }),
    });
  const shows = (user: string, ...devices: Device[]) =>
    eventually(
      () =>
        devices.every(
          (one) => one.heard.length > 0 && JSON.stringify(one.known) === JSON.stringify(inboxes.list(user)),
        ),
      `every device of ${user} shows the inbox: ${JSON.stringify(devices.map((one) => one.heard))}`,
    );
  return { hub, inboxes, device, shows, logged, reads, asked };
}

/** Writes down what it is given, word for word. */
function recorder(): Sink & { got: unknown[] } {
  const got: unknown[] = [];
  return {
    got,
    state: (standing) => got.push(["state", standing]),
    changes: (changes) => got.push(["changes", changes]),
    resync: (standing) => got.push(["resync", standing]),
    backlog: () => 0,
    leave: (ms) => got.push(["leave", ms]),
  };
}

test("a hash of another instance reaches the devices of its user", async () => {
  // Instances of other versions compute the same.
  expect(["alex", "ABCDEFABCDEFABCDEFABCDEF", "abcdefabcdefabcdefabcdef", "ü🙂"].map(userHash)).toEqual([
    -442173115, -1216650843, -1216650843, 1629806864,
  ]);
  const { hub, device, shows, inboxes } = start();
  const [alex, bob] = [device("alex"), device("bob")];
  await shows("alex", alex);
  await shows("bob", bob);
  inboxes.add("alex");
  inboxes.add("bob");
  hub.touchHashes([userHash("alex"), 7]);
  await shows("alex", alex);
  expect(bob.heard).toHaveLength(1);
  alex.subscription.close();
  hub.touchHashes([userHash("alex"), userHash("bob")]);
  await shows("bob", bob);
});

test("finds a change of which no hint told, and reads no user whose devices know everything", async () => {
  const inboxes = createInboxes();
  inboxes.add("alex");
  inboxes.add("bob");
  const { device, shows, reads } = start({ compareMs: 1 }, inboxes);
  const [alex, bob] = [device("alex"), device("bob")];
  await shows("alex", alex);
  await shows("bob", bob);
  reads.length = 0;
  inboxes.add("alex");
  await shows("alex", alex);
  expect(reads).toEqual([["alex"]]);
});

test("sends the state, then what was missed, then each change", async () => {
  const { hub, inboxes, reads } = start();
  inboxes.add("alex");
  inboxes.add("alex");
  inboxes.change("alex", 0, "read");
  const late = recorder();
  hub.subscribe("alex", 1, late);
  const upToDate = recorder();
  hub.subscribe("alex", 3, upToDate);
  const fresh = recorder();
  hub.subscribe("alex", fromNow, fresh);
  const ahead = recorder();
  hub.subscribe("alex", 9, ahead);
  await eventually(() => ahead.got.length === 2, "all are answered");
  const standing = { rev: 3, unread: 1, unseen: 1, total: 2 };
  const [old, young] = inboxes.list("alex").items;
  expect(late.got).toEqual([
    ["state", standing],
    [
      "changes",
      {
        ...standing,
        since: 1,
        resync: false,
        changes: [
          { change: "new", item: young },
          { change: "read", item: old },
        ],
      },
    ],
  ]);
  expect([upToDate.got, fresh.got]).toEqual([[["state", standing]], [["state", standing]]]);
  expect(ahead.got).toEqual([
    ["state", standing],
    ["resync", standing],
  ]);

  inboxes.remove("alex", 0);
  hub.touch(["somebody else", "alex"]);
  await eventually(() => fresh.got.length === 2, "what happens is told");
  const removal = {
    rev: 4,
    unread: 1,
    unseen: 1,
    total: 1,
    since: 3,
    resync: false,
    changes: [{ change: "deleted", id: old?.id, rev: 4 }],
  };
  for (const { got } of [late, upToDate, fresh, ahead]) expect(got.at(-1)).toEqual(["changes", removal]);
  expect(reads).toEqual([["alex"], ["alex"]]);
});

test("gives devices that are equally far behind the same object", async () => {
  const { hub, inboxes } = start();
  for (let n = 0; n < 4; n++) inboxes.add("alex");
  const given = [1, 1, 2, 3, 2, 3].map((rev) => {
    const sink = recorder();
    hub.subscribe("alex", rev, sink);
    return sink;
  });
  await eventually(() => given.every(({ got }) => got.length === 2), "all have heard");
  const objects = given.map(({ got }) => (got[1] as [string, InboxChanges])[1]);
  expect(objects.map((one) => [one.since, one.changes.length])).toEqual([
    [1, 3],
    [1, 3],
    [2, 2],
    [3, 1],
    [2, 2],
    [3, 1],
  ]);
  expect(new Set(objects).size).toBe(3);
});

test("a thousand changes during a read cause one more read, a thousand users five", async () => {
  let goOn = () => {};
  const inboxes = createInboxes();
  const { hub, device, shows, reads } = start(
    {
      async read(requests) {
        const views = requests.map(inboxes.changesSince);
        if (requests.length === 1) await new Promise<void>((resolve) => (goOn = resolve));
        return views;
      },
    },
    inboxes,
  );
  const alex = device("alex");
  await eventually(() => reads.length === 1, "a read has begun");
  for (let n = 0; n < 1_000; n++) {
    inboxes.add("alex");
    hub.touch(["alex"]);
  }
  goOn();
  await eventually(() => reads.length === 2, "a second read has begun");
  goOn();
  await shows("alex", alex);
  expect(alex.heard).toEqual(["state", "changes"]);
  expect(reads).toHaveLength(2);

  for (let n = 0; n < 1_000; n++) device(`user ${n}`);
  await eventually(() => reads.length === 7, "everybody is looked after");
  expect(reads.slice(2).map((users) => users.length)).toEqual([200, 200, 200, 200, 200]);
  expect(hub.size).toEqual({ users: 1_001, connections: 1_001 });
});

test("does not read for users without a device", async () => {
  const { hub, device, reads } = start();
  hub.touch(["alex"]);
  hub.touchAll();
  const alex = device("alex");
  await eventually(() => alex.heard.length === 1, "it is answered");
  alex.subscription.close();
  alex.subscription.close();
  hub.touch(["alex"]);
  hub.touchAll();
  const bob = device("bob");
  await eventually(() => bob.heard.length === 1, "it is answered");
  expect(reads).toEqual([["alex"], ["bob"]]);
  expect([hub.size, hub.connections("alex"), hub.connections("bob")]).toEqual([
    { users: 1, connections: 1 },
    0,
    1,
  ]);
});

test("an ObjectId in capitals is the same user", async () => {
  const { hub, inboxes, device, shows } = start();
  const id = "0123456789abcdef01234567";
  const [small, capitals] = [device(id), device(id.toUpperCase())];
  expect([hub.connections(id), hub.connections(id.toUpperCase())]).toEqual([2, 2]);
  inboxes.add(id);
  hub.touch([id.toUpperCase()]);
  await shows(id, small);
  expect(capitals.known.rev).toBe(1);
  expect(hub.size).toEqual({ users: 1, connections: 2 });
  device("ALEX");
  expect(hub.connections("alex")).toBe(0);
});

test("a device that stops reading during 20,000 changes uses little memory, misses nothing and delays nobody", async () => {
  const { hub, inboxes, device, shows, asked } = start();
  const stalled = device("alex", undefined, 100 * 1024);
  const others = [device("alex"), device("alex"), device("bob")];
  await eventually(() => others.every((one) => one.heard.length === 1), "all listen");
  stalled.stalled = true;
  for (let n = 0; n < 20_000; n++) {
    inboxes.add(n % 4 === 0 ? "bob" : "alex");
    hub.touch([n % 4 === 0 ? "bob" : "alex"]);
    if (n % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await shows("alex", ...others.slice(0, 2));
  await shows("bob", ...others.slice(2));
  expect(stalled.most).toBe(3 * 100 * 1024);
  expect(others[0]?.heard.length).toBeGreaterThan(1_000);
  // Not what the stalled one lacks.
  expect(asked.at(-1)).toBeGreaterThan(4_000);
  stalled.drain();
  await shows("alex", stalled);
  expect(stalled.heard).toEqual(["state", "changes", "changes", "changes", "changes"]);
});

test("does not read for a user whose devices are all stalled", async () => {
  const { hub, inboxes, device, shows, reads } = start();
  const alex = device("alex", undefined, 300 * 1024);
  await shows("alex", alex);
  alex.stalled = true;
  const bob = device("bob");
  for (let n = 1; n <= 10; n++) {
    inboxes.add("alex");
    inboxes.add("bob");
    hub.touch(["alex", "bob"]);
    await shows("bob", bob);
  }
  // One to stand in the network, one to see that it does.
  expect(reads.filter((users) => users.includes("alex"))).toHaveLength(3);
  alex.drain();
  await shows("alex", alex);
  expect(alex.heard).toEqual(["state", "changes", "changes"]);
});

test("sends resync to a device that was away too long, and only to that one", async () => {
  const { hub, inboxes, device, shows } = start();
  for (let n = 0; n < 6; n++) inboxes.add("alex");
  const here = device("alex");
  await eventually(() => here.heard.length === 1, "it listens");
  // More than the tombstones that are kept.
  for (let n = 0; n < 5; n++) inboxes.remove("alex", 0);
  hub.touch(["alex"]);
  await shows("alex", here);
  inboxes.add("alex");
  const back = device("alex", { rev: 1, unseen: 0, items: [] });
  await shows("alex", here, back);
  expect(back.heard).toEqual(["state", "resync"]);
  expect(here.heard).toEqual(["state", "resync", "changes"]);
});

test("tells every device when the user is erased", async () => {
  const { hub, inboxes, device, shows } = start();
  inboxes.add("alex");
  const [there, another] = [device("alex"), device("alex", nothingYet)];
  await shows("alex", there, another);
  inboxes.erase("alex");
  hub.touch(["alex"]);
  await shows("alex", there, another);
  expect(there.heard).toEqual(["state", "resync"]);
});

test("sends resync to a device of an erased inbox, even when another device connects at that moment", async () => {
  const { inboxes, device, shows } = start();
  for (let n = 0; n < 3; n++) inboxes.add("alex");
  const known = inboxes.list("alex");
  inboxes.erase("alex");
  for (let n = 0; n < 5; n++) inboxes.add("alex");
  const [newcomer, back] = [
    device("alex", { rev: fromNothing, unseen: 0, items: [] }),
    device("alex", known),
  ];
  await shows("alex", newcomer, back);
  expect(newcomer.heard).toEqual(["state", "changes"]);
  expect(back.heard).toEqual(["state", "resync"]);
});

test("sends items of an older system once to a device that wants everything, and to no other", async () => {
  const { hub, inboxes } = start();
  for (let n = 0; n < 2; n++) inboxes.inherit("alex");
  const [everything, news] = [recorder(), recorder()];
  hub.subscribe("alex", fromNothing, everything);
  hub.subscribe("alex", fromNow, news);
  const nobody = recorder();
  hub.subscribe("bob", fromNothing, nobody);
  await eventually(() => everything.got.length === 2 && nobody.got.length === 1, "all are answered");
  inboxes.add("alex");
  inboxes.add("bob");
  hub.touch(["alex", "bob"]);
  await eventually(() => everything.got.length === 3 && nobody.got.length === 2, "what happens is told");
  const told = ({ got }: { got: unknown[] }) =>
    got.map((one) => {
      const [kind, view] = one as [string, Partial<InboxChanges>];
      return [kind, ...(view.changes ?? []).map(({ change }) => change)];
    });
  expect(told(everything)).toEqual([["state"], ["changes", "new", "new"], ["changes", "new"]]);
  expect(told(news)).toEqual([["state"], ["changes", "new"]]);
  expect(told(nobody)).toEqual([["state"], ["changes", "new"]]);
});

test("devices wait while MongoDB is away, with one log line, and lose nothing", async () => {
  let away = true;
  const inboxes = createInboxes();
  const { hub, device, shows, logged, reads } = start(
    {
      async read(requests) {
        if (away) throw new BelfryError("database_unavailable");
        return requests.map(inboxes.changesSince);
      },
    },
    inboxes,
  );
  const devices = ["alex", "bob", "carol"].map((user) => [user, device(user)] as const);
  inboxes.add("bob");
  hub.touch(["bob"]);
  await eventually(() => reads.length >= 4, "it is tried again");
  expect(logged).toEqual([expect.stringMatching(/cannot be read/)]);
  // All of them at once: it is nobody's fault.
  expect(reads.at(-1)).toHaveLength(3);
  away = false;
  for (const [user, one] of devices) await shows(user, one);
  expect(logged).toEqual([expect.stringMatching(/cannot be read/), expect.stringMatching(/again/)]);
});

test("an unreadable document costs the other users of its read one more read, once", async () => {
  const inboxes = createInboxes();
  const { hub, device, shows, reads, logged } = start(
    {
      async read(requests) {
        if (requests.some((one) => one.user === "poison")) throw new Error("PlanExecutor error");
        return requests.map(inboxes.changesSince);
      },
    },
    inboxes,
  );
  const users = ["alex", "poison", "bob"];
  const devices = users.map((user) => device(user));
  const [alex, poison, bob] = devices as [Device, Device, Device];
  await shows("alex", alex);
  await shows("bob", bob);
  inboxes.add("alex");
  inboxes.add("bob");
  hub.touch(users);
  await shows("alex", alex);
  await shows("bob", bob);
  expect(reads.filter((one) => one.includes("poison") && one.length > 1)).toHaveLength(1);
  expect(poison.heard).toEqual([]);
  expect(logged).toHaveLength(1);
});

test("reads users with too many changes one by one, and they miss nothing", async () => {
  const inboxes = createInboxes();
  const much = new Set(["alex", "bob"]);
  const { device, shows, reads, hub } = start(
    {
      read: async (requests) =>
        requests.map((one) =>
          much.has(one.user) && requests.length > 1 ? undefined : inboxes.changesSince(one),
        ),
    },
    inboxes,
  );
  const users = ["alex", "carol", "bob"];
  for (const user of users) inboxes.add(user);
  const devices = users.map((user) => [user, device(user, { rev: 0, unseen: 0, items: [] })] as const);
  for (const [user, one] of devices) await shows(user, one);
  expect(reads).toEqual([users, ["alex"], ["bob"]]);
  much.clear();
  for (const user of users) inboxes.add(user);
  hub.touch(users);
  for (const [user, one] of devices) await shows(user, one);
  expect(reads.slice(3)).toEqual([users]);
});

test("closes a connection that fails unexpectedly, and serves the others", async () => {
  const { hub, inboxes, device, shows } = start();
  const broken = recorder();
  hub.subscribe("alex", 0, {
    ...broken,
    changes() {
      throw new Error("no such socket");
    },
    leave() {
      throw new Error("nor now");
    },
  });
  const worse = recorder();
  hub.subscribe("alex", 0, {
    ...worse,
    backlog() {
      throw new Error("no such socket");
    },
  });
  const other = device("alex");
  inboxes.add("alex");
  hub.touch(["alex"]);
  await shows("alex", other);
  expect(hub.connections("alex")).toBe(1);
  expect(worse.got.at(-1)).toEqual(["leave", expect.any(Number)]);
});

test("a stop sends every device away with different pauses, and accepts none", async () => {
  const { hub, device } = start({ jitterMs: 5_000 });
  const devices = Array.from({ length: 100 }, (_, n) => device(`user ${n % 10}`));
  await eventually(() => devices.every((one) => one.heard.length === 1), "all listen");
  hub.close();
  const moments = devices.map((one) => one.left as number);
  expect(moments.every((ms) => Number.isInteger(ms) && ms >= 0 && ms < 5_000)).toBe(true);
  expect(new Set(moments).size).toBeGreaterThan(50);
  expect(hub.size).toEqual({ users: 0, connections: 0 });
  const late = device("alex");
  expect(late.left).toEqual(expect.any(Number));
  late.subscription.drained();
  late.subscription.close();
  expect(hub.size).toEqual({ users: 0, connections: 0 });
});
