import type { Attempt } from "../model/delivery.ts";

/** Whether a send to a target may begin: at once, soon (it stays in memory), or not before `until` (Unix ms). */
export type Admission = "go" | "wait" | { until: number };

/** What is known of one host while it is called, or while it is paused. */
interface Target {
  /** When each send in hand began; oldest first. */
  inHand: Set<{ begun: number }>;
  limit: number;
  pauseMs: number;
  pausedUntil: number;
  /** The latest time that was given to a delivery which has to come back. */
  bookedUntil: number;
}

/** Sends in hand to a target that is new, or slow. */
const fewInHand = 4;
/** A send that takes longer occupies a slot that others need. */
const slowMs = 1_000;
const firstPauseMs = 10_000;
const longestPauseMs = 10 * 60_000;
/** Deliveries that have to come back do not all come back at the same moment. */
const stepMs = 250;
const longestSpreadMs = 5 * 60_000;

/**
 * Keeps one silent or slow target from delaying the others: at first 4 sends are in hand for each host. Each answer
 * within a second allows one more, up to half of the worker's slots. After a time-out the host is paused, for 10 s and
 * twice as long each time (at most 10 minutes), and then called once until it answers. A delivery that has to wait goes
 * back to the database unsent: it keeps its tries.
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

    /** A send begins; call what it answers with the attempt that was made, if one was. */
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
          // Those that were in hand together time out together: that is one pause.
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

/** Host and port of a URL; undefined when it is none. */
export function hostOf(url: string | undefined): string | undefined {
  return url !== undefined && URL.canParse(url) ? new URL(url).host : undefined;
}
