import { describe, expect, inject, test } from "vitest";
import { fromNow, type InboxItem, type ItemChange } from "../../src/model/live.ts";
import { createInboxWriter } from "../../src/store/inbox-writes.ts";
import { createUserWrites } from "../../src/store/user-writes.ts";
import { freshDatabase } from "../support/database.ts";
import { idsOf, nextId, openInboxes, several, storedAt } from "../support/inbox.ts";

const { db, client } = freshDatabase();
const open = (limit: number) => openInboxes(db, limit);

describe("one item", () => {
  test("can be marked as read, unread, archived and unarchived; counts and rev follow, and repeating changes nothing", async () => {
    const inbox = open(10);
    const user = nextId();
    const [other, id] = (await inbox.notify(user, ...several(2))) as [string, string];
    const steps: Array<[ItemChange, { is_new: boolean; archived: boolean }, number]> = [
      ["read", { is_new: false, archived: false }, 1],
      ["unread", { is_new: true, archived: false }, 2],
      ["archive", { is_new: false, archived: true }, 1],
      ["read", { is_new: false, archived: true }, 1],
      ["unread", { is_new: true, archived: false }, 2],
      ["unarchive", { is_new: true, archived: false }, 2],
      ["archive", { is_new: false, archived: true }, 1],
      ["unarchive", { is_new: false, archived: false }, 1],
    ];
    let rev = 1;
    for (const [change, state, unread] of steps) {
      const before = (await inbox.get(user, id))?.item as InboxItem;
      const changes = before.is_new !== state.is_new || before.archived !== state.archived;
      if (changes) rev++;
      const item = { ...before, ...state, rev, created_rev: 1, changed: storedAt };
      const answer = await inbox.change(user, id, change);
      expect(answer, change).toEqual({
        rev,
        unread,
        unseen: unread,
        total: 2,
        changed: changes ? 1 : 0,
        item,
      });
      const stored = await inbox.stored(user);

      expect(await inbox.change(user, id, change), `${change} again`).toEqual({ ...answer, changed: 0 });
      expect(await inbox.stored(user)).toEqual(stored);
      expect(await inbox.get(user, id)).toEqual({ rev, unread, unseen: unread, total: 2, item });
    }
    // An item that is not archived has no `archived` field, and an item never changed has no new fields.
    expect((await inbox.stored(user))?.notifications).toEqual([
      { id: other, key: "new_message", timestamp: storedAt, is_new: true, user_id: user, rev: 1 },
      { ...(await inbox.get(user, id))?.item, archived: undefined },
    ]);
  });

  test("that was archived is still counted, and listed unless filtered out", async () => {
    const inbox = open(10);
    const [a, b] = (await inbox.notify("archive", ...several(2))) as [string, string];
    await inbox.change("archive", a, "archive");
    const ask = (archived?: boolean) =>
      inbox.read({ user: "archive", skip: 0, limit: 10, ...(archived !== undefined && { archived }) });
    expect(await ask()).toMatchObject({ total: 2, unread: 1 });
    expect(idsOf((await ask()).items)).toEqual([b, a]);
    expect(idsOf((await ask(false)).items)).toEqual([b]);
    expect(idsOf((await ask(true)).items)).toEqual([a]);
  });

  test("that was deleted is not found, and cannot be deleted or changed again", async () => {
    const inbox = open(10);
    const [a, b, c] = (await inbox.notify("delete", ...several(3))) as [string, string, string];
    expect(await inbox.remove("delete", b)).toEqual({ rev: 2, unread: 2, unseen: 2, total: 2 });
    const stored = await inbox.stored("delete");
    expect(await inbox.remove("delete", b)).toBeUndefined();
    expect(await inbox.change("delete", b, "read")).toBeUndefined();
    expect(await inbox.get("delete", b)).toBeUndefined();
    expect(await inbox.stored("delete")).toEqual(stored);
    expect(await inbox.list("delete")).toMatchObject({ rev: 2, items: [{ id: c }, { id: a }] });
  });

  test("of another user, of nobody or of an unknown user is not found, and no user is created", async () => {
    const inbox = open(10);
    const [id] = (await inbox.notify("mine")) as [string];
    await inbox.notify("theirs");
    const stored = await inbox.stored("theirs");
    for (const [user, what] of [
      ["theirs", id],
      ["mine", nextId()],
      ["mine", ""],
      ["stranger", id],
    ] as const) {
      expect(await inbox.get(user, what)).toBeUndefined();
      expect(await inbox.change(user, what, "read")).toBeUndefined();
      expect(await inbox.remove(user, what)).toBeUndefined();
    }
    expect(await inbox.stored("theirs")).toEqual(stored);
    expect(await inbox.stored("stranger")).toBeNull();
    expect(await inbox.list("stranger")).toEqual({ rev: 0, unread: 0, unseen: 0, total: 0, items: [] });
  });

  test("marked as read by an older client has its time of change, and that client lists it as before", async () => {
    const inbox = open(10);
    const later = createInboxWriter(db, 10, () => (storedAt + 60) * 1000, createUserWrites(db, true));
    const [id] = (await inbox.notify("old client")) as [string];
    const [before] = await inbox.pages([{ user: "old client", skip: 0, limit: 10 }]);
    await later.change("old client", id, "read");
    expect((await inbox.get("old client", id))?.item).toMatchObject({
      changed: storedAt + 60,
      timestamp: storedAt,
    });
    const [after] = await inbox.pages([{ user: "old client", skip: 0, limit: 10 }]);
    expect(before).toMatchObject({ total: 1, unread: 1, items: [{ id, is_new: true }] });
    expect(after).toMatchObject({ total: 1, unread: 0, items: [{ id, is_new: false, timestamp: storedAt }] });
  });

  // A mongos has no oplog.
  test.skipIf(inject("isSharded"))(
    "writes only its own change to the oplog, not the whole inbox",
    async () => {
      const inbox = open(100);
      const contents = several(100).map((one) => ({ ...one, data: { text: "x".repeat(200) } }));
      const ids = await inbox.notify("oplog", ...contents);
      const bytes = async (change: () => Promise<unknown>): Promise<number> => {
        const from = (await db.command({ ping: 1 })).operationTime;
        await change();
        const [sum] = await client
          .db("local")
          .collection("oplog.rs")
          .aggregate<{ bytes: number }>([
            { $match: { ts: { $gt: from }, ns: `${db.databaseName}.users`, "o2._id": "oplog" } },
            { $group: { _id: null, bytes: { $sum: { $bsonSize: "$$ROOT" } } } },
          ])
          .toArray();
        return sum?.bytes ?? 0;
      };
      // The document is 40 KB.
      expect(await bytes(() => inbox.change("oplog", ids[50] as string, "archive"))).toBeLessThan(700);
      expect(await bytes(() => inbox.change("oplog", ids[50] as string, "archive"))).toBe(0);
      expect(await bytes(() => inbox.readAll("oplog"))).toBeLessThan(10_000);
    },
  );
});

describe("read-all", () => {
  test("marks items up to a rev as read in one change; without unread items it changes nothing", async () => {
    const inbox = open(10);
    const [a] = (await inbox.notify("all")) as [string];
    const [b] = (await inbox.notify("all")) as [string];
    const [c] = (await inbox.notify("all")) as [string];
    await inbox.change("all", a, "read");
    await inbox.change("all", a, "unread");
    // `a` has rev 5 by now: the user has not seen that change.
    expect(await inbox.readAll("all", 2)).toEqual({ rev: 6, unread: 2, unseen: 2, total: 3, changed: 1 });
    expect(await inbox.list("all")).toMatchObject({
      items: [
        { id: c, is_new: true },
        { id: b, is_new: false, rev: 6, created_rev: 2 },
        { id: a, is_new: true },
      ],
    });
    const stored = await inbox.stored("all");
    expect(await inbox.readAll("all", 2)).toEqual({ rev: 6, unread: 2, unseen: 2, total: 3, changed: 0 });
    expect(await inbox.stored("all")).toEqual(stored);
    expect(await inbox.readAll("all")).toEqual({ rev: 7, unread: 0, unseen: 0, total: 3, changed: 2 });
    expect(await inbox.readAll("all")).toEqual({ rev: 7, unread: 0, unseen: 0, total: 3, changed: 0 });
    expect(await inbox.readAll("nobody here")).toEqual({
      rev: 0,
      unread: 0,
      unseen: 0,
      total: 0,
      changed: 0,
    });
    expect(await inbox.stored("nobody here")).toBeNull();
  });
});

describe("seen", () => {
  test("leaves items unread, and only items that are added later are unseen", async () => {
    const inbox = open(10);
    const [a] = (await inbox.notify("seen")) as [string];
    const [b] = (await inbox.notify("seen", ...several(2))) as [string];
    await inbox.notify("seen");
    expect(await inbox.seen("seen", 2)).toEqual({ rev: 4, unread: 4, unseen: 1, total: 4 });
    expect((await inbox.list("seen")).items.map((one) => one.is_new)).toEqual([true, true, true, true]);
    // A later change of a seen item does not make it unseen again.
    await inbox.change("seen", a, "read");
    expect(await inbox.change("seen", a, "unread")).toMatchObject({ unread: 4, unseen: 1 });
    await inbox.change("seen", b, "archive");
    expect(await inbox.change("seen", b, "unread")).toMatchObject({ unread: 4, unseen: 1 });
    expect(await inbox.seen("seen")).toMatchObject({ rev: 9, unread: 4, unseen: 0 });
    await inbox.notify("seen");
    expect(await inbox.list("seen")).toMatchObject({ rev: 10, unread: 5, unseen: 1 });
  });

  test("changes nothing when repeated, for an earlier rev, and for an unknown user", async () => {
    const inbox = open(10);
    await inbox.notify("again", ...several(3));
    await inbox.notify("again");
    const first = await inbox.seen("again", 2);
    expect(first).toEqual({ rev: 3, unread: 4, unseen: 0, total: 4 });
    const stored = await inbox.stored("again");
    expect(stored?.seen_rev).toBe(2);
    for (const upTo of [2, 1, 0]) expect(await inbox.seen("again", upTo)).toEqual(first);
    expect(await inbox.stored("again")).toEqual(stored);
    expect(await inbox.seen("nobody here")).toEqual({ rev: 0, unread: 0, unseen: 0, total: 0 });
    expect(await inbox.stored("nobody here")).toBeNull();
  });

  test("never reaches beyond the inbox's rev, so items that are added later are unseen", async () => {
    const inbox = open(10);
    await inbox.notify("ahead");
    await inbox.seen("ahead", fromNow - 1);
    expect((await inbox.stored("ahead"))?.seen_rev).toBe(1);
    await inbox.notify("ahead");
    expect(await inbox.list("ahead")).toMatchObject({ unread: 2, unseen: 1 });
  });

  test("increments rev only when the number of unseen items changes", async () => {
    const inbox = open(2);
    const [a, b] = (await inbox.notify("read before", ...several(3))) as [string, string];
    await inbox.readAll("read before");
    // Of three items two are kept, both read. The watermark moves, and no device needs to hear of it.
    expect(await inbox.seen("read before")).toEqual({ rev: 2, unread: 0, unseen: 0, total: 2 });
    expect(await inbox.change("read before", b, "unread")).toMatchObject({ rev: 3, unseen: 0 });
    expect(await inbox.change("read before", a, "unread")).toBeUndefined();
    expect(await inbox.seen("read before")).toMatchObject({ rev: 3, unseen: 0 });
  });

  test("reaches a device as a new state without changes", async () => {
    const inbox = open(10);
    await inbox.notify("device", ...several(2));
    await inbox.seen("device");
    expect(await inbox.since("device", 1)).toEqual({
      ...{ since: 1, rev: 2, unread: 2, unseen: 0, total: 2 },
      changes: [],
      resync: false,
    });
  });
});

describe("an item beyond INBOX_LIMIT", () => {
  test("cannot be read or deleted and is not counted", async () => {
    const inbox = open(4);
    const ids = await inbox.notify("slack", ...several(5));
    const stored = await inbox.stored("slack");
    expect(stored?.notifications).toHaveLength(5);
    const hidden = ids[0] as string;
    expect(await inbox.get("slack", hidden)).toBeUndefined();
    expect(await inbox.change("slack", hidden, "read")).toBeUndefined();
    expect(await inbox.remove("slack", hidden)).toBeUndefined();
    expect(await inbox.stored("slack")).toEqual(stored);
    expect(await inbox.list("slack")).toMatchObject({ total: 4, unread: 4, rev: 1 });
    expect(await inbox.readAll("slack")).toMatchObject({ changed: 4, unread: 0 });
  });

  test("does not reappear when another item is deleted", async () => {
    const inbox = open(4);
    const ids = await inbox.notify("back", ...several(5));
    expect(await inbox.remove("back", ids[3] as string)).toEqual({ rev: 2, unread: 3, unseen: 3, total: 3 });
    const left = [ids[4], ids[2], ids[1]];
    expect(idsOf((await inbox.list("back")).items)).toEqual(left);
    const [more] = (await inbox.notify("back")) as [string];
    expect(idsOf((await inbox.list("back")).items)).toEqual([more, ...left]);
  });

  test("is ignored by read-all, which changes nothing if nothing else is unread", async () => {
    const inbox = open(4);
    const ids = await inbox.notify("only slack", ...several(5));
    for (const id of ids.slice(1)) await inbox.change("only slack", id, "read");
    const stored = await inbox.stored("only slack");
    expect(await inbox.readAll("only slack")).toEqual({ rev: 5, unread: 0, unseen: 0, total: 4, changed: 0 });
    expect(await inbox.stored("only slack")).toEqual(stored);
  });
});
