import { type Static, Type } from "typebox";
import type { InboxChange, InboxChanges, InboxItem, InboxState } from "./live.ts";
import { Time } from "./schema.ts";

/** The `rev` and counts of an inbox, in every response. */
export const inboxState = {
  rev: Type.Integer({
    description:
      "The revision of the inbox. 0 before the first change, which sets it from the clock; each later change adds one.",
  }),
  unread: Type.Integer({ description: "Unread items." }),
  unseen: Type.Integer({
    description: "Unread items that were added since the inbox was last marked as seen.",
  }),
  total: Type.Integer({ description: "All items, including archived ones." }),
  preferences_rev: Type.Optional(
    Type.Integer({ description: "The `rev` at which the user's preferences last changed; absent before." }),
  ),
};

/** An inbox item in our own API and on our own sockets. */
export const InboxItemDto = Type.Object(
  {
    id: Type.String(),
    type: Type.String(),
    title: Type.Optional(Type.String()),
    body: Type.Optional(Type.String()),
    target_id: Type.Optional(Type.String()),
    topic: Type.Optional(Type.String()),
    data: Type.Optional(
      Type.Unsafe<Record<string, unknown>>(Type.Object({}, { additionalProperties: true })),
    ),
    group: Type.Optional(
      Type.String({ description: "Items with the same value belong together: the type's `group.by`." }),
    ),
    actor: Type.Optional(Type.String({ description: "Who caused it: the type's `group.actor`." })),
    created_at: Time(),
    updated_at: Time(),
    read: Type.Boolean(),
    archived: Type.Boolean(),
    rev: Type.Integer({ description: "The inbox's `rev` when the item last changed." }),
    created_rev: Type.Integer({
      description:
        "The inbox's `rev` when the item was added or last replaced. Lists are sorted by it, newest first.",
    }),
  },
  { title: "InboxItem" },
);
export type InboxItemDto = Static<typeof InboxItemDto>;

export type WireChange =
  | { change: "new" | "read" | "unread" | "archived"; rev: number; item: InboxItemDto }
  | { change: "deleted"; rev: number; id: string };

/** The messages of our sockets, one JSON text each. `state` comes first, `bye` last. */
export type WireMessage =
  | ({ type: "state" } & InboxState)
  | ({ type: "changes"; changes: WireChange[] } & InboxState)
  /** The changes since then are no longer known: read the list again. */
  | ({ type: "resync" } & InboxState)
  /** The server leaves; come back after so many milliseconds, with the last `rev`. */
  | { type: "bye"; retry_ms: number };

export function inboxItemDto(item: InboxItem): InboxItemDto {
  const { id, key, title, body, target_id, topic, data, group, actor } = item;
  const { timestamp, changed, is_new, archived, rev, created_rev } = item;
  return {
    id,
    type: key,
    ...(title !== undefined && { title }),
    ...(body !== undefined && { body }),
    ...(target_id !== undefined && { target_id }),
    ...(topic !== undefined && { topic }),
    ...(data !== undefined && { data }),
    // An older system may have stored something else under these names.
    ...(typeof group === "string" && { group }),
    ...(typeof actor === "string" && { actor }),
    created_at: new Date(timestamp * 1000).toISOString(),
    updated_at: new Date(changed * 1000).toISOString(),
    read: !is_new,
    archived,
    rev,
    created_rev,
  };
}

export function changesOnWire({ changes, ...view }: InboxChanges): WireMessage {
  return { type: "changes", ...stateOf(view), changes: changes.map(changeOnWire) };
}

export const stateOf = ({ rev, unread, unseen, total, preferences_rev }: InboxState): InboxState => ({
  rev,
  unread,
  unseen,
  total,
  ...(preferences_rev !== undefined && { preferences_rev }),
});

function changeOnWire(one: InboxChange): WireChange {
  if (one.change === "deleted") return one;
  return { change: one.change, rev: one.item.rev, item: inboxItemDto(one.item) };
}
