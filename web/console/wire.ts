/** What the console reads of the service's answers, beside those that the client has. */

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
  since?: string;
  until?: string;
}

export interface Stats {
  interval_seconds: number;
  samples: Sample[];
  providers: ProviderHealth[];
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
