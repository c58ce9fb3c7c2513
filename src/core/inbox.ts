import { createBatcher } from "../lib/batcher.ts";
import { BelfryError } from "../model/errors.ts";
import type { ItemChange } from "../model/live.ts";
import type { InboxPage, InboxView } from "../model/notification.ts";
import type { Store } from "../store/index.ts";

/**
 * The inbox for all callers. Results have the `rev` and counts after the call. An unknown item rejects with
 * `not_found`. A user who does not exist has an empty inbox. Repeating a change has no effect, not even on `rev`.
 * `touch` is called with the user after each change.
 */
export function createInbox(store: Store["inbox"], touch: (users: string[]) => void, maxWaiting = 10_000) {
  const pages = createBatcher<InboxPage, InboxView>({
    run: (requests) => store.pages(requests),
    maxItems: 100,
    maxWaiting,
    whenFull: () => new BelfryError("overloaded"),
    inFlight: 2,
  });
  return {
    /**
     * For the dialects. Pages requested at the same time share a round trip; each query starts after its requests
     * arrived.
     */
    page: (page: InboxPage) => pages.submit(page),
    read: store.read,
    async get(user: string, id: string) {
      return (await store.get(user, id)) ?? unknown(user, id);
    },
    async change(user: string, id: string, change: ItemChange) {
      const { changed, ...result } = (await store.change(user, id, change)) ?? unknown(user, id);
      if (changed > 0) touch([user]);
      return result;
    },
    async remove(user: string, id: string) {
      const standing = (await store.remove(user, id)) ?? unknown(user, id);
      touch([user]);
      return standing;
    },
    /** Marks items that last changed at `upTo` or before as read, by default all; `changed`: how many. */
    async readAll(user: string, upTo?: number) {
      const result = await store.readAll(user, upTo);
      if (result.changed > 0) touch([user]);
      return result;
    },
    /** Marks items that were added at `upTo` or before as seen, by default all. */
    async seen(user: string, upTo?: number) {
      const standing = await store.seen(user, upTo);
      touch([user]);
      return standing;
    },
  };
}

export type Inbox = ReturnType<typeof createInbox>;

function unknown(user: string, id: string): never {
  throw new BelfryError("not_found", `The user ${user} has no notification ${id}.`);
}
