import { fromNow, type InboxChange, type InboxChanges, type InboxItem } from "../../src/model/live.ts";

interface Inbox {
  rev: number;
  items: InboxItem[];
  removed: Array<{ id: string; rev: number }>;
  removedBefore: number;
  seenRev: number;
}

/** Of what MongoDB holds as much as the hub sees. Few items and fewer tombstones, so that `resync` is common. */
export function createInboxes(options = { items: 6, tombstones: 3 }) {
  const inboxes = new Map<string, Inbox>();
  /** Where the next inbox of a user that was erased begins. */
  const clocks = new Map<string, number>();
  const of = (user: string): Inbox => {
    const inbox = inboxes.get(user) ?? { rev: 0, items: [], removed: [], removedBefore: 0, seenRev: 0 };
    inboxes.set(user, inbox);
    return inbox;
  };
  const nextRev = (user: string, inbox: Inbox): number => {
    if (inbox.rev === 0) inbox.rev = inbox.removedBefore = clocks.get(user) ?? 0;
    return ++inbox.rev;
  };
  let ids = 0;
  return {
    /** From an older system: no change of ours. */
    inherit(user: string): void {
      const item = { id: `old ${ids++}`, timestamp: 1, is_new: true, user_id: user, key: "k" };
      of(user).items.push({ ...item, rev: 0, created_rev: 0, archived: false, changed: 1 });
    },
    add(user: string, body?: string): void {
      const inbox = of(user);
      const rev = nextRev(user, inbox);
      const item = {
        id: String(ids++).padStart(8, "0"),
        timestamp: 1,
        is_new: true,
        user_id: user,
        key: "k",
        ...(body !== undefined && { body }),
      };
      inbox.items.push({ ...item, rev, created_rev: rev, archived: false, changed: rev });
      inbox.items = inbox.items.slice(-options.items);
    },
    change(user: string, nth: number, what: "read" | "unread" | "archive"): void {
      const inbox = of(user);
      const old = inbox.items[nth % (inbox.items.length || 1)];
      if (!old) return;
      const rev = nextRev(user, inbox);
      const item = { ...old, rev, changed: rev, is_new: what === "unread", archived: what === "archive" };
      inbox.items = inbox.items.map((one) => (one === old ? item : one));
    },
    remove(user: string, nth: number): void {
      const inbox = of(user);
      const [gone] = inbox.items.splice(nth % (inbox.items.length || 1), 1);
      if (!gone) return;
      inbox.removed.push({ id: gone.id, rev: nextRev(user, inbox) });
      const forgotten = inbox.removed.splice(0, inbox.removed.length - options.tombstones);
      inbox.removedBefore = forgotten.at(-1)?.rev ?? inbox.removedBefore;
    },
    see(user: string): void {
      const inbox = of(user);
      const rev = inbox.rev;
      if (unseenIn(inbox) > 0) nextRev(user, inbox);
      inbox.seenRev = rev;
    },
    revs: async (users: string[]): Promise<number[]> => users.map((user) => of(user).rev),
    erase(user: string): void {
      inboxes.delete(user);
      clocks.set(user, (clocks.get(user) ?? 0) + 1_000);
    },
    list(user: string): { rev: number; unseen: number; items: InboxItem[] } {
      const { rev, items } = of(user);
      return { rev, unseen: unseenIn(of(user)), items: [...items] };
    },
    changesSince({ user, since }: { user: string; since: number }): InboxChanges {
      const { rev, items, removed, removedBefore } = of(user);
      const unread = items.filter((one) => one.is_new).length;
      const view = { rev, unread, unseen: unseenIn(of(user)), total: items.length, since };
      const isLost = since > 0 ? since > rev || since < removedBefore : removed.length >= options.tombstones;
      if (since !== fromNow && isLost) return { ...view, changes: [], resync: true };
      const changes: InboxChange[] = [
        ...removed.map((one) => ({ change: "deleted" as const, ...one })),
        ...items.map((item): InboxChange => {
          const state = item.archived ? "archived" : item.is_new ? "unread" : "read";
          return { change: item.created_rev > since ? "new" : state, item };
        }),
      ];
      const newer = changes.filter((one) => revOf(one) > since).sort((a, b) => revOf(a) - revOf(b));
      return { ...view, changes: newer, resync: false };
    },
  };
}

export type Inboxes = ReturnType<typeof createInboxes>;

const unseenIn = ({ items, seenRev }: Inbox) =>
  items.filter((one) => one.is_new && !one.archived && one.created_rev > seenRev).length;

const revOf = (one: InboxChange) => (one.change === "deleted" ? one.rev : one.item.rev);
