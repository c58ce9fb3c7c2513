import {
  type Attempt,
  type AttemptOutcome,
  type HeldDelivery,
  SendError,
  type Turn,
} from "../model/delivery.ts";
import type { Channel } from "../model/notification.ts";
import {
  addressOf,
  type Messages,
  type Provider,
  type Recipient,
  type Suppression,
} from "../model/provider.ts";
import { type Compose, compose } from "./compose.ts";
import { sendWithin } from "./deadline.ts";
import { failingDays } from "./endpoints.ts";
import type { Availability, Health } from "./health.ts";
import type { RateLimit } from "./rate.ts";

/** A provider with its health and rate. */
export interface Line<C extends Channel = Channel> {
  provider: Provider<C>;
  health: Health;
  rate?: RateLimit;
  /** How much of the rate a message uses: an SMS uses one per segment. */
  cost: (message: Messages[C]) => number;
}

export interface AttemptPartners {
  /** The channel's providers, in order of preference. */
  lines: Line[];
  render: Compose;
  recipient: (delivery: HeldDelivery) => Promise<Recipient>;
  /** Stores that nothing may be sent to the address any more. */
  suppress: (user: string, channel: Channel, address: string, reason: Suppression["reason"]) => Promise<void>;
  /** Marks a send as begun, if a crash during it must be noticed. False when the lease is lost. */
  begin?: (delivery: HeldDelivery) => Promise<boolean>;
  /** A send that takes longer ends as `unknown`. */
  deadlineMs: number;
  now: () => number;
  sleep: (ms: number) => Promise<void>;
}

/** If the rate limit requires a longer wait, the delivery goes back to pending instead of keeping a slot. */
export const ratePatienceMs = 2_000;

/**
 * Sends one delivery with the first available provider, or with the next one when that is paused or has a transient
 * failure. A send without an answer is not tried with another provider in the same turn. Never throws.
 */
export async function takeTurn(delivery: HeldDelivery, partners: AttemptPartners): Promise<Turn> {
  const { lines, now } = partners;
  const attempts: Attempt[] = [];
  if (lines.length === 0) return skip("no_provider", `no provider is configured for ${delivery.channel}`);

  let recipient: Recipient;
  try {
    recipient = await partners.recipient(delivery);
  } catch (error) {
    return retry("PROFILE", `the user's profile could not be read: ${(error as Error).message}`);
  }
  const address = addressOf(recipient, delivery.channel);
  if (!address) return skip("no_address", `the user has no address for ${delivery.channel}`);
  const suppression = recipient.suppressed?.[delivery.channel];
  if (suppression?.address === address) return skip("suppressed", suppressedText(suppression));

  const composed = compose(delivery, recipient, partners.render);
  if ("problem" in composed) return { attempts, result: { kind: "rejected", ...composed.problem } };
  if (partners.begin && !(await partners.begin(delivery).catch(() => false)))
    return retry("LEASE", "another worker took the delivery before the send");

  let last: Extract<AttemptOutcome, { kind: "retry" }> | undefined;
  let until = Number.POSITIVE_INFINITY;
  for (const line of lines) {
    const wait =
      line.health.availability().limit > 0 ? (line.rate?.take(line.cost(composed.message)) ?? 0) : 0;
    if (wait > ratePatienceMs) {
      until = Math.min(until, now() + wait);
      continue;
    }
    if (wait > 0) await partners.sleep(wait);
    const report = line.health.enter();
    if (!report) {
      until = Math.min(until, restOf(line.health.availability(), now()));
      continue;
    }
    const outcome = await ask(line, composed.message);
    report(outcome);
    if (
      outcome.kind === "rejected" &&
      (outcome.reason === "address" || outcome.reason === "opt_out") &&
      outcome.remember !== false
    )
      await partners.suppress(delivery.user, delivery.channel, address, outcome.reason).catch(() => {});
    if (outcome.kind === "misconfigured") until = Math.min(until, restOf(line.health.availability(), now()));
    else if (outcome.kind !== "retry") return { attempts, result: outcome };
    else last = outcome;
  }
  return { attempts, result: last ?? { kind: "hold", until } };

  async function ask({ provider, health }: Line, message: Messages[Channel]): Promise<AttemptOutcome> {
    const at = now();
    const answer = await sendWithin(partners.deadlineMs, provider, message).then(
      (taken): AttemptOutcome => ({ kind: "sent", ...taken }),
      // Any other error is a defect, and the message may have been sent.
      (error): AttemptOutcome =>
        error instanceof SendError ? error.outcome : { kind: "unknown", code: "DEFECT", text: String(error) },
    );
    const outcome = health.judge(answer, address as string, delivery.content.at);
    attempts.push({
      at,
      provider: provider.name,
      outcome: outcome.kind,
      ...("code" in outcome && { code: outcome.code }),
      ...(outcome.text !== undefined && { text: outcome.text.slice(0, 500) }),
      ms: now() - at,
      ...("providerId" in outcome && outcome.providerId && { providerId: outcome.providerId }),
    });
    return outcome;
  }

  function skip(reason: "no_address" | "no_provider" | "suppressed", text: string): Turn {
    return { attempts, result: { kind: "skip", reason, text } };
  }

  function retry(code: string, text: string): Turn {
    return { attempts, result: { kind: "retry", code, text } };
  }
}

function suppressedText({ reason, at }: Suppression): string {
  if (reason !== "failing") return `${reason} since ${at.toISOString()}`;
  const remedy = "store the webhook again, or remove the suppression";
  return `the webhook is disabled since ${at.toISOString()}: every attempt had failed for ${failingDays} days; ${remedy}`;
}

const restOf = (availability: Availability, now: number): number => availability.until ?? now + 1_000;

/** How many sends a channel can take now: as many as its best provider. */
export function channelAvailability(lines: Line[], now: number): Availability {
  if (lines.length === 0) return { limit: Number.POSITIVE_INFINITY };
  const all = lines.map((line) => line.health.availability());
  const limit = Math.max(...all.map((one) => one.limit));
  return limit > 0 ? { limit } : { limit, until: Math.min(...all.map((one) => restOf(one, now))) };
}
