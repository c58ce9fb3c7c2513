import type { InboxItem } from "../../src/client/index.ts";

/** A row of the list: an item, or neighbouring items of one group. */
export interface Entry {
  id: string;
  /** Of a group: its newest. */
  item: InboxItem;
  /** The items of a group, newest first. */
  group?: readonly InboxItem[];
  /** It is shown below its group's row. */
  isMember?: true;
}

/** The rows of a list. The items of an open group follow its row. */
export function folded(items: readonly InboxItem[], isOpen: (id: string) => boolean): readonly Entry[] {
  const entries: Entry[] = [];
  for (let at = 0; at < items.length; ) {
    const item = items[at] as InboxItem;
    const start = at++;
    if (item.group !== undefined) while (items[at]?.group === item.group) at++;
    const group = items.slice(start, at);
    if (group.length === 1) entries.push({ id: item.id, item });
    else {
      // New items come before it, so the row keeps its id.
      const id = `group-${group.at(-1)?.id}`;
      entries.push({ id, item, group });
      if (isOpen(id)) for (const one of group) entries.push({ id: one.id, item: one, isMember: true });
    }
  }
  return entries;
}

/** Those who caused the items, each once, the newest first. */
export const actorsOf = (group: readonly InboxItem[]): string[] => [
  ...new Set(group.flatMap(({ actor }) => actor?.trim() || [])),
];
