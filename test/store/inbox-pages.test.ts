import { expect, test } from "vitest";
import type { InboxItem, InboxQuery } from "../../src/model/live.ts";
import { freshDatabase } from "../support/database.ts";
import { idsOf, openInboxes, several, storedAt } from "../support/inbox.ts";

const { db } = freshDatabase();
const open = (limit: number) => openInboxes(db, limit);
const users = db.collection<{ _id: string; [field: string]: unknown }>("users");

/** All pages, one after the other. */
async function walk(inbox: ReturnType<typeof open>, query: Omit<InboxQuery, "skip" | "after">) {
  const found: InboxItem[] = [];
  let after: InboxQuery["after"];
  for (let page = 0; ; page++) {
    expect(page).toBeLessThan(50);
    const { items, next } = await inbox.read({ ...query, skip: 0, ...(after && { after }) });
    found.push(...items);
    if (!next) return found;
    expect(items).toHaveLength(query.limit);
    after = next;
  }
}

test("pages together equal the list, for every filter and page size, also within one large commit", async () => {
  const inbox = open(50);
  const target = (n: number) => ({ ...(n % 3 === 0 && { target_id: "a".repeat(24) }) });
  for (const count of [1, 7, 2, 9])
    await inbox.notify(
      "paged",
      ...several(count).map((one, n) => ({ ...one, key: n % 2 ? "odd" : "even", ...target(n) })),
    );
  const all = (await inbox.list("paged")).items;
  for (const [n, { id }] of all.entries()) {
    if (n % 4 === 1) await inbox.change("paged", id, "read");
    if (n % 5 === 2) await inbox.change("paged", id, "archive");
  }
  const listed = (await inbox.list("paged")).items;
  expect(idsOf(listed)).toEqual(idsOf(all));
  const filters: Array<[Partial<InboxQuery>, (item: InboxItem) => boolean]> = [
    [{}, () => true],
    [{ unread: true }, (one) => one.is_new],
    [{ unread: false }, (one) => !one.is_new],
    [{ archived: true }, (one) => one.archived],
    [{ archived: false }, (one) => !one.archived],
    [{ type: "odd" }, (one) => one.key === "odd"],
    [{ targetId: "a".repeat(24) }, (one) => one.target_id === "a".repeat(24)],
    [
      { unread: false, archived: false, type: "even" },
      (one) => !one.is_new && !one.archived && one.key === "even",
    ],
    [{ type: "none" }, () => false],
  ];
  for (const [filter, matches] of filters)
    for (const limit of [1, 2, 3, 5, 19, 50]) {
      const found = await walk(inbox, { user: "paged", limit, ...filter });
      expect(found, JSON.stringify({ filter, limit })).toEqual(listed.filter(matches));
    }
  expect(await inbox.read({ user: "paged", skip: 3, limit: 4 })).toMatchObject({
    total: 19,
    items: listed.slice(3, 7),
  });
  expect(await inbox.read({ user: "paged", skip: 19, limit: 4 })).not.toHaveProperty("next");
  expect((await inbox.read({ user: "paged", skip: 1_000_000_000_000, limit: 1 })).items).toEqual([]);
  const { items, ...counts } = await inbox.read({ user: "paged", skip: 0, limit: 0 });
  expect([items, Object.keys(counts).sort()]).toEqual([[], ["rev", "total", "unread", "unseen"]]);
});

test("a page continues after the last item, even if it was deleted or changed and others arrived", async () => {
  const inbox = open(50);
  const ids = await inbox.notify("moving", ...several(6));
  const first = await inbox.read({ user: "moving", skip: 0, limit: 2 });
  const after = first.next as NonNullable<InboxQuery["after"]>;
  expect(after.id).toBe(ids[4]);
  await inbox.notify("moving", ...several(3));
  await inbox.change("moving", after.id, "read");
  const rest = async () => idsOf((await inbox.read({ user: "moving", skip: 0, limit: 9, after })).items);
  expect(await rest()).toEqual([ids[3], ids[2], ids[1], ids[0]]);
  await inbox.remove("moving", after.id);
  expect(await rest()).toEqual([ids[3], ids[2], ids[1], ids[0]]);
  await inbox.remove("moving", ids[2] as string);
  expect(await rest()).toEqual([ids[3], ids[1], ids[0]]);
  // A position of another user, or one that never existed.
  expect(
    await inbox.read({ user: "moving", skip: 0, limit: 9, after: { created_rev: 0, id: "" } }),
  ).toMatchObject({
    items: [],
    total: 7,
  });
});

test("pages show each item of an older system's array once, although its ids are unordered", async () => {
  const inbox = open(50);
  const ids = ["m", "b", "z", "a", "q", "c"];
  await users.insertOne({
    _id: "older",
    notifications: ids.map((id) => ({ id, timestamp: storedAt, is_new: true, user_id: "older", key: "old" })),
  });
  for (const limit of [1, 2, 4])
    expect(idsOf(await walk(inbox, { user: "older", limit }))).toEqual(ids.toReversed());
});
