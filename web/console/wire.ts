/** The service's answers as far as the console uses them; the client has the others. */

export interface Delivery {
  id: string;
  notification_id: string;
  user_id: string;
  type: string;
  channel: string;
  status: string;
  reason?: string;
  detail?: string;
  provider?: string;
  tries: number;
  due?: string;
  created_at: string;
  updated_at: string;
}

export interface Attempt {
  at: string;
  provider: string;
  outcome: string;
  code?: string;
  text?: string;
  ms: number;
}

export interface DeliveryRecord extends Delivery {
  provider_id?: string;
  interruptions: number;
  held_until?: string;
  expires_at?: string;
  attempts: Attempt[];
}

export interface Page<T> {
  data: T[];
  next_cursor?: string;
}

/** What a delivery says, rendered with today's templates. */
export interface DeliveryMessage {
  type: string;
  title?: string;
  body?: string;
  target_id?: string;
  data?: Record<string, unknown>;
  address?: string;
  email?: { subject: string; text: string; html?: string };
  sms?: { text: string; segments: number };
  webhook?: object;
  problem?: string;
}

/** An item of an inbox. */
export interface Item {
  id: string;
  type: string;
  title?: string;
  body?: string;
  created_at: string;
  updated_at: string;
  read: boolean;
  archived: boolean;
}

export interface Captured {
  id: string;
  user_id: string;
  channel: string;
  at: number;
  from?: string;
  to: string;
  subject?: string;
  text?: string;
  html?: string;
}

export interface NotificationType {
  key: string;
  description?: string;
  inbox: boolean;
  channels: string[];
  templates: { email?: { subject: string; text: string; html: string }; sms?: { text: string } };
  retry: { delay_ms: number; factor: number; max_retries: number };
  on_timeout: "resend" | "give_up";
}

export interface Preview {
  email?: { subject: string; text: string; html: string };
  sms?: { text: string; segments: number };
}

export interface User {
  id: string;
  email?: string;
  phone?: string;
}

export interface Suppression {
  user_id: string;
  channel: string;
  address: string;
  reason: string;
  at: string;
}

export interface Redrive {
  would_send?: number;
  redriven?: number;
  already_sent?: number;
  suppressed: number;
  no_address: number;
  expired: number;
  changed: number;
  more: boolean;
  next_cursor?: string;
}

export interface Sample {
  at: string;
  accepted: number;
  sent: number;
  delivered: number;
  failed: number;
  skipped: number;
  uncertain: number;
  latency_ms_p50?: number;
  latency_ms_p99?: number;
  pending?: number;
  oldest_age_seconds?: number;
  connections: number;
}

export interface ProviderHealth {
  channel: string;
  name: string;
  state: string;
  code?: string;
  /** The provider's own words. */
  text?: string;
  /** What to do about it. */
  remedy?: string;
  since?: string;
  until?: string;
}

/** `/readyz?verbose`, as far as it is about providers. */
export interface Readiness {
  providers?: Record<string, Record<string, Omit<ProviderHealth, "channel" | "name">>>;
}

export interface Stats {
  interval_seconds: number;
  samples: Sample[];
  providers: ProviderHealth[];
  /** By channel: deliveries that this process has been sending for longer than a send may take. */
  overdue: Record<string, number>;
}

export interface LedgerLine {
  accepted: number;
  sent: number;
  delivered: number;
  failed: number;
  skipped: number;
  canceled: number;
  uncertain: number;
  pending: number;
  balanced: boolean;
}

export interface Ledger {
  from: string;
  to: string;
  balanced: boolean;
  total: LedgerLine;
  channels: Record<string, LedgerLine>;
}

export interface Simulator {
  running: boolean;
  interval_seconds: number;
}
