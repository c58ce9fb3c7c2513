import { expect, test } from "vitest";
import { applied, isWhole, type Replica } from "../src/client/replica.ts";
import type { InboxItemDto, WireChange } from "../src/model/inbox-dto.ts";

const item = (id: string, created_rev: number, rev = created_rev, read = false): InboxItemDto => ({
  id,
  type: "new_message",
  created_at: "2026-01-31T12:00:00.000Z",
  updated_at: "2026-01-31T12:00:00.000Z",
  read,
  archived: false,
  rev,
  created_rev,
});
const came = (one: InboxItemDto): WireChange => ({ change: "new", rev: one.rev, item: one });
const inbox = (rev: number, ...items: InboxItemDto[]): Replica => ({
  rev,
  unread: items.filter((one) => !one.read).length,
  unseen: items.filter((one) => !one.read).length,
  total: items.length,
  items,
});
const idsOf = ({ items }: Replica) => items.map((one) => one.id).join("");

test("sorts changed items by when they were added", () => {
  const { items, ...standing } = inbox(4, item("a", 1), item("b", 2, 4, true), item("c", 3));
  const now = applied(inbox(1, item("a", 1)), [came(item("c", 3)), came(item("b", 2, 4, true))], standing);
  expect(now).toEqual({ ...standing, items });
  // Of one commit: by id.
  const pair = [came(item("c", 2)), came(item("b", 2))];
  expect(idsOf(applied(inbox(1, item("a", 1)), pair, { rev: 2, unread: 3, unseen: 3, total: 3 }))).toBe(
    "abc",
  );
});

test("a change keeps the item's place, and a deletion removes it", () => {
  const before = inbox(3, item("a", 1), item("b", 2), item("c", 3));
  const changes: WireChange[] = [
    { change: "read", rev: 4, item: item("b", 2, 4, true) },
    { change: "deleted", rev: 5, id: "a" },
    { change: "deleted", rev: 6, id: "never seen" },
  ];
  const now = applied(before, changes, { rev: 6, unread: 1, unseen: 1, total: 2 });
  expect(now.items).toEqual([item("b", 2, 4, true), item("c", 3)]);
  expect(isWhole(now)).toBe(true);
});

test("drops the oldest items beyond the total", () => {
  const before = inbox(3, item("a", 1), item("b", 2), item("c", 3));
  const now = applied(before, [came(item("d", 4)), came(item("e", 5))], {
    rev: 5,
    unread: 3,
    unseen: 3,
    total: 3,
  });
  expect(idsOf(now)).toBe("cde");
  expect(idsOf(applied(before, [], { rev: 4, unread: 0, unseen: 0, total: 0 }))).toBe("");
});

test("takes the counts of a state without changes", () => {
  const before = inbox(3, item("a", 1), item("b", 2));
  const now = applied(before, [], { rev: 4, unread: 2, unseen: 0, total: 2 });
  expect(now).toEqual({ ...before, rev: 4, unseen: 0 });
  expect(isWhole(now)).toBe(true);
});

test("ignores changes that the list already has, so a deleted item does not return", () => {
  const before = inbox(9, item("a", 1));
  const changes: WireChange[] = [came(item("b", 8)), came(item("c", 10))];
  expect(idsOf(applied(before, changes, { rev: 10, unread: 2, unseen: 2, total: 2 }))).toBe("ac");
});

test("isWhole is false when the counts differ from the service's", () => {
  expect(isWhole(inbox(1, item("a", 1)))).toBe(true);
  expect(isWhole({ ...inbox(1, item("a", 1)), total: 2 })).toBe(false);
  expect(isWhole({ ...inbox(1, item("a", 1)), unread: 0 })).toBe(false);
});
