import type { HistoryEntry } from "../model/history.ts";
import type { Store } from "../store/index.ts";
import type { Inbox } from "./inbox.ts";

/** How many deliveries of a user are shown; the inbox has its own limit. */
export const historyLimit = 1_000;

/** A user's notifications on every channel, newest first: the whole inbox and the newest deliveries. */
export function createHistory(store: Pick<Store, "deliveries">, inbox: Pick<Inbox, "page">) {
  return async function history(user: string): Promise<HistoryEntry[]> {
    const [{ items }, deliveries] = await Promise.all([
      inbox.page({ user, skip: 0, limit: historyLimit }),
      store.deliveries.ofUser(user, historyLimit),
    ]);
    const kept = items.map(
      (item): HistoryEntry => ({
        notification: item.id,
        channel: "inbox",
        content: item.body ?? item.title ?? item.key,
        // An inbox item is delivered once it is stored.
        state: "sent",
        changedAt: item.timestamp * 1000,
      }),
    );
    const sent = deliveries.map(
      ({ content, ...one }): HistoryEntry => ({
        ...one,
        content: content.body ?? content.title ?? content.key,
      }),
    );
    return [...kept, ...sent].sort((a, b) =>
      a.notification < b.notification ? 1 : a.notification > b.notification ? -1 : 0,
    );
  };
}
