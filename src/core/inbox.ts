import { createBatcher } from "../model/batcher.ts";
import { BelfryError } from "../model/errors.ts";
import type { InboxPage, InboxView } from "../model/notification.ts";

export interface Inbox {
  /** A user that does not exist has an empty inbox. */
  list(page: InboxPage): Promise<InboxView>;
  /** Rejects with `not_found` when the user has no such notification. Reading twice is fine. */
  markRead(user: string, id: string): Promise<void>;
}

/** Pages asked for at the same time share a round trip, as commits do; each query starts after its requests came. */
export function createInbox(
  store: {
    pages(requests: InboxPage[]): Promise<InboxView[]>;
    markRead(user: string, id: string): Promise<boolean>;
  },
  maxWaiting: number,
): Inbox {
  const pages = createBatcher<InboxPage, InboxView>({
    run: (requests) => store.pages(requests),
    maxItems: 100,
    maxWaiting,
    inFlight: 2,
  });
  return {
    list: (page) => pages.submit(page),
    async markRead(user, id) {
      if (!(await store.markRead(user, id)))
        throw new BelfryError("not_found", `The user ${user} has no notification ${id}.`);
    },
  };
}
