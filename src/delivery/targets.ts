import type { Attempt } from "../model/delivery.ts";

/** Whether a send to a target may begin: at once, soon (it stays in memory), or not before `until` (Unix ms). */
export type Admission = "go" | "wait" | { until: number };

/** The state of one host that has sends in progress or is paused. */
interface Target {
  /** Start time of each send in progress; oldest first. */
  inHand: Set<{ begun: number }>;
  limit: number;
  pauseMs: number;
  pausedUntil: number;
  /** The latest time given to a delivery that was put back. */
  bookedUntil: number;
}

/** Sends in progress to a new or slow target. */
const fewInHand = 4;
/** A send that takes longer occupies a slot that others need. */
const slowMs = 1_000;
const firstPauseMs = 10_000;
const longestPauseMs = 10 * 60_000;
/** Spreads the deliveries that were put back, so they do not all return at the same moment. */
const stepMs = 250;
const longestSpreadMs = 5 * 60_000;

/**
 * Keeps one silent or slow target from delaying the others. Each host starts with 4 sends in progress. Each answer
 * within a second allows one more, up to half of the worker's slots. A time-out pauses the host for 10 s, and twice
 * as long each further time (at most 10 minutes). Then one send at a time probes it until it answers. A delivery that
 * has to wait goes back to the database unsent and keeps its tries.
 */
export function createTargets(options: { now: () => number; concurrency: number }) {
  const { now } = options;
  const most = Math.max(1, Math.floor(options.concurrency / 2));
  const few = Math.min(fewInHand, most);
  const targets = new Map<string, Target>();

  function comeBack(target: Target, from: number): Admission {
    target.bookedUntil = Math.min(Math.max(target.bookedUntil, from) + stepMs, from + longestSpreadMs);
    return { until: target.bookedUntil };
  }

  return {
    admit(host: string): Admission {
      const target = targets.get(host);
      if (!target) return "go";
      if (target.pausedUntil > now()) return comeBack(target, target.pausedUntil);
      if (target.inHand.size < target.limit) return "go";
      const [oldest] = target.inHand;
      return now() - (oldest?.begun ?? 0) < slowMs ? "wait" : comeBack(target, now());
    },

    /** A send begins. Call the result with its attempt, if one was made. */
    begin(host: string): (attempt: Attempt | undefined) => void {
      const target = targets.get(host) ?? {
        inHand: new Set(),
        limit: few,
        pauseMs: 0,
        pausedUntil: 0,
        bookedUntil: 0,
      };
      targets.set(host, target);
      const send = { begun: now() };
      target.inHand.add(send);
      return (attempt) => {
        target.inHand.delete(send);
        if (attempt?.code === "TIMEOUT") {
          target.limit = 1;
          // Sends that were in progress together time out together and count as one pause.
          if (target.pausedUntil <= now()) {
            target.pauseMs = Math.min(Math.max(firstPauseMs, target.pauseMs * 2), longestPauseMs);
            target.pausedUntil = now() + target.pauseMs;
          }
        } else if (attempt) {
          target.pauseMs = 0;
          target.pausedUntil = 0;
          target.limit = attempt.ms < slowMs ? Math.min(target.limit + 1, most) : few;
        }
        if (target.inHand.size === 0 && target.pauseMs === 0) targets.delete(host);
      };
    },
  };
}

export type Targets = ReturnType<typeof createTargets>;

/** Host and port of a URL; undefined when the text is not a URL. */
export function hostOf(url: string | undefined): string | undefined {
  return url !== undefined && URL.canParse(url) ? new URL(url).host : undefined;
}
