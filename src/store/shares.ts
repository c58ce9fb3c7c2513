import type { Document, ObjectId } from "mongodb";
import type { InboxQuestion, PlannedNotification, StoredInboxItem } from "../model/notification.ts";
import { storedUserId } from "./ids.ts";

/** One user's part of a batch. */
export interface Share {
  user: ObjectId | string;
  /** The places of its notifications in the batch. */
  positions: number[];
  items: Array<{ item: StoredInboxItem; ask?: InboxQuestion | undefined }>;
  /** Some of the items may already be stored. */
  once: boolean;
}

/** A batch by users. `allOnce`: some of the items may already be stored. */
export function sharesOf(batch: PlannedNotification[], allOnce = false): Share[] {
  const shares = new Map<string, Share>();
  for (const [position, { user, item, ask, once = allOnce }] of batch.entries()) {
    let share = shares.get(user);
    if (!share) {
      share = { user: storedUserId(user), positions: [], items: [], once };
      shares.set(user, share);
    }
    share.positions.push(position);
    share.once ||= once;
    if (item && !(once && share.items.some((one) => one.item.id === item.id)))
      share.items.push({ item, ask });
  }
  // The items share one `rev`. An inbox orders equal `rev`s by id, and the batch may have another order.
  for (const { items } of shares.values()) items.sort((a, b) => (a.item.id < b.item.id ? -1 : 1));
  return [...shares.values()];
}

/** `wanted` asks whether a user wants an item. */
export type Pipeline = "all" | "wanted";

export const pipelineOf = (shares: Share[]): Pipeline =>
  shares.some(({ items }) => items.some(({ ask }) => ask !== undefined)) ? "wanted" : "all";

/** Caller data is wrapped in `$literal`. Otherwise MongoDB would read a string such as "$email" as a field path. */
export function variablesOf(shares: Share[], pipeline: Pipeline): Document {
  return {
    ids: { $literal: shares.map((share) => share.user) },
    items: { $literal: shares.map(({ items }) => items.map(({ item }) => item)) },
    ...(pipeline === "wanted" && {
      asked: { $literal: shares.map(({ items }) => items.map(({ ask = null }) => ask)) },
      someOff: shares.some(isOff),
    }),
  };
}

export const hasItems = ({ items }: Share): boolean => items.length > 0;

export const isOff = ({ items }: Share): boolean => items.some(({ ask }) => ask?.isOnByDefault === false);

/** Users who have none of these items. */
export function withoutItems(shares: Share[]): Document {
  const ids = { $nin: shares.flatMap(({ items }) => items.map(({ item }) => item.id)) };
  return { "notifications.id": ids, "removedNotifications.id": ids };
}

export const idsOf = (shares: Share[]) => ({ $in: shares.map((share) => share.user) });
