// Generated from openapi.json by `npm run generate`.

export interface InboxQuery {
  /** Default: 20. */
  limit?: number;
  /** Skips so many of the newest items. Cannot be combined with `cursor`. */
  skip?: number;
  /** `next_cursor` of the previous page, with the same user and filters. */
  cursor?: string;
  unread?: boolean;
  /** Default: false. */
  archived?: boolean | "any";
  type?: string;
  target_id?: string;
}

export interface ChannelRules {
  /** Sent that much later: a number and s, m, h, d or w, such as 15m or 2d, and at most 366d. */
  after?: string;
  /** Not sent when the user has done this with the inbox item by then. */
  unless?: "read" | "seen" | "archived";
  /** Sent only when the delivery on this channel ended badly. */
  if_failed?: "email" | "sms" | "webhook";
  /** Not sent after this time: a number and s, m, h, d or w, such as 15m or 2d, and at most 366d. */
  expires?: string;
}

export interface NotificationBody {
  /** Users to notify, each once. */
  recipients: string[];
  /** A notification type. */
  type: string;
  title?: string;
  body?: string;
  /** At most 8 KiB as JSON. */
  data?: Record<string, unknown>;
  /** Replaces the type's channels: a list, or an object with the rules of each, which go before the type's, such as `{"email": {"after": "5m"}}`. `inbox` stores the notification in the user's inbox. */
  channels?:
    | Array<"email" | "sms" | "webhook" | "inbox">
    | {
        email?: ChannelRules;
        sms?: ChannelRules;
        webhook?: ChannelRules;
        inbox?: Record<string, unknown>;
      }
    | null;
  target_id?: string;
}

export interface NotificationAnswer {
  /** One entry per recipient, in the order of the request. */
  notifications: Array<{
    user_id: string;
    /** The notification's id, if it was stored. */
    id?: string;
    error?: {
      code: string;
      message: string;
    };
  }>;
}

export interface DeliveryDecision {
  at: string;
  verdict: "later" | "skip" | "send";
  /** The rule that decided, such as `unless:read`. */
  rule: string;
  /** When it is looked at again. */
  until?: string;
}

export interface ExpectedDelivery {
  channel: "inbox" | "email" | "sms" | "webhook";
  verdict: "send" | "skip";
  /** When it is sent, or when that is decided. */
  at: string;
  /** The rule that decides, such as `preference:types.comment.email`. */
  rule: string;
  reason?:
    | "address"
    | "message"
    | "policy"
    | "opt_out"
    | "expired"
    | "exhausted"
    | "template"
    | "no_address"
    | "no_provider"
    | "suppressed"
    | "bounced"
    | "undelivered"
    | "unanswered"
    | "poison"
    | "erased"
    | "preference"
    | "muted"
    | "condition";
  /** Why it is not sent. */
  text?: string;
  /** The rules that make it wait before that, in order. */
  waits: DeliveryDecision[];
}

export interface DryRunAnswer {
  /** One entry per recipient, in the order of the request. */
  notifications: Array<{
    user_id: string;
    channels: ExpectedDelivery[];
  }>;
}

export interface InboxAnswer extends InboxState {
  /** Newest first. */
  items: InboxItem[];
  /** Absent on the last page. */
  next_cursor?: string;
}

export interface ItemAnswer extends InboxState {
  item: InboxItem;
}

export interface ReadAllAnswer extends InboxState {
  /** How many items were marked as read. */
  changed: number;
}

export interface ProfileBody {
  /** One e-mail address, without a name. */
  email?: string;
  /** Phone number with its country code. Stored in E.164 form, such as +12025550100. */
  phone?: string;
  /** BCP 47 language tag, such as en-GB. */
  locale?: string;
  /** IANA time zone, such as Europe/Berlin. */
  time_zone?: string;
  webhook?: {
    url: string;
    /** Each is `whsec_` and the base64 of 24 to 64 bytes. During a rotation there are two, and both sign. Without it Belfry makes a secret, and only this response shows it. */
    secrets?: string[];
    /** Headers of each call, such as `Authorization`, at most 10. Their values are never returned. A webhook is stored as a whole: without `headers` it has none. */
    headers?: Record<string, string>;
  };
}

export interface ProfilePatch {
  /** One e-mail address, without a name. */
  email?: string | null;
  /** Phone number with its country code. Stored in E.164 form, such as +12025550100. */
  phone?: string | null;
  /** BCP 47 language tag, such as en-GB. */
  locale?: string | null;
  /** IANA time zone, such as Europe/Berlin. */
  time_zone?: string | null;
  webhook?: {
    url: string;
    /** Each is `whsec_` and the base64 of 24 to 64 bytes. During a rotation there are two, and both sign. Without it Belfry makes a secret, and only this response shows it. */
    secrets?: string[];
    /** Headers of each call, such as `Authorization`, at most 10. Their values are never returned. A webhook is stored as a whole: without `headers` it has none. */
    headers?: Record<string, string>;
  } | null;
}

export interface ProfileAnswer {
  id: string;
  /** One e-mail address, without a name. */
  email?: string;
  /** Phone number with its country code. Stored in E.164 form, such as +12025550100. */
  phone?: string;
  /** BCP 47 language tag, such as en-GB. */
  locale?: string;
  /** IANA time zone, such as Europe/Berlin. */
  time_zone?: string;
  webhook?: {
    url: string;
    /** The new secret. Only this response shows it. */
    secrets?: string[];
    /** Names of `headers`. Their values are never returned. */
    header_names?: string[];
    /** Time of the first failure. No attempt has succeeded since. */
    failing_since?: string;
    /** Nothing is sent to this webhook. Store it again, or remove the suppression, to enable it. */
    disabled?: {
      since: string;
      /** `failing`: every attempt failed for 5 days. `address`: the target answered 410. */
      reason: string;
    };
  };
}

export interface TokenAnswer {
  token: string;
  expires_at: string;
}

export interface InboxItem {
  id: string;
  type: string;
  title?: string;
  body?: string;
  target_id?: string;
  data?: Record<string, unknown>;
  created_at: string;
  updated_at: string;
  read: boolean;
  archived: boolean;
  /** The inbox's `rev` when the item last changed. */
  rev: number;
  /** The inbox's `rev` when the item was added. Lists are sorted by it, newest first. */
  created_rev: number;
}

export interface InboxState {
  /** The revision of the inbox. 0 before the first change, which sets it from the clock; each later change adds one. */
  rev: number;
  /** Unread items. */
  unread: number;
  /** All items, including archived ones. */
  total: number;
}
