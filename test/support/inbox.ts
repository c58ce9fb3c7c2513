import type { Db } from "mongodb";
import { expect } from "vitest";
import {
  fromNow,
  type InboxChanges,
  type InboxItem,
  type InboxQuery,
  type InboxState,
  type ItemChange,
} from "../../src/model/live.ts";
import { createAppender } from "../../src/store/append.ts";
import { storedUserId } from "../../src/store/ids.ts";
import { createInboxReader, usersOf } from "../../src/store/inbox.ts";
import { createChangesReader } from "../../src/store/inbox-changes.ts";
import { createInboxWriter } from "../../src/store/inbox-writes.ts";
import { createUserWrites } from "../../src/store/user-writes.ts";

export interface Content {
  id: string;
  key?: string;
  target_id?: string;
  data?: Record<string, unknown>;
}

/** Unix seconds of everything that `openInboxes` stores. */
export const storedAt = 1_700_000_000;

const place = (text: string) => text.padStart(24, "0");
let made = 0;
/** Ids that sort as they were made. */
export const nextId = (): string => place((++made).toString(16));

/** So many in one commit. */
export const several = (count: number): Content[] => Array.from({ length: count }, () => ({ id: nextId() }));

export const idsOf = (items: Array<{ id: string }>): string[] => items.map((one) => one.id);

/** Every `rev` in it counted from where the inbox began, so that its first change is 1. */
export function counted<Value>(value: Value, began: number): Value {
  const inside = (one: unknown, name = ""): unknown => {
    if (Array.isArray(one)) return one.map((each) => inside(each));
    if (one?.constructor === Object)
      return Object.fromEntries(Object.entries(one).map(([key, each]) => [key, inside(each, key)]));
    const isRev = typeof one === "number" && ["rev", "created_rev", "seen_rev", "since"].includes(name);
    return isRev && one > began && one !== fromNow ? one - began : one;
  };
  return inside(value) as Value;
}

/** The store's inboxes, filled by the store's own appender. A `rev` counts from where the inbox began, everywhere. */
export function openInboxes(db: Db, inboxLimit: number) {
  const now = () => storedAt * 1000 + 999;
  const appender = createAppender({ db, inboxLimit, newUser: {}, now, patienceMs: 8_000 });
  const reader = createInboxReader(db, inboxLimit);
  const writer = createInboxWriter(db, inboxLimit, now, createUserWrites(db, true));
  const changesSince = createChangesReader(db, inboxLimit);
  const look = (user: string) => usersOf(db).findOne({ _id: storedUserId(user) });
  /** 0 for an inbox that has not begun, and for one whose `rev` was there before. */
  const beginning = new Map<string, number>();
  async function began(user: string): Promise<number> {
    const { rev = 0, removedBefore = 0 } = (await look(user)) ?? {};
    if (rev > 1e12) beginning.set(user, beginning.get(user) ?? removedBefore);
    return beginning.get(user) ?? 0;
  }
  const told = async <Answer>(user: string, answer: Promise<Answer>): Promise<Answer> => {
    const settled = await answer;
    return settled && counted(settled, await began(user));
  };
  const asked = async (user: string, rev: number) =>
    rev > 0 && rev < fromNow ? rev + (await began(user)) : rev;
  async function openly(requests: Parameters<typeof changesSince>[0]) {
    const exactly = await Promise.all(
      requests.map(async ({ user, since }) => ({ user, since: await asked(user, since) })),
    );
    const views = await changesSince(exactly);
    return Promise.all(requests.map(({ user }, at) => told(user, Promise.resolve(views[at]))));
  }
  return {
    ...reader,
    changesSince: openly,
    read: async ({ after, ...query }: InboxQuery) => {
      const place = after && { ...after, created_rev: await asked(query.user, after.created_rev) };
      return told(query.user, reader.read({ ...query, ...(place && { after: place }) }));
    },
    get: (user: string, id: string) => told(user, reader.get(user, id)),
    change: (user: string, id: string, change: ItemChange) => told(user, writer.change(user, id, change)),
    remove: (user: string, id: string) => told(user, writer.remove(user, id)),
    readAll: async (user: string, upTo = fromNow) =>
      told(user, writer.readAll(user, await asked(user, upTo))),
    seen: async (user: string, upTo = fromNow) => told(user, writer.seen(user, await asked(user, upTo))),
    /** One commit, whatever it holds. Answers the ids. */
    async notify(user: string, ...contents: Content[]): Promise<string[]> {
      const given = contents.length > 0 ? contents : [{ id: nextId() }];
      const failures = await appender.alone(
        given.map((one) => ({
          id: one.id,
          user,
          item: { key: "new_message", ...one, timestamp: storedAt, is_new: true, user_id: user },
          deliveries: [],
        })),
      );
      expect(failures.filter(Boolean)).toEqual([]);
      return given.map((one) => one.id);
    },
    list: (user: string) => told(user, reader.read({ user, skip: 0, limit: 1_000 })),
    async since(user: string, since: number): Promise<InboxChanges> {
      const [changes] = await openly([{ user, since }]);
      return changes as InboxChanges;
    },
    stored: (user: string) => told(user, look(user)),
    began,
  };
}

/** What an inbox must be, told without a database. Items lie newest first, as they are listed. */
export function modelInbox(user: string, limit: number) {
  let rev = 0;
  let seenRev = 0;
  let items: InboxItem[] = [];

  const standing = (): InboxState => ({
    rev,
    unread: items.filter((one) => one.is_new).length,
    unseen: items.filter((one) => one.is_new && !one.archived && one.created_rev > seenRev).length,
    total: items.length,
  });
  /** Gives the item a new state; the same state changes nothing. */
  function put(item: InboxItem, state: Partial<InboxItem>, at: number): boolean {
    if (Object.entries(state).every(([key, value]) => item[key as keyof InboxItem] === value)) return false;
    rev = at;
    items = items.map((one) => (one === item ? { ...item, ...state, rev: at } : one));
    return true;
  }

  return {
    standing,
    items: () => items,
    notify(ids: string[]): void {
      rev++;
      for (const id of ids.toSorted())
        items.unshift({
          id,
          key: "new_message",
          timestamp: storedAt,
          changed: storedAt,
          is_new: true,
          archived: false,
          user_id: user,
          rev,
          created_rev: rev,
        });
      items = items.slice(0, limit);
    },
    change(id: string, change: ItemChange): (InboxState & { item: InboxItem; changed: number }) | undefined {
      const found = items.find((one) => one.id === id);
      if (!found) return undefined;
      const states: Record<ItemChange, Partial<InboxItem>> = {
        read: { is_new: false },
        unread: { is_new: true, archived: false },
        archive: { is_new: false, archived: true },
        unarchive: { archived: false },
      };
      const changed = put(found, states[change], rev + 1) ? 1 : 0;
      return { ...standing(), changed, item: items.find((one) => one.id === id) as InboxItem };
    },
    remove(id: string): InboxState | undefined {
      if (!items.some((one) => one.id === id)) return undefined;
      rev++;
      items = items.filter((one) => one.id !== id);
      return standing();
    },
    readAll(upTo: number): InboxState & { changed: number } {
      const at = rev + 1;
      const unread = items.filter((one) => one.is_new && one.rev <= upTo);
      for (const one of unread) put(one, { is_new: false }, at);
      return { ...standing(), changed: unread.length };
    },
    seen(upTo: number): InboxState {
      const { unseen } = standing();
      seenRev = Math.max(seenRev, Math.min(upTo, rev));
      if (standing().unseen !== unseen) rev++;
      return standing();
    },
  };
}

/** What a device shows after `changes`; it knows the order of items and how many there are, nothing else. */
export function applied(shown: InboxItem[], { changes, total }: InboxChanges): InboxItem[] {
  const byId = new Map(shown.map((one) => [one.id, one]));
  for (const one of changes) {
    if (one.change === "deleted") byId.delete(one.id);
    else byId.set(one.item.id, one.item);
  }
  return [...byId.values()]
    .sort((a, b) => b.created_rev - a.created_rev || (a.id < b.id ? 1 : -1))
    .slice(0, total);
}
