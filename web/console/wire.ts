// Generated from openapi.json by `npm run generate`.

import type { Delivery, DeliveryDecision, InboxItem } from "../../src/client/wire.ts";

export interface Attempt {
  at: string;
  provider: string;
  /** Which of the user's addresses, on a channel that has several. */
  target?: string;
  outcome: "sent" | "retry" | "unknown" | "rejected" | "misconfigured";
  code?: string;
  /** The provider's answer. */
  text?: string;
  ms: number;
}

export interface CapturedMessage {
  /** The delivery's id. */
  id: string;
  user_id: string;
  channel: "email" | "sms" | "webhook";
  /** Unix milliseconds. */
  at: number;
  from?: string;
  reply_to?: string;
  to: string;
  subject?: string;
  text?: string;
  html?: string;
}

export interface Clock {
  now: string;
  /** Whether it can be moved: `CLOCK=virtual`. */
  virtual: boolean;
}

export interface ClockMoved {
  /** The time afterwards. */
  now: string;
  /** Moments at which something was due. */
  steps: number;
  /** Runs of jobs. */
  jobs: number;
  sent: number;
  skipped: number;
  failed: number;
  uncertain: number;
  /** Deliveries that joined a digest. */
  held: number;
  /** How often a delivery was put off: to be retried, or because a rule says so. */
  postponed: number;
  /** When the next pending delivery is due. */
  next_due?: string;
}

export interface DeliveryMessage {
  type: string;
  title?: string;
  body?: string;
  target_id?: string;
  data?: Record<string, unknown>;
  /** The user's address on this channel today. Absent when there is none. */
  address?: string;
  email?: {
    subject: string;
    text: string;
    html?: string;
  };
  sms?: {
    text: string;
    /** SMS segments. Texts of more than 1,600 characters are not sent. */
    segments: number;
  };
  /** The body of the request. */
  webhook?: Record<string, unknown>;
  /** Why the message cannot be rendered. */
  problem?: string;
}

export interface DeliveryPage {
  data: Delivery[];
  /** Absent on the last page. */
  next_cursor?: string;
}

export interface DeliveryRecord extends Delivery {
  /** The provider's id of the message. */
  provider_id?: string;
  /** How often a worker died or hung during the send. */
  interruptions: number;
  /** When the lease of the sending worker ends. */
  held_until?: string;
  /** When a finished delivery is deleted. */
  expires_at?: string;
  /** Why it waited, or was not sent: the newest 20, oldest first. */
  decisions: DeliveryDecision[];
  /** The newest 20, oldest first. */
  attempts: Attempt[];
}

export interface Ledger {
  /** Rounded to whole minutes, and limited to the time for which finished deliveries are kept. */
  from: string;
  to: string;
  balanced: boolean;
  total: LedgerLine;
  channels: {
    email: LedgerLine;
    sms: LedgerLine;
    webhook: LedgerLine;
  };
}

export interface LedgerLine {
  /** Deliveries counted when they were stored. */
  accepted: number;
  sent: number;
  delivered: number;
  failed: number;
  skipped: number;
  canceled: number;
  uncertain: number;
  /** Waiting in an open digest. */
  held: number;
  /** In the message of a digest, which counts as a delivery of its own. */
  digested: number;
  /** Taken back by the caller before they were sent. */
  recalled: number;
  /** Waiting or being sent. */
  pending: number;
  /** Whether accepted equals the sum of the other counts. */
  balanced: boolean;
}

export interface NotificationEvent {
  at: string;
  /** Absent: it concerns the whole notification. */
  channel?: string;
  text: string;
  /** The rule that decided. */
  rule?: string;
}

export interface NotificationStory {
  id: string;
  user_id: string;
  type: string;
  created_at: string;
  item?: InboxItem;
  deliveries: DeliveryRecord[];
  /** What happened, oldest first. */
  events: NotificationEvent[];
}

export interface NotificationType {
  key: string;
  description?: string;
  /** Whether the inbox gets an item. */
  inbox: boolean;
  channels: Array<"email" | "sms" | "webhook">;
  /** Liquid templates of the type's channels. Default templates fill the gaps. */
  templates: {
    email?: {
      subject: string;
      text: string;
      html: string;
    };
    sms?: {
      text: string;
    };
  };
  category?: string;
  /** The user cannot turn it off. */
  mandatory: boolean;
  /** By channel, when it sends: a readable line. */
  rules: Record<string, string>;
  /** The languages that its templates are translated into. */
  locales: string[];
  retry: {
    delay_ms: number;
    factor: number;
    max_retries: number;
  };
  /** When a provider does not answer: send again, or give up. */
  on_timeout: "resend" | "give_up";
}

export interface Preview {
  email?: {
    subject: string;
    text: string;
    html: string;
  };
  sms?: {
    text: string;
    /** SMS segments. Texts of more than 1,600 characters are not sent. */
    segments: number;
  };
}

export interface ProviderHealth {
  channel: string;
  name: string;
  /** `ok`, `open` (it fails; Belfry checks it at intervals) or `paused` (it refuses the configuration). */
  state: string;
  /** The code of the provider's last answer. */
  code?: string;
  /** The provider's last answer, without addresses. */
  text?: string;
  /** What to do. */
  remedy?: string;
  since?: string;
  /** When the provider is checked again. */
  until?: string;
}

export interface Readiness {
  /** `ready`, `migrating`, `stopping` or `unavailable`. */
  status: string;
  checks?: Record<string, string>;
  /** Providers by channel and name, with `?verbose`. */
  providers?: Record<
    string,
    Record<
      string,
      {
        /** `ok`, `open` (it fails; Belfry checks it at intervals) or `paused` (it refuses the configuration). */
        state: string;
        /** The code of the provider's last answer. */
        code?: string;
        /** The provider's last answer, without addresses. */
        text?: string;
        /** What to do. */
        remedy?: string;
        since?: string;
        /** When Belfry tries it again. */
        until?: string;
      }
    >
  >;
  /** Deliveries by channel that this process has been sending for too long, with `?verbose`. Any value but 0 is a fault. */
  overdue?: Record<string, number>;
  /** RabbitMQ, with `?verbose`. */
  broker?: {
    /** `connected` or `away`. While it is away, workers find deliveries in MongoDB. */
    state: string;
    /** The code of the newest error. */
    code?: string;
    since?: string;
  };
  /** Changes of what is stored that are not done, with `?verbose`. */
  migrations?: Array<{
    name: string;
    /** `waiting`, `running` (perhaps in another process) or `failed` (Belfry retries it). */
    state: string;
    done: number;
    total?: number;
    error?: string;
    /** What to do. */
    remedy?: string;
  }>;
}

export interface Redrive {
  dry_run: boolean;
  /** Resent. */
  redriven?: number;
  /** Dry run: would be resent. */
  would_send?: number;
  /** Match the other filters, but are already sent. Counted up to 100,000, on the first call only. */
  already_sent?: number;
  /** Not resent: the address is suppressed. */
  suppressed: number;
  /** Not resent: the user has no address on the channel. */
  no_address: number;
  /** Not resent: the provider reported it as expired. */
  expired: number;
  /** Not resent: another call changed it in the meantime. */
  changed: number;
  /** A call checks at most 10,000 deliveries. If true, call again with `next_cursor`. */
  more: boolean;
  /** Absent on the last page. */
  next_cursor?: string;
}

export interface Sample {
  at: string;
  /** Notifications stored. */
  accepted: number;
  sent: number;
  /** As reported by providers. */
  delivered: number;
  failed: number;
  skipped: number;
  uncertain: number;
  /** Response time of writes: half are faster. Absent without requests. */
  latency_ms_p50?: number;
  /** Response time of writes: 99 % are faster. */
  latency_ms_p99?: number;
  /** Unfinished deliveries of all processes. */
  pending?: number;
  /** For how long the oldest waiting delivery has been due. */
  oldest_age_seconds?: number;
  /** Connected devices. */
  connections: number;
}

export interface Simulator {
  running: boolean;
  /** Seconds between two notifications. */
  interval_seconds: number;
}

export interface Stats {
  interval_seconds: number;
  /** One sample for each interval of the last 15 minutes, oldest first, from this process's memory. */
  samples: Sample[];
  providers: ProviderHealth[];
  /** By channel: deliveries that this process has been sending for longer than a send may take. Always 0 unless something is broken. */
  overdue: Record<string, number>;
}

export interface Suppression {
  user_id: string;
  channel: "email" | "sms" | "webhook";
  /** A new address of the user is not suppressed. */
  address: string;
  reason: "address" | "opt_out" | "bounced" | "failing";
  at: string;
}

export interface SuppressionPage {
  data: Suppression[];
  /** Absent on the last page. */
  next_cursor?: string;
}

export interface User {
  id: string;
  email?: string;
  phone?: string;
}

export interface UserPage {
  /** Sorted by id. */
  data: User[];
  /** Absent on the last page. */
  next_cursor?: string;
}
