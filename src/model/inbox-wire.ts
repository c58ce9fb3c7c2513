import type { InboxChange, InboxChanges, KeptItem, Standing } from "./live.ts";

/** An inbox item in our own API and on our own sockets. Times are ISO 8601. */
export interface WireItem {
  id: string;
  type: string;
  title?: string;
  body?: string;
  target_id?: string;
  data?: Record<string, unknown>;
  created_at: string;
  updated_at: string;
  read: boolean;
  archived: boolean;
  rev: number;
  /** The user's `rev` when it came. Items lie in this order, by `id` where it is equal: a change does not move one. */
  created_rev: number;
}

export type WireChange =
  | { change: "new" | "read" | "unread" | "archived"; rev: number; item: WireItem }
  | { change: "deleted"; rev: number; id: string };

/** What a socket of ours says, as one JSON text each. `state` comes first, `bye` last. */
export type WireMessage =
  | ({ type: "state" } & Standing)
  | ({ type: "changes"; changes: WireChange[] } & Standing)
  /** What happened since is no longer known: read the list anew. */
  | ({ type: "resync" } & Standing)
  /** The server leaves; come back after so many milliseconds, with the last `rev`. */
  | { type: "bye"; retry_ms: number };

export function itemOnWire(item: KeptItem): WireItem {
  const { id, key, title, body, target_id, data, timestamp, changed, is_new, archived, rev, created_rev } =
    item;
  return {
    id,
    type: key,
    ...(title !== undefined && { title }),
    ...(body !== undefined && { body }),
    ...(target_id !== undefined && { target_id }),
    ...(data !== undefined && { data }),
    created_at: new Date(timestamp * 1000).toISOString(),
    updated_at: new Date(changed * 1000).toISOString(),
    read: !is_new,
    archived,
    rev,
    created_rev,
  };
}

export function changesOnWire({ changes, ...view }: InboxChanges): WireMessage {
  return { type: "changes", ...standingOf(view), changes: changes.map(changeOnWire) };
}

export const standingOf = ({ rev, unread, total }: Standing): Standing => ({ rev, unread, total });

function changeOnWire(one: InboxChange): WireChange {
  if (one.change === "deleted") return one;
  return { change: one.change, rev: one.item.rev, item: itemOnWire(one.item) };
}
