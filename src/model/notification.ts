import type { DeliveryContent } from "./delivery.ts";
import type { CallRules } from "./rules.ts";

/** The name of an outbound channel. The inbox is not one: it is where a notification is kept, not sent. */
export type Channel = string;

/** A caller's request. `user`: 24 hex characters or any other string up to 128; `data`: checked free-form JSON. */
export interface NotifyCommand {
  user: string;
  /** A key of the type registry. */
  type: string;
  title?: string;
  body?: string;
  /** 24 hex characters: what the notification is about. */
  targetId?: string;
  /** The topic that it belongs to. Users who muted the topic do not get it. */
  topic?: string;
  data?: Record<string, unknown>;
  /**
   * Instead of the type's own: where this one goes, as a list or with rules that go before the type's. `inbox` keeps a
   * record.
   */
  channels?: ReadonlyArray<Channel | "inbox"> | Readonly<Record<Channel | "inbox", CallRules>>;
  /** The caller's own name for it, by which the user's notification can be taken back. Several may have the same. */
  key?: string;
  /** It replaces the user's newest notification with this key, under that one's id. */
  replace?: boolean;
  /** A part of a broadcast: single notifications overtake it. */
  bulk?: true;
}

/**
 * A notification as it lies in the `notifications` array of its user's document, oldest first.
 * The names are the inbox dialect's; the store adds the fields from `rev` on.
 */
export interface StoredInboxItem {
  id: string;
  /** Unix seconds. */
  timestamp: number;
  /** True until read. */
  is_new: boolean;
  user_id: string;
  key: string;
  title?: string;
  body?: string;
  target_id?: string;
  topic?: string;
  data?: Record<string, unknown>;
  /** The user's `rev` at the item's last change, and when it was added. Absent in items that an older system stored. */
  rev?: number;
  created_rev?: number;
  archived?: boolean;
  /** Unix seconds of its last change, once it has changed. */
  changed?: number;
  /** The `key` of the call. The field `key` is the type's. */
  caller_key?: string;
  /** The tag shows neighbours of one group as one row, and names their actors. */
  group?: string;
  actor?: string;
}

/** `skip` newest ones are passed over; `limit` 0 asks for the counts alone. */
export interface InboxPage {
  user: string;
  skip: number;
  limit: number;
}

export interface InboxView {
  /** All that are kept. */
  total: number;
  unread: number;
  /** Newest first. */
  items: StoredInboxItem[];
}

/** One notification, planned: what one commit must store whole or not at all. */
export interface PlannedNotification {
  /** 24 hex characters, made by us. */
  id: string;
  user: string;
  /** Absent when the type keeps no record in the inbox. */
  item?: StoredInboxItem;
  /** Asked of the user's preferences. Absent: the inbox keeps the item in any case. */
  ask?: InboxQuestion;
  deliveries: PlannedDelivery[];
  /** It replaces the newest notification with this key. Both have the new content, whatever channels are planned. */
  replaces?: { key: string; item: StoredInboxItem; content: DeliveryContent };
  /** About so many to store, all of it; absent: few. */
  bytes?: number;
  /** It may be stored already, or be on its way there, under the same id: then it is not stored again. */
  once?: true;
}

/** Which choices of a user decide whether the inbox keeps an item. */
export interface InboxQuestion {
  type: string;
  category?: string;
  topic?: string;
  /** Where the user has chosen nothing. */
  isOnByDefault: boolean;
}

/** A stored notification that may have replaced another, whose id it has then. `deliveries`: the new ones. */
export interface Replaced {
  id: string;
  replaced: boolean;
  deliveries: PlannedDelivery[];
}

/** A repeated notification has been stored before. */
export class AlreadyStored extends Error {}

/** Not stored, because another transaction locks the user: commit it again, apart from others. */
export class Contended extends Error {}

export interface PlannedDelivery {
  /** 24 hex characters; the provider sees it on each attempt, so that a duplicate can be recognised. */
  id: string;
  channel: Channel;
  content: DeliveryContent;
  /** The rules of the call; they go before the type's. */
  rules?: CallRules;
  /** Unix ms; absent: it is due now. */
  due?: number;
  /** The caller's own name for the notification. */
  key?: string;
  /** Tells it from the notification's earlier delivery on the same channel. */
  target?: string;
  /** A part of a broadcast: workers take others first. */
  bulk?: true;
}

/** Whether a worker of the same process may take it as it is stored. */
export const isTakenAtOnce = ({ due, bulk }: PlannedDelivery): boolean => due === undefined && !bulk;
