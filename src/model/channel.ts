import type { DeliveryContent, HeldDelivery, Reason } from "./delivery.ts";
import type { Channel } from "./notification.ts";
import type { Preferences } from "./preferences.ts";

/** The fields of every message: `id` is the delivery's, the same on each attempt. */
export interface Message {
  id: string;
  user: string;
  /** Which of the user's addresses, on a channel that gives several. */
  target?: string;
}

export interface EmailMessage extends Message {
  to: string;
  subject: string;
  text: string;
  html?: string;
  /** Where answers go, and the sender's name instead of the configured one. */
  replyTo?: string;
  fromName?: string;
  /** More headers, such as `List-Unsubscribe`. */
  headers?: Record<string, string>;
}

export interface SmsMessage extends Message {
  /** As the profile has it, usually E.164. */
  to: string;
  text: string;
}

export interface WebhookMessage extends Message {
  url: string;
  /** `whsec_…`; two during a rotation, both sign. */
  secrets: string[];
  /** The user's own, such as `Authorization`. */
  headers?: Record<string, string>;
  /** The JSON body: `type`, `timestamp`, `data`. */
  payload: object;
}

/** Carries messages of one channel. */
export interface Provider<M extends Message = Message> {
  readonly name: string;
  readonly channel: Channel;
  /**
   * Resolves once the provider has taken the message; throws `SendError` for everything else. When `signal` aborts, the
   * engine no longer waits: the provider destroys the socket it sends on.
   */
  send(message: M, signal?: AbortSignal): Promise<{ providerId?: string; text?: string }>;
  /** Where a provider can be asked without sending: logs in. Throws `SendError`. */
  verify?(): Promise<void>;
  close(): Promise<void>;
}

/** One place where a user can be reached on a channel. */
export interface Address {
  /** As suppressions and people know it. */
  address: string;
  /** Its name among several, such as a device's id. A channel with one address has none. */
  target?: string;
}

/** The links of a message with which its user changes what Belfry sends. */
export interface MessageLinks {
  /** The user's preference page. */
  preferences: string;
  /** The page that turns off e-mails of this kind. Absent when the user cannot turn them off. */
  unsubscribe?: string;
  /** The name of these e-mails for mail programs (RFC 2919). */
  listId?: string;
}

/** The templates of a type for one channel, rendered for one notification. */
export interface Rendered {
  /** The rendered templates, by their names in the channel's `templates`. */
  parts: Record<string, string>;
  /** The type's other settings for the channel. */
  settings: Record<string, unknown>;
  /** The type's key in words. */
  typeName: string;
  links?: MessageLinks | undefined;
}

/** The rules of a channel: pure, so the core, the engine and the console can read them. */
export interface ChannelRules<M extends Message = Message> {
  readonly name: Channel;
  /** For people: the title of its group of variables. */
  label: string;
  /** The JSON Schema of its entry in a notification type. */
  schema: object;
  /**
   * The Liquid templates in that entry, with the defaults that fill the gaps: `digest` for several notifications in one message. `html`
   * escapes every value.
   */
  templates: Record<string, { default: string; digest?: string; html?: true }>;
  /** The problems with an entry that its schema allows. */
  problems?(settings: Record<string, unknown>): string[];
  addresses(recipient: Recipient): Address[];
  /** The message for one address. */
  message(
    rendered: Rendered,
    delivery: Pick<HeldDelivery, "notification" | "user"> & { content: DeliveryContent },
    address: string,
    recipient: Recipient,
  ): Omit<M, keyof Message>;
  /** Why a message is not sent: a limit of the channel. */
  refusal?(message: Omit<M, keyof Message>): { reason: Reason; code: string; text: string } | undefined;
  /** The part of a message that an operator sees. */
  shown(message: Omit<M, keyof Message>): object;
  /** One form for all spellings of an address, so that a provider's report finds the user's. */
  plain(address: string): string;
}

/** A message that no provider got, kept by the capture provider. */
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
  /** There is no such user, or no longer. */
  missing?: true;
  email?: string;
  phone?: string;
  locale?: string;
  timeZone?: string;
  preferences?: Preferences;
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
