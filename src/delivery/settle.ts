import type { DeliveryRun, HeldDelivery, Settlement } from "../model/delivery.ts";
import { nextDelayMs, type RetryPolicy } from "../model/retry-policy.ts";

/** Computes a delivery's next state from the result of its run. Pure. `now`: Unix ms at the end of the run. */
export function settlementOf(
  delivery: HeldDelivery,
  run: DeliveryRun,
  now: number,
  policy: RetryPolicy & { resendUnknown: boolean },
  random: number,
): Settlement {
  const { attempts, result, taken } = run;
  const free = result.kind === "retry" && result.free === true;
  const counts = !free && attempts.some((attempt) => attempt.outcome !== "misconfigured");
  const tries = delivery.tries + (counts ? 1 : 0);
  const base = { delivery, attempts, tries };
  const next = nextOf();
  return taken && next.state !== "pending" && next.state !== "sent" ? { ...base, state: "sent" } : next;

  function nextOf(): Settlement {
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
  }

  function again(afterMs: number | undefined): Settlement {
    const delay = nextDelayMs(policy, tries, random, afterMs);
    return delay === undefined
      ? { ...base, state: "failed", reason: "exhausted" }
      : { ...base, state: "pending", due: now + delay };
  }
}
