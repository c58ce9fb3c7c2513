import type { AttemptOutcome, HeldDelivery, Settlement } from "../model/delivery.ts";
import { nextDelayMs, type RetryPolicy } from "../model/schedule.ts";

/** A configuration error is looked at again after this, without using up a try. */
export const configPauseMs = 60_000;

/** The one place that turns an attempt's outcome into the delivery's next state. Pure. */
export function settlementOf(
  delivery: HeldDelivery,
  outcome: AttemptOutcome,
  attempt: { at: number; provider: string; ms: number },
  policy: RetryPolicy,
  random: number,
): Settlement {
  const line = {
    ...attempt,
    outcome: outcome.kind,
    ...("code" in outcome && { code: outcome.code }),
    ...(outcome.text !== undefined && { text: outcome.text.slice(0, 500) }),
  };
  const now = attempt.at + attempt.ms;
  const tries = delivery.tries + (outcome.kind === "config" || outcome.kind === "skip" ? 0 : 1);
  const base = { delivery, attempt: line, tries };
  switch (outcome.kind) {
    case "sent":
      return { ...base, state: "sent", ...(outcome.providerId && { providerId: outcome.providerId }) };
    case "skip":
      return { ...base, state: "skipped", reason: outcome.reason };
    case "no":
      return { ...base, state: "failed", reason: outcome.reason };
    case "config":
      return { ...base, state: "pending", due: now + configPauseMs };
    case "retry":
    case "unknown": {
      const afterMs = outcome.kind === "retry" ? outcome.afterMs : undefined;
      const delay = nextDelayMs(policy, tries, random, afterMs);
      return delay === undefined
        ? { ...base, state: "failed", reason: "exhausted" }
        : { ...base, state: "pending", due: now + delay };
    }
  }
}
