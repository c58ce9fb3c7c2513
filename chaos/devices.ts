import { setTimeout as pause } from "node:timers/promises";
import type { InboxItemDto, WireMessage } from "../src/model/inbox-dto.ts";
import { type Connection, type TransportName, transports } from "./device-transports.ts";

/*
 * Devices as docs/live.md tells one to write them, with nothing of Belfry's own client: each keeps its copy of an inbox by
 * what it is told alone, and notices what it should not have been told.
 */

export interface Inbox {
  rev: number;
  unread: number;
  unseen: number;
  total: number;
  /** Newest first, the archived ones too. */
  items: InboxItemDto[];
}

export interface Device {
  user: string;
  transport: TransportName;
  /** What it shows; nothing before it has read its list. */
  inbox(): Inbox | undefined;
  /** Whether it has been told where the inbox stands, on the connection that it has now. */
  readonly listens: boolean;
  /** Destroys its socket without a word, and comes back; `twice`: the next one, too, as soon as anything is heard. */
  drop(twice?: boolean): void;
  /** Away without a word, until `comeBack`. */
  leave(): void;
  comeBack(): void;
  close(): void;
  readonly counts: { drops: number; messages: number; resyncs: number };
  /** Changes that it was not told: its items do not give the counts that came with them. Or told twice, or in no order. */
  problems: string[];
}

const pageSize = 25;
/** How long a device waits before it comes back. */
const awayMs = 300;

/** `urls`: where the service can be reached now; each connection goes to any of them. */
export function openDevice(user: string, transport: TransportName, urls: () => string[]): Device {
  const items = new Map<string, InboxItemDto>();
  const counts = { drops: 0, messages: 0, resyncs: 0 };
  const problems: string[] = [];
  let standing: Omit<Inbox, "items"> | undefined;
  let loaded = 0;
  let lastEventId: string | undefined;
  let current: Connection | undefined;
  let listens = false;
  let fragile = false;
  let away = false;
  let closed = false;

  async function live(): Promise<void> {
    while (!closed) {
      const url = oneOf(urls());
      if (url !== undefined && !away)
        await connect(url).catch(() => {
          // It, or its database, is away: another time, perhaps another one.
        });
      await pause(Math.random() * awayMs);
    }
  }

  async function connect(url: string): Promise<void> {
    if (!standing) {
      const { items: all, ...read } = await readInbox(url, user);
      items.clear();
      for (const item of all) items.set(item.id, item);
      standing = read;
      loaded = read.rev;
      lastEventId = undefined;
    }
    if (away || closed) return;
    const { rev } = standing;
    const connection = transports[transport]({
      url,
      user,
      rev,
      loaded,
      lastEventId,
      hear(message, id) {
        // What was on its way when the socket was destroyed is lost.
        if (current !== connection) return;
        if (id !== undefined) lastEventId = id;
        hear(message);
      },
    });
    current = connection;
    await connection.ended;
    if (current === connection) cut();
  }

  function cut(): void {
    const connection = current;
    current = undefined;
    listens = false;
    connection?.drop();
  }

  function drop(twice = false): void {
    counts.drops++;
    fragile = twice;
    cut();
  }

  function hear(message: WireMessage): void {
    counts.messages++;
    if (message.type === "state") {
      listens = true;
      if (fragile) drop();
      else if (message.rev === standing?.rev) compare(message);
    } else if (message.type === "changes") {
      take(message);
    } else if (message.type === "resync") {
      counts.resyncs++;
      standing = undefined;
      cut();
    }
  }

  function take(message: Changes): void {
    const { changes, rev, unread, unseen, total } = message;
    let last = standing?.rev ?? 0;
    if (rev <= last) problems.push(`is at rev ${last} and was told rev ${rev}`);
    for (const one of changes) {
      if (one.rev < last || one.rev === standing?.rev || one.rev > rev)
        problems.push(`was told rev ${one.rev} after ${last}, on its way to ${rev}`);
      last = one.rev;
    }
    apply(message, items);
    standing = { rev, unread, unseen, total };
    compare(standing);
  }

  function compare({ rev, unread, total }: Omit<Inbox, "items">): void {
    const shown = [...items.values()];
    const shownUnread = shown.filter((one) => !one.read).length;
    if (shown.length !== total || shownUnread !== unread)
      problems.push(
        `shows ${shown.length}, ${shownUnread} unread; at rev ${rev} there are ${total}, ${unread} unread`,
      );
  }

  void live();
  return {
    user,
    transport,
    counts,
    problems,
    inbox: () => standing && { ...standing, items: newestFirst(items) },
    get listens() {
      return listens;
    },
    drop,
    leave() {
      away = true;
      drop();
    },
    comeBack() {
      away = false;
    },
    close() {
      closed = true;
      cut();
    },
  };
}

export type Changes = WireMessage & { type: "changes" };

export function apply({ changes, total }: Changes, items: Map<string, InboxItemDto>): void {
  for (const one of changes) {
    if (one.change === "deleted") items.delete(one.id);
    else items.set(one.item.id, one.item);
  }
  for (const { id } of newestFirst(items).slice(total)) items.delete(id);
}

export const newestFirst = (items: Map<string, InboxItemDto>): InboxItemDto[] =>
  [...items.values()].sort((a, b) => b.created_rev - a.created_rev || (a.id < b.id ? 1 : -1));

const oneOf = <T>(all: T[]): T | undefined => all[Math.floor(Math.random() * all.length)];

/** All pages; what changes meanwhile is told from the first one's `rev` on. */
export async function readInbox(url: string, user: string): Promise<Inbox> {
  const page = async (more = "") => {
    const path = `/v1/users/${user}/inbox?archived=any&limit=${pageSize}${more}`;
    const answer = await fetch(url + path, { signal: AbortSignal.timeout(10_000) });
    if (!answer.ok) throw new Error(`the inbox: ${answer.status}`);
    return (await answer.json()) as Inbox & { next_cursor?: string };
  };
  const { next_cursor, ...inbox } = await page();
  for (let next = next_cursor; next !== undefined; ) {
    const more = await page(`&cursor=${encodeURIComponent(next)}`);
    inbox.items.push(...more.items);
    next = more.next_cursor;
  }
  return inbox;
}
