import type { StoredInboxItem } from "./notification.ts";

/** An inbox item as its owner's devices need it. */
export interface InboxItem extends StoredInboxItem {
  /** The user's `rev` at its last change. */
  rev: number;
  /** The user's `rev` when it came; items are kept in this order, and by id where it is equal. */
  created_rev: number;
  /** Put away: read, and no longer in the list unless asked for. */
  archived: boolean;
  /** Unix seconds of its last change. */
  changed: number;
}

/** Where an inbox stands. */
export interface InboxState {
  /** Begins at the clock (Unix milliseconds), then grows by one with each change of the inbox; 0 before the first. */
  rev: number;
  unread: number;
  /** Unread items that were added since the list was last open: the newest of them. Archived items are read. */
  unseen: number;
  /** All that are kept, the archived ones too. */
  total: number;
  /** The `rev` at which the user's preferences last changed; absent before. */
  preferences_rev?: number;
}

/** The change of one item: `new` when it came since, else its state now. */
export type InboxChange =
  | { change: "new" | "read" | "unread" | "archived"; item: InboxItem }
  | { change: "deleted"; id: string; rev: number };

export function changeSince(since: number, item: InboxItem): InboxChange {
  const { created_rev, archived, is_new } = item;
  return { change: created_rev > since ? "new" : archived ? "archived" : is_new ? "unread" : "read", item };
}

/**
 * All that differs from what a device knew at `since`, in one consistent view: applying `changes` and dropping its oldest
 * items beyond `total` gives exactly the inbox at `rev`.
 */
export interface InboxChanges extends InboxState {
  /** The items that the query named. */
  since: number;
  /** Ordered by `rev`, then as the inbox is. */
  changes: InboxChange[];
  /** True when the document cannot tell what happened since; then `changes` is empty and the list must be read anew. */
  resync: boolean;
}

/** The `since` of a device that knows nothing and wants to know what happens from now on. */
export const fromNow = Number.MAX_SAFE_INTEGER;
/** That of one that knows nothing and wants everything; 0 is that of one that has seen an inbox before its first change. */
export const fromNothing = -1;

/** A query for items of an inbox, newest first. `after`: only items older than that place. */
export interface InboxQuery {
  user: string;
  limit: number;
  skip: number;
  after?: { created_rev: number; id: string };
  unread?: boolean;
  /** Absent: both. */
  archived?: boolean;
  type?: string;
  targetId?: string;
}

export interface InboxListing extends InboxState {
  items: InboxItem[];
  /** Where the next page begins; absent on the last one. */
  next?: { created_rev: number; id: string };
}

/** A user's change of one item. Archiving reads it too, and `unread` brings it back from the archive. */
export type ItemChange = "read" | "unread" | "archive" | "unarchive";
