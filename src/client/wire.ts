import type { WireItem } from "../model/inbox-wire.ts";
import type { Standing } from "../model/live.ts";
import type { Channel } from "../model/notification.ts";

/** Request and response bodies of the service's own API; a test compares them with the OpenAPI document. */

export interface NotificationBody {
  /** 1 to 1,000 users, each once. */
  recipients: string[];
  /** A notification type. */
  type: string;
  title?: string;
  body?: string;
  /** At most 8 KiB as JSON. */
  data?: Record<string, unknown>;
  /** What the notification is about; 24 hex characters. */
  target_id?: string;
  /** Instead of the channels of the type. */
  channels?: Array<Channel | "inbox">;
}

export interface NotificationAnswer {
  /** One result per recipient, in order: the `id` it was stored under, or the error. */
  notifications: Array<{ user_id: string; id?: string; error?: { code: string; message: string } }>;
}

export interface InboxQuery {
  /** 1 to 100; 20 by default. */
  limit?: number;
  /** How many of the newest to skip. */
  skip?: number;
  /** `next_cursor` of the previous page, with the same filters. Replaces `skip`. */
  cursor?: string;
  unread?: boolean;
  /** False by default. */
  archived?: boolean | "any";
  type?: string;
  target_id?: string;
}

export interface InboxAnswer extends Standing {
  /** Newest first. */
  items: WireItem[];
  /** Absent on the last page. */
  next_cursor?: string;
}

export interface ItemAnswer extends Standing {
  item: WireItem;
}

export interface ReadAllAnswer extends Standing {
  /** How many items were unread. */
  changed: number;
}

export interface ProfileBody {
  email?: string;
  /** E.164, such as `+4915123456789`. */
  phone?: string;
  /** A BCP 47 tag, such as `de-AT`. */
  locale?: string;
  /** An IANA name, such as `Europe/Berlin`. */
  time_zone?: string;
  webhook?: { url: string; secrets: string[] };
}

export type ProfilePatch = { [Field in keyof ProfileBody]?: ProfileBody[Field] | null };

/** Secrets are never returned. */
export interface ProfileAnswer extends Omit<ProfileBody, "webhook"> {
  id: string;
  webhook?: { url: string };
}

export interface TokenAnswer {
  token: string;
  /** ISO 8601. */
  expires_at: string;
}
