import { createBatcher } from "../lib/batcher.ts";
import { BelfryError } from "../model/errors.ts";
import type { InboxListing, InboxQuery, ItemChange, KeptItem, Standing } from "../model/live.ts";
import type { InboxPage, InboxView } from "../model/notification.ts";

export interface Inbox {
  /** A user that does not exist has an empty inbox. */
  list(page: InboxPage): Promise<InboxView>;
  /** Rejects with `not_found` when the user has no such notification. Reading twice is fine. */
  markRead(user: string, id: string): Promise<void>;
}

/**
 * The inbox for devices and our own API. Each result has the `rev` and counts after the call. An unknown item rejects
 * with `not_found`. Repeating a change has no effect, not even on `rev`.
 */
export interface LiveInbox {
  read(query: InboxQuery): Promise<InboxListing>;
  get(user: string, id: string): Promise<Standing & { item: KeptItem }>;
  change(user: string, id: string, change: ItemChange): Promise<Standing & { item: KeptItem }>;
  remove(user: string, id: string): Promise<Standing>;
  /** Marks items that last changed at `upTo` or before as read, by default all; `changed`: how many. */
  readAll(user: string, upTo?: number): Promise<Standing & { changed: number }>;
}

/** Calls `touch` with the user after each change. */
export function createLiveInbox(
  store: Pick<LiveInbox, "read" | "readAll"> & {
    get(user: string, id: string): Promise<(Standing & { item: KeptItem }) | undefined>;
    /** `changed`: how many items. */
    change(
      user: string,
      id: string,
      change: ItemChange,
    ): Promise<(Standing & { item: KeptItem; changed: number }) | undefined>;
    remove(user: string, id: string): Promise<Standing | undefined>;
  },
  touch: (users: string[]) => void,
): LiveInbox {
  return {
    read: store.read,
    async get(user, id) {
      return (await store.get(user, id)) ?? unknown(user, id);
    },
    async change(user, id, change) {
      const { changed, ...result } = (await store.change(user, id, change)) ?? unknown(user, id);
      if (changed > 0) touch([user]);
      return result;
    },
    async remove(user, id) {
      const standing = (await store.remove(user, id)) ?? unknown(user, id);
      touch([user]);
      return standing;
    },
    async readAll(user, upTo) {
      const result = await store.readAll(user, upTo);
      if (result.changed > 0) touch([user]);
      return result;
    },
  };
}

/** Pages asked for at the same time share a round trip, as commits do; each query starts after its requests came. */
export function createInbox(
  store: { pages(requests: InboxPage[]): Promise<InboxView[]> },
  live: Pick<LiveInbox, "change">,
  maxWaiting: number,
): Inbox {
  const pages = createBatcher<InboxPage, InboxView>({
    run: (requests) => store.pages(requests),
    maxItems: 100,
    maxWaiting,
    whenFull: () => new BelfryError("overloaded"),
    inFlight: 2,
  });
  return {
    list: (page) => pages.submit(page),
    markRead: async (user, id) => void (await live.change(user, id, "read")),
  };
}

function unknown(user: string, id: string): never {
  throw new BelfryError("not_found", `The user ${user} has no notification ${id}.`);
}
