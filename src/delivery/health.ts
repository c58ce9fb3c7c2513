import type { AttemptOutcome } from "../model/delivery.ts";
import { createJudge, type Judge } from "./judge.ts";

export interface Availability {
  /** How many sends may run now: any number, one as a probe, or none. */
  limit: number;
  /** With a limit of 0: when to ask again (Unix ms). */
  until?: number;
}

/** For `/readyz?verbose`, metrics and logs. */
export interface HealthState {
  state: "ok" | "paused" | "open";
  /** The code of the last answer. */
  code?: string;
  /** The last answer without addresses, because `/readyz` is public. */
  text?: string;
  /** One sentence that tells the operator what to do. */
  remedy?: string;
  since?: number;
  /** When the next attempt is allowed. */
  until?: number;
}

export interface Health {
  availability(): Availability;
  /** Permission for one attempt; call the result with its outcome. Undefined while the provider is paused. */
  enter(): ((outcome: AttemptOutcome) => void) | undefined;
  /** Decides, before the outcome is reported, whether a refusal is about the recipient or about us. */
  judge: Judge;
  state(): HealthState;
}

const openAfter = 5;
const firstProbeMs = 1_000;
const longestProbeMs = 30_000;
const misconfiguredPauseMs = 60_000;
const unreachableRemedy =
  "Check that the provider is up and that this machine can reach it. Belfry retries automatically.";

interface Said {
  code: string;
  text: string;
}

/**
 * Decides whether a provider is used. Five failures in a row open the breaker: then one attempt at a time is allowed, at
 * growing intervals, until one succeeds. A refusal of our configuration pauses the provider for a minute, because every
 * message would be refused.
 */
export function createHealth(options: { now: () => number; onChange: (state: HealthState) => void }): Health {
  const { now, onChange } = options;
  let current: HealthState = { state: "ok" };
  let failures = 0;
  let probeMs = firstProbeMs;
  let probing = false;

  function become(next: HealthState): void {
    const changed = next.state !== current.state;
    current = next;
    if (changed) onChange(next);
  }

  function pause(state: "paused" | "open", { code, text }: Said, remedy: string, ms: number): void {
    const since = current.state === state ? (current.since ?? now()) : now();
    become({ state, code, text: withoutAddresses(text), remedy, since, until: now() + ms });
  }

  function learn(outcome: AttemptOutcome): void {
    const ailing =
      (outcome.kind === "unknown" && outcome.ailing !== false) ||
      (outcome.kind === "retry" && outcome.ailing === true);
    if (outcome.kind === "misconfigured") {
      pause("paused", outcome, outcome.remedy, misconfiguredPauseMs);
    } else if (!ailing) {
      failures = 0;
      probeMs = firstProbeMs;
      become({ state: "ok" });
    } else if (++failures >= openAfter) {
      pause("open", outcome, unreachableRemedy, probeMs);
      probeMs = Math.min(probeMs * 2, longestProbeMs);
    }
  }

  return {
    availability() {
      if (current.state === "ok") return { limit: Number.POSITIVE_INFINITY };
      const until = current.until as number;
      if (until > now()) return { limit: 0, until };
      return probing ? { limit: 0, until: now() + firstProbeMs } : { limit: 1 };
    },
    enter() {
      if (this.availability().limit === 0) return undefined;
      const isProbe = current.state !== "ok";
      if (isProbe) probing = true;
      return (outcome) => {
        if (isProbe) probing = false;
        // Attempts that began before the breaker opened add no information, unless one succeeded.
        else if (current.state === "open" && outcome.kind !== "sent" && outcome.kind !== "misconfigured")
          return;
        learn(outcome);
      };
    },
    judge: createJudge(now),
    state: () => current,
  };
}

/** Keeps an e-mail address's domain and a number's first digits, which is enough to recognise a sender of ours. */
function withoutAddresses(text: string): string {
  return text
    .replace(/[^\s<>"'(,;:]+@/g, "…@")
    .replace(/\+?\d{8,}/g, (number) => `${number.slice(0, 4)}…`)
    .slice(0, 500);
}
