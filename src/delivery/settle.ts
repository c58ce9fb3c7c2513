import type { HeldDelivery, Settlement, Turn } from "../model/delivery.ts";
import { nextDelayMs, type RetryPolicy } from "../model/schedule.ts";

/** The one place that turns a turn's result into the delivery's next state. Pure. `now`: Unix ms at the end of the turn. */
export function settlementOf(
  delivery: HeldDelivery,
  turn: Turn,
  now: number,
  policy: RetryPolicy & { resendUnknown: boolean },
  random: number,
): Settlement {
  const { attempts, result } = turn;
  const free = result.kind === "retry" && result.free === true;
  const counts = !free && attempts.some((attempt) => attempt.outcome !== "misconfigured");
  const tries = delivery.tries + (counts ? 1 : 0);
  const base = { delivery, attempts, tries };
  switch (result.kind) {
    case "sent":
      return { ...base, state: "sent", ...(result.providerId && { providerId: result.providerId }) };
    case "skip":
      return { ...base, state: "skipped", reason: result.reason, detail: result.text };
    case "rejected":
      return {
        ...base,
        state: "failed",
        reason: result.reason,
        ...(attempts.length === 0 && { detail: result.text }),
      };
    case "hold":
      return { ...base, state: "pending", due: result.until };
    case "unknown":
      if (!policy.resendUnknown) return { ...base, state: "uncertain", reason: "unanswered" };
      return again(undefined);
    case "retry":
      return again(result.afterMs);
  }

  function again(afterMs: number | undefined): Settlement {
    const delay = nextDelayMs(policy, tries, random, afterMs);
    return delay === undefined
      ? { ...base, state: "failed", reason: "exhausted" }
      : { ...base, state: "pending", due: now + delay };
  }
}
