import { setTimeout as pause } from "node:timers/promises";
import fc from "fast-check";
import { type CommandSucceededEvent, MongoClient } from "mongodb";
import { describe, expect, inject, onTestFinished, test } from "vitest";
import {
  fromNothing,
  fromNow,
  type InboxChanges,
  type InboxItem,
  type InboxListing,
  type InboxState,
  type ItemChange,
} from "../../src/model/live.ts";
import { createEraser } from "../../src/store/erase.ts";
import { type UserDocument, usersOf } from "../../src/store/inbox.ts";
import { createChangesReader } from "../../src/store/inbox-changes.ts";
import { createInboxWriter } from "../../src/store/inbox-writes.ts";
import { createUserWrites } from "../../src/store/user-writes.ts";
import { freshDatabase } from "../support/database.ts";
import { applied, idsOf, modelInbox, nextId, openInboxes, several } from "../support/inbox.ts";

const { db, uri } = freshDatabase();
const open = (limit: number) => openInboxes(db, limit);
const changesOf = ({ changes }: { changes: object[] }) =>
  changes.map((one) => {
    const { change, item, id } = one as { change: string; item?: InboxItem; id?: string };
    return `${change} ${item?.id ?? id}`;
  });

describe("changes since a rev", () => {
  test("reports each kind of change in order, with the item as it is now", async () => {
    const inbox = open(10);
    const ids = await inbox.notify("kinds", ...several(5));
    const [a, b, c, d, e] = ids as [string, string, string, string, string];
    await inbox.change("kinds", d, "read");
    const shown = (await inbox.list("kinds")).items;

    await inbox.change("kinds", c, "archive");
    await inbox.change("kinds", a, "read");
    await inbox.change("kinds", d, "unread");
    await inbox.remove("kinds", b);
    const [f] = await inbox.notify("kinds");

    const missed = await inbox.since("kinds", 2);
    expect(changesOf(missed)).toEqual([
      `archived ${c}`,
      `read ${a}`,
      `unread ${d}`,
      `deleted ${b}`,
      `new ${f}`,
    ]);
    expect(missed).toMatchObject({ since: 2, rev: 7, unread: 3, unseen: 3, total: 5, resync: false });
    expect(missed.changes.map((one) => (one.change === "deleted" ? one.rev : one.item.rev))).toEqual([
      3, 4, 5, 6, 7,
    ]);
    const listed = (await inbox.list("kinds")).items;
    expect(applied(shown, missed)).toEqual(listed);
    expect(idsOf(listed)).toEqual([f, e, d, c, a]);
  });

  test("reports an item created and changed since as new, and one created and deleted since as deleted", async () => {
    const inbox = open(10);
    const [a] = (await inbox.notify("both")) as [string];
    const [b] = (await inbox.notify("both")) as [string];
    const [c] = (await inbox.notify("both")) as [string];
    await inbox.change("both", b, "archive");
    await inbox.remove("both", c);
    const missed = await inbox.since("both", 1);
    expect(changesOf(missed)).toEqual([`new ${b}`, `deleted ${c}`]);
    expect(missed.changes[0]).toMatchObject({
      item: { archived: true, is_new: false, created_rev: 2, rev: 4 },
    });
    expect(changesOf(await inbox.since("both", 0))).toEqual([`new ${a}`, `new ${b}`, `deleted ${c}`]);
  });

  test("reports the items of one commit in the order of their ids, whatever order the caller used", async () => {
    const inbox = open(10);
    const [a, b, c] = [nextId(), nextId(), nextId()];
    await inbox.notify("order", { id: c }, { id: a }, { id: b });
    expect(changesOf(await inbox.since("order", 0))).toEqual([`new ${a}`, `new ${b}`, `new ${c}`]);
    expect(idsOf((await inbox.list("order")).items)).toEqual([c, b, a]);
  });

  test("a device that starts now gets rev and counts only", async () => {
    const inbox = open(10);
    await inbox.notify("now");
    const [id] = (await inbox.notify("now")) as [string];
    await inbox.remove("now", id);
    expect(await inbox.since("now", fromNow)).toEqual({
      since: fromNow,
      rev: 3,
      unread: 1,
      unseen: 1,
      total: 1,
      changes: [],
      resync: false,
    });
  });

  test("a device that is up to date gets no changes", async () => {
    const inbox = open(10);
    await inbox.notify("same");
    expect(await inbox.since("same", 1)).toEqual({
      since: 1,
      rev: 1,
      unread: 1,
      unseen: 1,
      total: 1,
      changes: [],
      resync: false,
    });
  });

  test("a device ahead of the database must resync: the user was erased, or the database restored", async () => {
    const inbox = open(10);
    const empty = { rev: 0, unread: 0, unseen: 0, total: 0, changes: [] };
    expect(await inbox.since("nobody", 0)).toEqual({ ...empty, since: 0, resync: false });
    expect(await inbox.since("nobody", fromNow)).toEqual({ ...empty, since: fromNow, resync: false });
    expect(await inbox.since("nobody", 1)).toEqual({ ...empty, since: 1, resync: true });
    await inbox.notify("ahead");
    expect(await inbox.since("ahead", 2)).toEqual({
      since: 2,
      rev: 1,
      unread: 1,
      unseen: 1,
      total: 1,
      changes: [],
      resync: true,
    });
  });

  test("a device of an erased inbox must resync with the new one, whatever its rev", async () => {
    const inbox = open(100);
    const changesSince = createChangesReader(db, 100);
    const erase = createEraser({ db, writes: createUserWrites(db, true), retentionDays: 1, now: Date.now });
    for (let n = 0; n < 3; n++) await inbox.notify("erased");
    const { rev: known } = (await usersOf(db).findOne({ _id: "erased" })) as { rev: number };
    await erase("erased");
    const ids: string[] = [];
    for (let n = 0; n < 10; n++) ids.push(...(await inbox.notify("erased")));
    const { rev } = (await usersOf(db).findOne({ _id: "erased" })) as { rev: number };
    expect(rev).toBeGreaterThan(known + 9);
    const since = async (since: number) => (await changesSince([{ user: "erased", since }]))[0];
    for (const before of [known, known - 1, 1])
      expect(await since(before)).toMatchObject({ rev, resync: true });
    // A device with `since` 0 has nothing of the earlier inbox.
    for (const before of [0, fromNothing])
      expect(changesOf((await since(before)) as InboxChanges)).toEqual(ids.map((id) => `new ${id}`));
    expect(await since(rev)).toMatchObject({ changes: [], resync: false });
  });

  test("rev starts at the database's clock, and each answer matches the stored document", async () => {
    const writer = createInboxWriter(db, 10, Date.now, createUserWrites(db, true));
    const item = { timestamp: 1, is_new: true, user_id: "x", key: "old" };
    for (let n = 0; n < 50; n++) {
      const user = `begins ${n}`;
      await usersOf(db).insertOne({
        _id: user,
        notifications: ["a", "b", "c"].map((id) => ({ id, ...item })),
      });
      const begin = [
        () => writer.change(user, "a", "archive"),
        () => writer.readAll(user),
        () => writer.remove(user, "a"),
      ][n % 3] as () => Promise<InboxState>;
      const { localTime: from } = await db.command({ hello: 1 });
      const told = await begin();
      const { localTime: to } = await db.command({ hello: 1 });
      const stored = (await usersOf(db).findOne({ _id: user })) as UserDocument & { rev: number };
      expect(told.rev).toBe(stored.rev);
      expect(stored.rev - 1).toBeGreaterThanOrEqual(from.getTime());
      expect(stored.rev - 1).toBeLessThanOrEqual(to.getTime());
      const changed = [...(stored.notifications ?? []), ...(stored.removedNotifications ?? [])];
      expect(changed.flatMap((one) => one.rev ?? []).every((one) => one === stored.rev)).toBe(true);
      expect((await writer.change(user, "c", "unread"))?.rev).toBe(n % 3 === 1 ? stored.rev + 1 : stored.rev);
    }
  });

  test("a device that missed more removals than are remembered must resync, one that missed fewer need not", async () => {
    const inbox = open(200);
    const ids = await inbox.notify("gone", ...several(130));
    const shown = (await inbox.list("gone")).items;
    for (const id of ids.slice(0, 100)) await inbox.remove("gone", id);
    const all = await inbox.since("gone", 1);
    expect(all.resync).toBe(false);
    expect(all.changes).toHaveLength(100);
    expect(applied(shown, all)).toEqual((await inbox.list("gone")).items);

    for (const id of ids.slice(100, 103)) await inbox.remove("gone", id);
    expect((await inbox.stored("gone"))?.removedNotifications).toHaveLength(100);
    // Rev 1 is the commit, 2 to 104 are the removals; those of 2, 3 and 4 are forgotten.
    expect(await inbox.since("gone", 3)).toEqual({
      since: 3,
      rev: 104,
      unread: 27,
      unseen: 27,
      total: 27,
      changes: [],
      resync: true,
    });
    const enough = await inbox.since("gone", 4);
    expect(enough.resync).toBe(false);
    expect(enough.changes).toHaveLength(100);
    expect((await inbox.since("gone", fromNow)).resync).toBe(false);
  });

  test("reads with majority on the primary, whatever the URI prefers, so nothing reported is rolled back", async () => {
    const seen: string[] = [];
    const watched = new MongoClient(uri, { monitorCommands: true, readPreference: "secondaryPreferred" });
    watched.on("commandStarted", ({ commandName, command }) => {
      if (commandName === "find")
        seen.push(`${command.readConcern?.level} ${command.$readPreference?.mode ?? "primary"}`);
    });
    await createChangesReader(watched.db(db.databaseName), 10)([{ user: "kinds", since: 0 }]);
    await watched.close();
    // On a direct connection to a server, the driver says so.
    expect(seen).toEqual([`majority ${inject("isSharded") ? "primary" : "primaryPreferred"}`]);
  });
});

describe("many users at once", () => {
  test("share one round trip, are answered in order, and only changed items are sent", async () => {
    const inbox = open(100);
    const users = Array.from({ length: 60 }, (_, n) => (n % 2 ? `many-${n}` : nextId()));
    for (const user of users) await inbox.notify(user, ...several(20));
    const changed = new Map<string, string>();
    for (const user of users.slice(0, 30)) {
      const { items } = await inbox.list(user);
      const { id } = items[7] as InboxItem;
      await inbox.change(user, id, "read");
      changed.set(user, id);
    }

    const replies: CommandSucceededEvent[] = [];
    const watched = new MongoClient(uri, { monitorCommands: true });
    onTestFinished(() => watched.close());
    watched.on("commandSucceeded", (event) => {
      if (["find", "getMore"].includes(event.commandName)) replies.push(event);
    });
    const began = await Promise.all(users.map(inbox.began));
    const requests = users
      .map((user, n) => ({
        user: n % 4 ? user : user.toUpperCase(),
        since: n % 3 ? (began[n] as number) + 1 : fromNow,
      }))
      .concat({ user: "no such user", since: 5 });
    const views = await createChangesReader(watched.db(db.databaseName), 100)(requests.toReversed());

    for (const [n, view] of views.toReversed().entries()) {
      const { user, since } = requests[n] as (typeof requests)[number];
      const id = changed.get(users[n] as string);
      if (user === "no such user") expect(view).toMatchObject({ since, rev: 0, resync: true });
      else {
        const rev = (began[n] as number) + (id ? 2 : 1);
        expect(view).toMatchObject({ since, rev, total: 20, resync: false });
        expect(changesOf(view as InboxChanges)).toEqual(id && since !== fromNow ? [`read ${id}`] : []);
      }
    }
    expect(replies).toHaveLength(1);
    const sent = replies[0]?.reply as { cursor: { firstBatch: Array<{ view: { items: object[] } }> } };
    expect(sent.cursor.firstBatch.map((one) => one.view.items.length).filter((n) => n > 1)).toEqual([]);
  });

  test("a user with many changes is answered alone, so that 200 of them are never in memory at once", async () => {
    const inbox = open(100);
    const full = several(20).map((one) => ({ ...one, data: { text: "x".repeat(8_000) } }));
    const users = ["much", "little", "more"];
    for (const user of users) await inbox.notify(user);
    const asAt = async () =>
      Promise.all(users.map(async (user) => ({ user, since: (await inbox.list(user)).rev })));
    const before = await asAt();
    for (const user of users) await inbox.notify(user, ...(user === "little" ? several(1) : full));
    const [much, little, more] = await inbox.changesSince(before);
    expect([much, more]).toEqual([undefined, undefined]);
    expect(little?.changes).toHaveLength(1);
    const [alone] = await inbox.changesSince(before.slice(0, 1));
    expect(changesOf(alone as InboxChanges)).toEqual(full.map(({ id }) => `new ${id}`));
    // Only the changed items count.
    const then = await asAt();
    await inbox.change("much", full[7]?.id as string, "read");
    expect((await inbox.changesSince(then)).map((view) => view?.changes.length)).toEqual([1, 0, 0]);
  });

  test("no requests give no answers", async () => {
    expect(await open(10).changesSince([])).toEqual([]);
  });
});

const itemChange = fc.constantFrom<ItemChange>("read", "unread", "archive", "unarchive");
/** `at`: the item's position, newest first. Beyond the end there is no item, or one of the slack. */
const at = fc.nat({ max: 6 });
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("notify" as const), count: fc.integer({ min: 1, max: 3 }) }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("change" as const), at, change: itemChange }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("remove" as const), at }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("readAll" as const), back: fc.nat({ max: 8 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("seen" as const), back: fc.integer({ min: -2, max: 8 }) }),
  },
);

test("random changes: every answer matches the model, and every device ends with the inbox's state", {
  timeout: 240_000,
}, async () => {
  let run = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 30 }),
      fc.integer({ min: 1, max: 5 }),
      async (steps, limit) => {
        const user = `model-${run++}`;
        const inbox = open(limit);
        const model = modelInbox(user, limit);
        const ever: string[] = [];
        /** The inbox as a device shows it that stopped at each `rev`. */
        const left = new Map<number, InboxItem[]>([[0, []]]);
        for (const one of steps) {
          const target = "at" in one ? (model.items()[one.at]?.id ?? ever[one.at] ?? nextId()) : "";
          if (one.kind === "notify") {
            const ids = Array.from({ length: one.count }, nextId);
            ever.push(...ids);
            await inbox.notify(user, ...ids.toReversed().map((id) => ({ id })));
            model.notify(ids);
          } else if (one.kind === "change") {
            expect(await inbox.change(user, target, one.change)).toEqual(model.change(target, one.change));
          } else if (one.kind === "remove") {
            expect(await inbox.remove(user, target)).toEqual(model.remove(target));
          } else {
            const upTo = model.standing().rev - one.back;
            expect(await inbox[one.kind](user, upTo)).toEqual(model[one.kind](upTo));
          }
          left.set(model.standing().rev, model.items());
        }
        const now: InboxListing = { ...model.standing(), items: model.items() };
        expect(await inbox.list(user)).toEqual(now);
        for (const [since, shown] of left) {
          const missed = await inbox.since(user, since);
          expect(missed).toMatchObject({ ...model.standing(), since, resync: false });
          expect(applied(shown, missed)).toEqual(now.items);
        }
      },
    ),
    { numRuns: 150 },
  );
});

test("concurrent changes: nothing is lost or stored twice, counts are exact, and a device ends with the inbox's state", async () => {
  const inbox = open(1_000);
  const user = nextId();
  const kept = new Set<string>();
  const read = new Set<string>();
  let changes = 0;
  let ended = false;

  const device = (async () => {
    let shown: InboxItem[] = [];
    let rev = 0;
    for (;;) {
      // Checked before the read, so that changes after the end of all others are not missed.
      const last = ended;
      const missed = await inbox.since(user, rev);
      expect(missed.resync).toBe(false);
      expect(missed.rev).toBeGreaterThanOrEqual(rev);
      shown = applied(shown, missed);
      expect(shown).toHaveLength(missed.total);
      expect(shown.filter((one) => one.is_new)).toHaveLength(missed.unread);
      rev = missed.rev;
      if (last) return shown;
      await pause(1);
    }
  })();

  await Promise.all(
    Array.from({ length: 12 }, async (_, worker) => {
      for (let n = 0; n < 15; n++) {
        const [id] = (await inbox.notify(user)) as [string];
        kept.add(id);
        changes++;
        if (n % 3 === worker % 3) {
          expect((await inbox.change(user, id, "read"))?.changed).toBe(1);
          read.add(id);
          changes++;
        }
        if (n % 4 === worker % 4) {
          // Two calls may delete the same item: one of them succeeds.
          const both = await Promise.all([inbox.remove(user, id), inbox.remove(user, id)]);
          expect(both.filter(Boolean)).toHaveLength(1);
          kept.delete(id);
          changes++;
        }
      }
    }),
  );
  ended = true;
  const shown = await device;
  const listed = await inbox.list(user);
  expect(new Set(idsOf(listed.items))).toEqual(kept);
  expect(listed.items).toHaveLength(kept.size);
  expect(new Set(idsOf(listed.items.filter((one) => !one.is_new)))).toEqual(
    new Set([...read].filter((id) => kept.has(id))),
  );
  expect(listed).toMatchObject({
    rev: changes,
    total: kept.size,
    unread: [...kept].filter((id) => !read.has(id)).length,
  });
  expect(shown).toEqual(listed.items);
});
