import type { Channel } from "./notification.ts";

/**
 * A delivery is one notification on one outbound channel. Its states:
 *
 *   pending ──claim──▶ sending ──sent──────────────▶ sent
 *      ▲                  │ ├──permanent, or tries used up─▶ failed (with a reason)
 *      │                  │ └──nothing to send to──────────▶ skipped (with a reason)
 *      └──retry at `due`──┘
 *      └──released, or its lease ran out
 *
 * `sending` belongs to whoever holds the lease's token; a settlement with another token changes nothing.
 * `canceled` is for whoever takes a delivery back before it is sent.
 */
export const deliveryStates = ["pending", "sending", "sent", "failed", "skipped", "canceled"] as const;
export type DeliveryState = (typeof deliveryStates)[number];

/** What a template can use, kept with the delivery so that a trimmed inbox does not matter. */
export interface DeliveryContent {
  key: string;
  /** Unix milliseconds of the notification. */
  at: number;
  title?: string;
  body?: string;
  targetId?: string;
  data?: Record<string, unknown>;
}

/** A delivery that this process holds a lease on. */
export interface HeldDelivery {
  id: string;
  notification: string;
  user: string;
  channel: Channel;
  content: DeliveryContent;
  /** Attempts made that count against the retry policy. */
  tries: number;
  token: string;
}

/** Why an attempt did not send: reasons a person can act on. */
export type Reason =
  | "address"
  | "message"
  | "policy"
  | "exhausted"
  | "no_address"
  | "template"
  | "unknown_type";

/** What one attempt came to (see `docs/providers` for each provider's table). */
export type AttemptOutcome =
  | { kind: "sent"; providerId?: string; text?: string }
  /** Transient; `afterMs` when the answer names a time. */
  | { kind: "retry"; code: string; text: string; afterMs?: number }
  /** The answer never came: it may have been sent. Tried again under the same id. */
  | { kind: "unknown"; code: string; text: string }
  /** Permanent. */
  | { kind: "no"; reason: Reason; code: string; text: string }
  /** Our credentials, sender or account: uses up no try. */
  | { kind: "config"; code: string; text: string }
  /** There is nothing to send to or with; no provider was asked. */
  | { kind: "skip"; reason: Reason; text: string };

/** One line of a delivery's history. */
export interface Attempt {
  at: number;
  provider: string;
  outcome: AttemptOutcome["kind"];
  code?: string;
  /** The provider's own words, at most 500 characters. */
  text?: string;
  /** How long it took. */
  ms: number;
}

/** How a held delivery goes on after an attempt. */
export interface Settlement {
  delivery: HeldDelivery;
  attempt: Attempt;
  state: Extract<DeliveryState, "pending" | "sent" | "failed" | "skipped">;
  /** Counted tries after this attempt. */
  tries: number;
  /** For `pending`: Unix milliseconds. */
  due?: number;
  reason?: Reason;
  providerId?: string;
}

/** Thrown by a provider; says itself whether to try again. */
export class SendError extends Error {
  readonly outcome: Exclude<AttemptOutcome, { kind: "sent" } | { kind: "skip" }>;

  constructor(outcome: SendError["outcome"], cause?: unknown) {
    super(`${outcome.kind}: ${outcome.code} ${outcome.text}`, { cause });
    this.name = "SendError";
    this.outcome = outcome;
  }
}

/** An e-mail, rendered and addressed. */
export interface EmailMessage {
  /** The delivery's id, stable over attempts. */
  id: string;
  user: string;
  to: string;
  subject: string;
  text: string;
  html?: string;
}

export interface EmailProvider {
  readonly name: string;
  /** Resolves once the provider has taken the message; throws `SendError` for everything else. */
  send(message: EmailMessage): Promise<{ providerId?: string; text?: string }>;
  close(): Promise<void>;
}
