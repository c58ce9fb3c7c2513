import type { Decision } from "./decide.ts";
import type { DigestKey } from "./digest.ts";
import type { Channel } from "./notification.ts";
import type { CallRules } from "./rules.ts";

/**
 * A delivery is one notification on one outbound channel. Its states:
 *
 *   pending ──claim──▶ sending ──taken by the provider──▶ sent ──its callback──▶ delivered, or failed
 *      ▲                  │ ├──permanent, or tries used up──▶ failed (with a reason)
 *      │                  │ ├──nothing to send to───────────▶ skipped (with a reason)
 *      │                  │ └──may have been sent, and the type would rather not send twice──▶ uncertain
 *      └──retry at `due`──┘   a rule may also make it wait, or end as skipped
 *      └──given back, or its lease ran out
 *
 * A rule may also gather it: sending ─▶ held ──its digest is due──▶ digested, or skipped. The digest is a delivery of its own,
 * with these same states. `recalled`: its caller took it back before it was sent.
 *
 * `sending` belongs to whoever holds the lease's token; a settlement with another token changes nothing.
 * `canceled`: its user was erased before it was sent.
 */
export const deliveryStates = [
  "pending",
  "sending",
  "sent",
  "delivered",
  "failed",
  "skipped",
  "canceled",
  "uncertain",
  "held",
  "digested",
  "recalled",
] as const;
export type DeliveryState = (typeof deliveryStates)[number];

/** The user of deliveries whose user was erased: no id is empty. */
export const nobody = "";

/** The content that a template can use, kept with the delivery so that a trimmed inbox does not matter. */
export interface DeliveryContent {
  key: string;
  /** Unix milliseconds of the notification. */
  at: number;
  title?: string;
  body?: string;
  targetId?: string;
  topic?: string;
  data?: Record<string, unknown>;
  /** Several notifications in one message. Then `key` is the type of the first. */
  digest?: DigestContent;
}

/** A digest, when its message is rendered: several notifications of one user. */
export interface DigestContent {
  /** `types.<key>`, `categories.<key>`, `*` or `budget`. */
  scope: string;
  by?: string;
  /** All of them. */
  count: number;
  /** The newest, oldest first. */
  items: DeliveryContent[];
  /** By type, and by the value of its digest's `by`. Counts are exact. */
  groups: Array<{ type: string; by?: string; count: number }>;
}

/** A delivery that this process holds a lease on. */
export interface HeldDelivery {
  id: string;
  notification: string;
  user: string;
  channel: Channel;
  content: DeliveryContent;
  /** The rules of the call; they go before the type's. */
  rules?: CallRules;
  /** Attempts made that count against the retry policy. */
  tries: number;
  /** It is a digest. */
  digest?: DigestKey;
  /** On a channel with several addresses a user: the newest outcome of each, by `target`. */
  outcomes?: Record<string, AttemptOutcome["kind"]>;
  /** How often a worker ended while it held this; absent when never. */
  interruptions?: number;
  /** A part of a broadcast: others go first. */
  bulk?: true;
  token: string;
}

/** Why a delivery ended without arriving: reasons a person can act on. */
export const reasons = [
  "address",
  "message",
  "policy",
  "opt_out",
  "expired",
  "exhausted",
  "template",
  "no_address",
  "no_provider",
  "suppressed",
  "bounced",
  "undelivered",
  "unanswered",
  "poison",
  "erased",
  "preference",
  "muted",
  "condition",
  "throttled",
  "empty",
] as const;
export type Reason = (typeof reasons)[number];

/** The meaning of one provider's answer (`docs/providers` has each provider's table). */
export type AttemptOutcome =
  | { kind: "sent"; providerId?: string; text?: string }
  /**
   * Transient; `afterMs` when the answer names a time. `ailing`: it tells about the provider rather than about this
   * message, so enough of them in a row open its breaker. `free`: uses up no try.
   */
  | { kind: "retry"; code: string; text: string; afterMs?: number; ailing?: boolean; free?: true }
  /** The answer never came: it may have been sent. Ailing too, unless it says that it tells of one target alone. */
  | { kind: "unknown"; code: string; text: string; ailing?: false }
  /**
   * Permanent. `doubt`: the refusal may be about us (`delivery/judge.ts`): `named` when it is about this recipient
   * unless everybody is refused, `remedy` for the case that it is us. `remember`: false when the address must
   * not be suppressed.
   */
  | {
      kind: "rejected";
      reason: Reason;
      code: string;
      text: string;
      doubt?: { named: boolean; remedy: string };
      remember?: false;
    }
  /**
   * The provider refuses us: our credentials, sender or account. Uses up no try and pauses the provider.
   * `remedy`: one sentence that tells the operator what to do. `perhapsOneOnly`: said about one message, so it may
   * hold for that one alone.
   */
  | { kind: "misconfigured"; code: string; text: string; remedy: string; perhapsOneOnly?: true };

/** One line of a delivery's history. */
export interface Attempt {
  at: number;
  provider: string;
  /** Which of the user's addresses, on a channel that gives several. */
  target?: string;
  outcome: AttemptOutcome["kind"];
  code?: string;
  /** The provider's own words, at most 500 characters. */
  text?: string;
  /** How long it took. */
  ms: number;
  /** The provider's own id of the copy it took. */
  providerId?: string;
}

/** One run of a delivery: the providers asked, in order, and what it came to. */
export interface DeliveryRun {
  attempts: Attempt[];
  result:
    | Extract<AttemptOutcome, { kind: "sent" | "unknown" | "rejected" | "retry" }>
    /** Nobody could be asked; look again then (Unix ms). Uses up no try. */
    | { kind: "hold"; until: number }
    /** A rule says so: not yet, or not at all. */
    | { kind: "decided"; decision: Exclude<Decision, { verdict: "send" | "hold" }> }
    /** A digest has it now, and the lease is gone. */
    | { kind: "held" };
  /** One of the user's addresses has taken it, so it ends as sent whatever becomes of the others. */
  taken?: true;
}

/** A decision about a delivery, as it is kept. Unix ms. */
export interface StoredDecision {
  at: number;
  verdict: Decision["verdict"];
  rule: string;
  /** For `later`. */
  until?: number;
}

/** How a held delivery goes on after a run. */
export interface Settlement {
  delivery: HeldDelivery;
  attempts: Attempt[];
  state: Extract<DeliveryState, "pending" | "sent" | "failed" | "skipped" | "uncertain" | "held">;
  /** Counted tries after this run. */
  tries: number;
  /** For `pending`: Unix milliseconds. */
  due?: number;
  reason?: Reason;
  /** A sentence where no attempt tells it. */
  detail?: string;
  /** The rule that made it wait or end. */
  decision?: StoredDecision;
  providerId?: string;
}

/** Thrown by a provider; says itself whether to try again. */
export class SendError extends Error {
  readonly outcome: Exclude<AttemptOutcome, { kind: "sent" }>;

  constructor(outcome: SendError["outcome"], cause?: unknown) {
    super(`${outcome.kind}: ${outcome.code} ${outcome.text}`, { cause });
    this.name = "SendError";
    this.outcome = outcome;
  }
}
