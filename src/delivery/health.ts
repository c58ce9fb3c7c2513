import type { AttemptOutcome } from "../model/delivery.ts";

export interface Availability {
  /** How many may be under way now: any number, one as a probe, or none. */
  limit: number;
  /** With a limit of 0: when to ask again (Unix ms). */
  until?: number;
}

/** For `/readyz?verbose`, metrics and logs. */
export interface HealthState {
  state: "ok" | "paused" | "open";
  /** What the provider said when this began. */
  code?: string;
  since?: number;
  /** When it is tried again. */
  until?: number;
}

export interface Health {
  availability(): Availability;
  /** Permission for one attempt, to be answered with its outcome; undefined while it rests. */
  enter(): ((outcome: AttemptOutcome) => void) | undefined;
  state(): HealthState;
}

const openAfter = 5;
const firstProbeMs = 1_000;
const longestProbeMs = 30_000;
const configPauseMs = 60_000;

/**
 * Whether a provider is worth asking. Five ailing answers in a row open the breaker: then one attempt at a time is let
 * through, at growing intervals, until one is answered. A refusal of our configuration pauses it for a minute, since
 * every message would meet the same refusal.
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

  function rest(state: "paused" | "open", code: string, ms: number): void {
    const since = current.state === state ? (current.since ?? now()) : now();
    become({ state, code, since, until: now() + ms });
  }

  function learn(outcome: AttemptOutcome): void {
    const ailing =
      (outcome.kind === "unknown" && outcome.ailing !== false) ||
      (outcome.kind === "retry" && outcome.ailing === true);
    if (outcome.kind === "misconfigured") {
      rest("paused", outcome.code, configPauseMs);
    } else if (!ailing) {
      failures = 0;
      probeMs = firstProbeMs;
      become({ state: "ok" });
    } else if (++failures >= openAfter) {
      rest("open", outcome.code, probeMs);
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
        // Those that were under way when it opened say nothing new, unless one of them was answered.
        else if (current.state === "open" && outcome.kind !== "sent" && outcome.kind !== "misconfigured")
          return;
        learn(outcome);
      };
    },
    state: () => current,
  };
}
