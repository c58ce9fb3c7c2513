import type { WireItem } from "../model/inbox-wire.ts";
import type { Standing } from "../model/live.ts";
import type { Channel } from "../model/notification.ts";

/** Bodies and answers of the service's own API; a test holds them against the OpenAPI document. */

export interface NotificationBody {
  /** 1 to 1,000 users, each once. */
  recipients: string[];
  /** A notification type. */
  type: string;
  title?: string;
  body?: string;
  /** At most 8 KiB as JSON. */
  data?: Record<string, unknown>;
  /** 24 hex characters: what it is about. */
  target_id?: string;
  /** Instead of the type's own. */
  channels?: Array<Channel | "inbox">;
}

export interface NotificationAnswer {
  /** One a recipient, in order: stored under `id`, or not, with the reason. */
  notifications: Array<{ user_id: string; id?: string; error?: { code: string; message: string } }>;
}

export interface InboxQuery {
  /** 1 to 100, by default 20. */
  limit?: number;
  /** So many of the newest are passed over. */
  skip?: number;
  /** `next_cursor` of the page before, with the same filters; instead of `skip`. */
  cursor?: string;
  unread?: boolean;
  /** By default false. */
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
  /** How many were unread. */
  changed: number;
}

export interface ProfileBody {
  email?: string;
  /** E.164. */
  phone?: string;
  /** BCP 47. */
  locale?: string;
  /** IANA's name. */
  time_zone?: string;
  webhook?: { url: string; secrets: string[] };
}

export type ProfilePatch = { [Field in keyof ProfileBody]?: ProfileBody[Field] | null };

/** Secrets are never shown. */
export interface ProfileAnswer extends Omit<ProfileBody, "webhook"> {
  id: string;
  webhook?: { url: string };
}

export interface TokenAnswer {
  token: string;
  /** ISO 8601. */
  expires_at: string;
}
