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
      case "decided":
        return decided(result.decision);
      case "rejected":
        return {
          ...base,
          state: "failed",
          reason: result.reason,
          ...(attempts.length === 0 && { detail: result.text }),
        };
      case "held":
        return { ...base, state: "held" };
      case "hold":
        return { ...base, state: "pending", due: result.until };
      case "unknown":
        if (!policy.resendUnknown) return { ...base, state: "uncertain", reason: "unanswered" };
        return again(undefined);
      case "retry":
        return again(result.afterMs);
    }
  }

  function decided(decision: Extract<DeliveryRun["result"], { kind: "decided" }>["decision"]): Settlement {
    const { verdict, rule } = decision;
    const kept = { at: now, verdict, rule };
    if (decision.verdict === "later") {
      const { until } = decision;
      return { ...base, state: "pending", due: until, decision: { ...kept, until } };
    }
    const { reason, text } = decision;
    return { ...base, state: "skipped", reason, detail: text, decision: kept };
  }

  function again(afterMs: number | undefined): Settlement {
    const delay = nextDelayMs(policy, tries, random, afterMs);
    return delay === undefined
      ? { ...base, state: "failed", reason: "exhausted" }
      : { ...base, state: "pending", due: now + delay };
  }
}
