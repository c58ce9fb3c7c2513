import type { WireChange } from "../model/inbox-dto.ts";
import type { InboxItem, InboxState } from "./wire.ts";

/** A device's copy of a user's whole inbox, exactly as the service had it at `rev`. */
export interface Replica extends InboxState {
  /** Oldest first. */
  items: readonly InboxItem[];
}

export const emptyReplica: Replica = { rev: 0, unread: 0, unseen: 0, total: 0, items: [] };

/**
 * Applies changes. Those with a `rev` that it already has are ignored, so a list that was read while changes happened can be
 * completed with all changes since the first page.
 */
export function applied(replica: Replica, changes: readonly WireChange[], standing: InboxState): Replica {
  const items = [...replica.items];
  for (const change of changes) {
    if (change.rev <= replica.rev) continue;
    const id = change.change === "deleted" ? change.id : change.item.id;
    const at = items.findIndex((item) => item.id === id);
    // A replaced item has a new place.
    const stays = change.change !== "deleted" && items[at]?.created_rev === change.item.created_rev;
    if (stays) items[at] = change.item;
    else {
      if (at >= 0) items.splice(at, 1);
      if (change.change !== "deleted") insert(items, change.item);
    }
  }
  const { rev, unread, unseen, total, preferences_rev } = standing;
  const state = { rev, unread, unseen, total, ...(preferences_rev !== undefined && { preferences_rev }) };
  // The service drops the oldest items beyond its limit without announcing each.
  return { ...state, items: items.slice(Math.max(0, items.length - total)) };
}

/** Whether the items match the service's counts. */
export const isWhole = ({ items, unread, total }: Replica): boolean =>
  items.length === total && items.filter((item) => !item.read).length === unread;

/** Searches from the end, because a new item is newer than nearly all others. */
function insert(items: InboxItem[], item: InboxItem): void {
  let at = items.length;
  while (at > 0 && isOlder(item, items[at - 1] as InboxItem)) at--;
  items.splice(at, 0, item);
}

const isOlder = (a: InboxItem, b: InboxItem): boolean =>
  a.created_rev < b.created_rev || (a.created_rev === b.created_rev && a.id < b.id);
