import type { InboxItem } from "../../src/client/index.ts";

/** What a user can do with one item. `readAll` reads all that came or changed up to a `rev`, `seen` sees what came. */
export type Change = "read" | "unread" | "archive" | "unarchive" | "remove";
export type Doing =
  | { change: Change; id: string }
  | { change: "readAll"; upTo: number }
  | { change: "seen"; upTo: number };

const outcomes: Record<Exclude<Change, "remove">, Partial<InboxItem>> = {
  read: { read: true },
  unread: { read: false, archived: false },
  archive: { read: true, archived: true },
  unarchive: { archived: false },
};

/** The items as they will be: an action shows at once, however slowly the service answers. */
export function after(items: readonly InboxItem[], doing: Doing): readonly InboxItem[] {
  if (doing.change === "seen") return items;
  if (doing.change === "readAll")
    return items.map((one) => (one.rev <= doing.upTo ? { ...one, read: true } : one));
  const { change, id } = doing;
  if (change === "remove") return items.filter((one) => one.id !== id);
  return items.map((one) => (one.id === id ? { ...one, ...outcomes[change] } : one));
}
