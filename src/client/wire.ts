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

export interface NotificationBody extends ScheduledNotification {
  /** Users to notify, each once. */
  recipients: string[];
  /** Sends it then, at most 366 days ahead; at once when the time is past. ISO 8601 with a time zone, or Unix milliseconds. */
  send_at?: string | number | null;
  /** Sends it so much later, in place of `send_at`: a number and s, m, h, d or w, such as 2h. */
  delay?: string;
}

export interface ScheduledJob {
  id: string;
  /** When it is sent. */
  due: string;
  /** `send_at` was past, so it is sent at once. */
  past: boolean;
}

export interface NotificationAnswer {
  /** One entry per recipient, in the order of the request. */
  notifications: Array<{
    user_id: string;
    /** The notification's id, if it was stored. */
    id?: string;
    /** It has replaced an earlier notification, whose id this is. */
    replaced?: boolean;
    error?: {
      code: string;
      message: string;
    };
  }>;
  /** The job that sends it, with `send_at` or `delay`. */
  job?: ScheduledJob;
}

export interface Job {
  id: string;
  kind: string;
  /** The key of the schedule that it belongs to. */
  key?: string;
  /** The type of the notification that it sends. */
  type?: string;
  status: "scheduled" | "running" | "paused" | "done" | "canceled" | "failed";
  /** A running job does this at its next checkpoint. */
  stopping?: "pause" | "cancel";
  /** When it is run, or was to be run. */
  due: string;
  /** Users who were notified. */
  done: number;
  /** Users who could not be notified. */
  failed: number;
  /** Users to notify. */
  total?: number;
  /** Runs that failed or were interrupted since it last made progress. */
  tries: number;
  /** Why it failed, or why its last run did. */
  error?: string;
  created_at: string;
  updated_at: string;
  /** When an ended job is deleted. */
  expires_at?: string;
}

export interface JobRecord extends Job {
  /** What it sends. */
  notification?: Record<string, unknown>;
  /** The users, and the ids that their notifications have once it has run. */
  recipients?: Array<{
    user_id: string;
    id: string;
  }>;
}

export interface JobPage {
  data: Job[];
  /** Absent on the last page. */
  next_cursor?: string;
}

export interface ScheduledNotification extends NotificationContent {
  /** Replaces the user's newest notification with this `key`, under that one's id: in the inbox, where it is unread and on top again, and wherever it has not been sent. What was sent is followed by a new message. */
  replace?: boolean;
}

export interface ScheduleBody {
  notification: ScheduledNotification;
  /** Users to notify, each once. */
  recipients: string[];
  /** Minute, hour, day of the month, month, day of the week, such as `0 9 * * mon-fri`. */
  cron: string;
  /** The zone of `cron`: IANA, such as Europe/Berlin, or `recipient` for each recipient's own. A time that a change of the clock skips is the first moment after it; a time that exists twice counts once, the first. */
  time_zone: string;
  /** Nothing is sent before this time. ISO 8601 with a time zone, or Unix milliseconds. */
  starts_at?: string | number | null;
  /** Nothing is sent from this time on. ISO 8601 with a time zone, or Unix milliseconds. */
  ends_at?: string | number | null;
  /** After a time in which no service ran: `once` sends the last missed occurrence, `skip` none. Default: once. */
  missed?: "once" | "skip" | null;
}

export interface Schedule {
  key: string;
  status: "active" | "paused" | "ended";
  /** The type of the notification. */
  type: string;
  recipient_count: number;
  cron: string;
  /** IANA, or `recipient`: each recipient's own. */
  time_zone: string;
  starts_at?: string;
  ends_at?: string;
  missed: "once" | "skip";
  /** The next occurrence, of all zones. Absent when it is paused or has ended. */
  next_at?: string;
  created_at: string;
  updated_at: string;
}

export interface ZoneOccurrences {
  time_zone: string;
  recipient_count: number;
  at: string[];
}

export interface ScheduleRecord extends Schedule {
  /** What is sent. */
  notification: Record<string, unknown>;
  recipients: string[];
  /** The next five occurrences in each zone. Empty when it is paused or has ended. */
  next: ZoneOccurrences[];
}

export interface SchedulePage {
  data: Schedule[];
  /** Absent on the last page. */
  next_cursor?: string;
}

export interface DeliveryDecision {
  at: string;
  verdict: "later" | "hold" | "skip" | "send";
  /** The rule that decided, such as `unless:read`. */
  rule: string;
  /** When it is looked at again. */
  until?: string;
}

export interface Digest {
  /** The notifications that it gathers: `types.<key>`, `categories.<key>`, `*` or `budget`. */
  scope: string;
  /** The value of the rule's `by`. */
  by?: string;
  /** Notifications that joined it. */
  count: number;
  /** Whether more can join it. */
  open: boolean;
}

export interface Delivery {
  id: string;
  notification_id: string;
  user_id: string;
  type: string;
  channel: "email" | "sms" | "webhook";
  status:
    | "pending"
    | "sending"
    | "sent"
    | "delivered"
    | "failed"
    | "skipped"
    | "canceled"
    | "uncertain"
    | "held"
    | "digested"
    | "recalled";
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
    | "condition"
    | "throttled"
    | "empty";
  detail?: string;
  /** The provider of the last attempt. */
  provider?: string;
  /** Attempts that count against the retry policy. */
  tries: number;
  /** Present when the delivery is a digest. */
  digest?: Digest;
  /** The delivery that gathers this one with others. */
  digest_id?: string;
  /** The caller's own name for the notification. */
  key?: string;
  /** When its caller took it back. */
  recalled_at?: string;
  /** When a pending delivery may be sent. */
  due?: string;
  created_at: string;
  updated_at: string;
}

export interface DigestList {
  data: Delivery[];
}

export interface ExpectedDelivery {
  channel: "inbox" | "email" | "sms" | "webhook";
  verdict: "send" | "hold" | "skip";
  /** When it is sent, or when that is decided. */
  at: string;
  /** For `hold`: when its digest is sent, if this notification opens it. */
  until?: string;
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
    | "condition"
    | "throttled"
    | "empty";
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

export interface RecallBody {
  /** The notification's id. */
  id?: string;
  /** In place of `id`: all notifications of the user that were sent with this `key`. */
  key?: string;
  /** Whose it is. Needed with `key`. Without it Belfry searches for the user of the `id`. */
  user_id?: string;
  /** Several users, each once. */
  user_ids?: string[];
}

export interface RecallReceipt {
  notification_id: string;
  channel: "inbox" | "email" | "sms" | "webhook";
  /** Absent for the inbox. */
  delivery_id?: string;
  /** `stopped`: it is not sent. `withdrawn`: it is no longer in the inbox. `in_flight`: it is being sent at this moment, and is not tried again. `too_late`: it was sent. `nothing`: it had ended without being sent, and stays so. */
  result: "stopped" | "withdrawn" | "in_flight" | "too_late" | "nothing";
  /** When it was sent. When it is stopped: an earlier attempt may have arrived, or one of the user's addresses has it. */
  sent_at?: string;
}

export interface RecallAnswer {
  /** In the order of the request. Empty: no user has the notification. */
  users: Array<{
    user_id: string;
    /** One per notification and channel, newest first. Empty: the user has no such notification. */
    receipts: RecallReceipt[];
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

export interface Preferences {
  /** Everything. */
  "*"?: boolean | "hourly" | "daily" | "weekly" | Record<string, boolean | "hourly" | "daily" | "weekly">;
  /** By category. */
  categories?: Record<
    string,
    boolean | "hourly" | "daily" | "weekly" | Record<string, boolean | "hourly" | "daily" | "weekly">
  >;
  /** By notification type; these go before the category's. */
  types?: Record<
    string,
    boolean | "hourly" | "daily" | "weekly" | Record<string, boolean | "hourly" | "daily" | "weekly">
  >;
  /** By topic: false mutes it. At most 500. */
  topics?: Record<string, boolean>;
  /** ISO 8601, in the future. Nothing is sent before; the inbox still gets its items. */
  muted_until?: string;
  /** When messages wait, in the user's time zone. Replaced as a whole. */
  quiet?: Array<{
    /** The days on which it starts; every day by default. */
    days?: Array<"mon" | "tue" | "wed" | "thu" | "fri" | "sat" | "sun">;
    /** HH:MM. */
    from: string;
    /** HH:MM. Before `from`: on the next day. */
    to: string;
    /** All outbound channels by default. */
    channels?: Array<"email" | "sms" | "webhook">;
  }>;
  /** By channel: how many messages a day, and when the digest of the others is sent. */
  budget?: {
    email?: {
      /** Messages a day. The last of them is the digest of the others. */
      limit: number;
      /** When that digest is sent, HH:MM; 18:00 by default. */
      at?: string;
    };
    sms?: {
      /** Messages a day. The last of them is the digest of the others. */
      limit: number;
      /** When that digest is sent, HH:MM; 18:00 by default. */
      at?: string;
    };
    webhook?: {
      /** Messages a day. The last of them is the digest of the others. */
      limit: number;
      /** When that digest is sent, HH:MM; 18:00 by default. */
      at?: string;
    };
  };
}

export interface PreferencesPatch {
  /** Everything. */
  "*"?:
    | boolean
    | "hourly"
    | "daily"
    | "weekly"
    | Record<string, boolean | "hourly" | "daily" | "weekly" | null>
    | null;
  /** By category. */
  categories?: Record<
    string,
    | boolean
    | "hourly"
    | "daily"
    | "weekly"
    | Record<string, boolean | "hourly" | "daily" | "weekly" | null>
    | null
  > | null;
  /** By notification type; these go before the category's. */
  types?: Record<
    string,
    | boolean
    | "hourly"
    | "daily"
    | "weekly"
    | Record<string, boolean | "hourly" | "daily" | "weekly" | null>
    | null
  > | null;
  /** By topic: false mutes it. At most 500. */
  topics?: Record<string, boolean | null> | null;
  /** ISO 8601, in the future. Nothing is sent before; the inbox still gets its items. */
  muted_until?: string | null;
  /** When messages wait, in the user's time zone. Replaced as a whole. */
  quiet?: Array<{
    /** The days on which it starts; every day by default. */
    days?: Array<"mon" | "tue" | "wed" | "thu" | "fri" | "sat" | "sun">;
    /** HH:MM. */
    from: string;
    /** HH:MM. Before `from`: on the next day. */
    to: string;
    /** All outbound channels by default. */
    channels?: Array<"email" | "sms" | "webhook">;
  }> | null;
  /** By channel: how many messages a day, and when the digest of the others is sent. */
  budget?: {
    email?: {
      /** Messages a day. The last of them is the digest of the others. */
      limit: number;
      /** When that digest is sent, HH:MM; 18:00 by default. */
      at?: string;
    } | null;
    sms?: {
      /** Messages a day. The last of them is the digest of the others. */
      limit: number;
      /** When that digest is sent, HH:MM; 18:00 by default. */
      at?: string;
    } | null;
    webhook?: {
      /** Messages a day. The last of them is the digest of the others. */
      limit: number;
      /** When that digest is sent, HH:MM; 18:00 by default. */
      at?: string;
    } | null;
  } | null;
}

export interface PreferencesAnswer {
  preferences: Preferences;
  /** The `rev` at which the user's preferences last changed; absent before. */
  preferences_rev?: number;
  /** The zone of the quiet hours: the user's, else the service's. */
  time_zone: string;
  categories: Array<{
    /** Absent for types without a category. */
    category?: string;
    /** One text, or one by language tag. */
    label?: string | Record<string, string>;
    locked: boolean;
    /** By channel, and `inbox`. */
    cells: Record<string, PreferenceCell>;
    types: Array<{
      type: string;
      description?: string;
      mandatory: boolean;
      /** By channel, and `inbox`. */
      cells: Record<string, PreferenceCell>;
    }>;
  }>;
}

export interface PreferenceCell {
  value: boolean | "hourly" | "daily" | "weekly";
  /** The choice that decides, as a path into `preferences`, such as `types.comment.email`; or `default`. */
  from: string;
  /** Why the user cannot change it. */
  locked?: string;
  /** The choices that the user has here. */
  options: Array<boolean | "hourly" | "daily" | "weekly">;
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
  topic?: string;
  data?: Record<string, unknown>;
  /** Items with the same value belong together: the type's `group.by`. */
  group?: string;
  /** Who caused it: the type's `group.actor`. */
  actor?: string;
  created_at: string;
  updated_at: string;
  read: boolean;
  archived: boolean;
  /** The inbox's `rev` when the item last changed. */
  rev: number;
  /** The inbox's `rev` when the item was added or last replaced. Lists are sorted by it, newest first. */
  created_rev: number;
}

export interface InboxState {
  /** The revision of the inbox. 0 before the first change, which sets it from the clock; each later change adds one. */
  rev: number;
  /** Unread items. */
  unread: number;
  /** Unread items that were added since the inbox was last marked as seen. */
  unseen: number;
  /** All items, including archived ones. */
  total: number;
  /** The `rev` at which the user's preferences last changed; absent before. */
  preferences_rev?: number;
}

export interface Topic {
  key: string;
  title?: string;
  /** Users may subscribe and unsubscribe themselves. */
  open: boolean;
  created_at: string;
}

export interface TopicBody {
  title?: string;
  /** Users may subscribe and unsubscribe themselves. Default: false. */
  open?: boolean;
}

export interface TopicDetails extends Topic {
  /** How many users have subscribed. */
  subscribers: number;
}

export interface TopicPage {
  data: Topic[];
  /** Absent on the last page. */
  next_cursor?: string;
}

export interface Subscriber {
  user_id: string;
  subscribed_at: string;
}

export interface SubscriberPage {
  data: Subscriber[];
  /** Absent on the last page. */
  next_cursor?: string;
}

export interface SubscribersBody {
  /** Users who subscribe. Default: . */
  add?: string[];
  /** Users who unsubscribe. Default: . */
  remove?: string[];
}

export interface SubscribersChanged {
  /** Users who had not subscribed before. */
  added: number;
  /** Users who had subscribed. */
  removed: number;
}

export interface UserTopic extends Topic {
  subscribed_at: string;
}

export interface UserTopicPage {
  data: UserTopic[];
  /** Absent on the last page. */
  next_cursor?: string;
}

export interface NotificationContent {
  /** A notification type. */
  type: string;
  title?: string;
  body?: string;
  /** At most 8 KiB as JSON. */
  data?: Record<string, unknown>;
  /** The topic that it belongs to, such as `post:7`. Users who muted the topic do not get it. */
  topic?: string;
  /** Your own name for it, up to 128 characters, such as `order-1001`. The user's notifications with this key can be taken back. */
  key?: string;
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

export interface BroadcastBody {
  notification: NotificationContent;
  /** One of topic, all, users and filter. */
  to: {
    /** The subscribers of this topic. */
    topic?: string;
    /** `true`: every user. */
    all?: boolean;
    /** These users, up to 10,000, each once. */
    users?: string[];
    /** Users whose documents have these values, such as `{"plan": "pro", "address.country": ["de", "at"]}`: a list means one of them. Fields of your own, `locale` and `time_zone`. */
    filter?: Record<string, unknown>;
  };
  /** Left out, such as who wrote the comment. */
  actor_id?: string;
  /** A name of your own: a repeated request with the same key finds the same broadcast. */
  key?: string;
}

export interface Broadcast {
  id: string;
  key?: string;
  status: "scheduled" | "running" | "paused" | "done" | "canceled" | "failed";
  /** What it does after the page that is under way. */
  stopping?: "pause" | "cancel";
  /** The notification's type. */
  type: string;
  /** One of topic, all, users and filter. */
  to: {
    topic?: string;
    all?: boolean;
    /** How many users were named. */
    users?: number;
    filter?: Record<string, unknown>;
  };
  /** The user who is left out. */
  actor_id?: string;
  /** Users to notify, counted when the broadcast was made. Absent when that took too long. */
  total?: number;
  /** Users whose notifications are stored. */
  notified: number;
  /** Users who could not be notified, because their documents cannot be changed. */
  failed: number;
  /** Users a second, lately. While it runs. */
  rate?: number;
  /** When it will be done at this rate. */
  ends_at?: string;
  /** What there is to know about how it ended. */
  message?: string;
  created_at: string;
  updated_at: string;
  /** When an ended broadcast is deleted. */
  expires_at?: string;
}

export interface BroadcastDetails extends Broadcast {
  /** What is sent. */
  notification: Record<string, unknown>;
}

export interface BroadcastPage {
  data: Broadcast[];
  /** Absent on the last page. */
  next_cursor?: string;
}

export interface BroadcastPreview {
  /** Users to notify. Absent when counting took too long. */
  total?: number;
  /** One entry per recipient, in the order of the request. */
  notifications: Array<{
    user_id: string;
    channels: ExpectedDelivery[];
  }>;
}
