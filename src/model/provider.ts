import type { Channel } from "./notification.ts";

/** What every message has: `id` is the delivery's, stable over attempts. */
interface Addressed {
  id: string;
  user: string;
}

export interface EmailMessage extends Addressed {
  to: string;
  subject: string;
  text: string;
  html?: string;
  /** Of the notification's type: where answers go, and the sender's name instead of the configured one. */
  replyTo?: string;
  fromName?: string;
}

export interface SmsMessage extends Addressed {
  /** As the profile has it, usually E.164. */
  to: string;
  text: string;
}

export interface WebhookMessage extends Addressed {
  url: string;
  /** `whsec_…`; two during a rotation, both sign. */
  secrets: string[];
  /** The user's own, such as `Authorization`. */
  headers?: Record<string, string>;
  /** The JSON body: `type`, `timestamp`, `data`. */
  payload: object;
}

export interface Messages {
  email: EmailMessage;
  sms: SmsMessage;
  webhook: WebhookMessage;
}

/** Carries messages of one channel. One file each in `channels/<channel>/`. */
export interface Provider<C extends Channel = Channel> {
  readonly name: string;
  readonly channel: C;
  /**
   * Resolves once the provider has taken the message; throws `SendError` for everything else. When `signal` aborts, the
   * engine no longer waits: the provider destroys the socket it sends on.
   */
  send(message: Messages[C], signal?: AbortSignal): Promise<{ providerId?: string; text?: string }>;
  /** Where a provider can be asked without sending: logs in. Throws `SendError`. */
  verify?(): Promise<void>;
  close(): Promise<void>;
}

/** What a provider would have been given, kept by the capture provider. */
export interface CapturedMessage {
  /** The delivery's id. */
  id: string;
  user_id: string;
  channel: Channel;
  /** Unix milliseconds. */
  at: number;
  from?: string;
  reply_to?: string;
  to: string;
  subject?: string;
  text?: string;
  html?: string;
}

/** Where a user can be reached; absent fields are unknown. */
export interface Recipient {
  email?: string;
  phone?: string;
  locale?: string;
  timeZone?: string;
  webhook?: {
    url: string;
    secrets: string[];
    headers?: Record<string, string>;
    /** The one of all users who have none of their own. */
    shared?: true;
    /** The first failure, while no attempt has arrived since. */
    failingSince?: Date;
  };
  /** Channels that must not be tried, with the address that this was learnt of. */
  suppressed?: Partial<Record<Channel, Suppression>>;
}

export const suppressionReasons = ["address", "opt_out", "bounced", "failing"] as const;

export interface Suppression {
  address: string;
  /** `failing`: a webhook to which every attempt has failed for days. */
  reason: (typeof suppressionReasons)[number];
  at: Date;
}

/** The address of a channel, as suppressions and people know it. */
export function addressOf(recipient: Recipient, channel: Channel): string | undefined {
  if (channel === "email") return recipient.email;
  return channel === "sms" ? recipient.phone : recipient.webhook?.url;
}
