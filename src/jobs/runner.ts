import { backoffMs, pause } from "../lib/backoff.ts";
import { createPoll, every } from "../lib/timers.ts";
import { BelfryError } from "../model/errors.ts";
import type { HeldJob, JobCounts } from "../model/job.ts";
import type { Store } from "../store/index.ts";
import type { JobSettlement } from "../store/job-claims.ts";
import { type JobKind, JobStopped } from "./kind.ts";

export interface RunnerOptions {
  leaseMs: number;
  /** Makes jobs that are due of what is stored elsewhere. Resolves with when it has more (Unix ms). */
  feed?: () => Promise<number | undefined>;
  /** From 0 up to 1: spreads retries. */
  random?: () => number;
  /** Called after each run, and when it ended a job with the state. */
  onRun?: (job: HeldJob, state: JobSettlement["state"]) => void;
  log: Record<"info" | "warn" | "error", (details: object, message: string) => void>;
}

/** How often to look for due jobs that nothing announced. */
const pollMs = 1_000;
/** A job is retried for about an hour. */
const mostTries = 15;
const firstRetryMs = 1_000;
const longestRetryMs = 10 * 60_000;

/**
 * Runs the jobs of these kinds under leases, in the order in which they are due. A job may run twice after a crash, from
 * its last checkpoint, so each kind stores under ids made beforehand.
 */
export function createRunner(
  { jobClaims: claims, newId, now }: Pick<Store, "jobClaims" | "newId" | "now">,
  kinds: JobKind[],
  options: RunnerOptions,
) {
  const { leaseMs, feed, random = Math.random, onRun, log } = options;
  const names = kinds.map((one) => one.name);
  const runs = new Map<HeldJob, { controller: AbortController; until: number; ended: Promise<void> }>();
  const timers: NodeJS.Timeout[] = [];
  const poll = createPoll({ pollMs }, look);
  let search: "idle" | "looking" | "looking, more due" = "idle";
  let looking = Promise.resolve();
  let fedUntil: number | undefined;
  let isStopping = false;

  /** Claims and starts what is due. */
  function look(): void {
    if (search !== "idle") {
      search = "looking, more due";
      return;
    }
    search = "looking";
    looking = claimAll()
      .catch(warning("could not look for due jobs"))
      .then(() => {
        const again = search === "looking, more due";
        search = "idle";
        if (again && !isStopping) look();
      });
  }

  async function claimAll(): Promise<void> {
    fedUntil = await feed?.().catch((error: unknown) => {
      log.warn({ err: error }, "could not look for due schedules");
      return undefined;
    });
    for (const kind of kinds) {
      const room = kind.atOnce - [...runs.keys()].filter((job) => job.kind === kind.name).length;
      // Several at a time: a claim costs as much for one as for many.
      if (isStopping || room * 2 < kind.atOnce) continue;
      const lease = { token: newId(), until: now() + leaseMs };
      const claimed = await claims.claim(kind.name, room, lease, now());
      for (const job of claimed) start(kind, job, lease.until);
      const last = claimed.at(-1);
      if (last && claimed.length === room) search = "looking, more due";
    }
  }

  function start(kind: JobKind, job: HeldJob, until: number): void {
    const controller = new AbortController();
    if (isStopping) controller.abort();
    const ended = run(kind, job, controller.signal).finally(() => {
      runs.delete(job);
      if (!isStopping) look();
    });
    runs.set(job, { controller, until, ended });
  }

  async function run(kind: JobKind, job: HeldJob, signal: AbortSignal): Promise<void> {
    const settlement = await settlementOf(kind, job, signal);
    for (;;) {
      try {
        await claims.settle(job, settlement, now());
        break;
      } catch (error) {
        log.warn({ err: error, job: job.id }, "the end of a job could not be stored; trying again");
        // Another process has it by then.
        if (now() > (runs.get(job)?.until ?? 0)) break;
        await pause(200 + 300 * random());
      }
    }
    onRun?.(job, settlement.state);
  }

  async function settlementOf(kind: JobKind, job: HeldJob, signal: AbortSignal): Promise<JobSettlement> {
    const reached: JobCounts = { done: job.done, failed: job.failed };
    const save = async (cursor: unknown, counts: JobCounts) => {
      const state = await claims.save(job, cursor, counts, now());
      Object.assign(reached, counts);
      job.tries = 0;
      if (state !== "running" || signal.aborted) throw new JobStopped();
    };
    try {
      signal.throwIfAborted();
      const end = await kind.run(job, { save, signal });
      return { state: end.done === 0 && end.failed > 0 ? "failed" : "done", ...end };
    } catch (error) {
      // Another process goes on at once.
      if (error instanceof JobStopped || signal.aborted)
        return { state: "scheduled", due: job.due, tries: job.tries };
      const { message } = error as Error;
      const tries = job.tries + 1;
      const isFinal = (error instanceof BelfryError && error.status < 500) || tries >= mostTries;
      log.warn({ err: error, job: job.id, kind: kind.name }, isFinal ? "a job failed" : "a job is retried");
      if (isFinal) return { ...reached, state: "failed", error: message };
      const due = now() + Math.round(backoffMs(tries, firstRetryMs, longestRetryMs, random));
      return { state: "scheduled", due, tries, error: message };
    }
  }

  /** A job whose lease is lost stops at its next checkpoint. */
  async function renew(): Promise<void> {
    const held = [...runs.keys()];
    if (held.length === 0) return;
    const until = now() + leaseMs;
    const kept = await claims.renew(held, until);
    for (const job of held) {
      const one = runs.get(job);
      if (!one) continue;
      if (kept.has(job.id)) one.until = until;
      else one.controller.abort();
    }
  }

  async function sweep(): Promise<void> {
    const returned = await claims.sweep(now(), mostTries);
    if (returned === 0) return;
    log.info({ returned }, "leases expired; their jobs go on");
    look();
  }

  function warning(sentence: string) {
    return (error: unknown) => log.warn({ err: error }, sentence);
  }

  return {
    start(): void {
      timers.push(
        every(leaseMs / 3, renew, warning("could not renew the leases of jobs")),
        every((leaseMs / 2) * (0.9 + 0.2 * random()), sweep, warning("could not look for expired jobs")),
      );
      poll.start();
    },
    /** A hint that a job was stored, or changed, that is due then (Unix ms). */
    wake: (due: number): void => poll.within(due - now()),
    /** Runs what is due. Resolves with when there is more to run (Unix ms); undefined when nothing is scheduled. */
    async drain(): Promise<number | undefined> {
      look();
      while (search !== "idle" || runs.size > 0)
        await Promise.all([looking, ...[...runs.values()].map((one) => one.ended)]);
      const times = [fedUntil, await claims.nextDue(names)].filter((one) => one !== undefined);
      return times.length > 0 ? Math.min(...times) : undefined;
    },
    /** Claims no more. Jobs stop at their next checkpoint; those that have none get up to `graceMs` to end. */
    async stop(graceMs: number): Promise<void> {
      isStopping = true;
      poll.stop();
      for (const { controller } of runs.values()) controller.abort();
      const patience = new Promise((resolve) => timers.push(setTimeout(resolve, graceMs)));
      const ended = looking.then(() => Promise.all([...runs.values()].map((one) => one.ended)));
      await Promise.race([ended, patience]);
      for (const timer of timers) clearInterval(timer);
    },
  };
}

export type Runner = ReturnType<typeof createRunner>;
