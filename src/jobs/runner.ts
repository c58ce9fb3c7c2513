import { backoffMs, pause } from "../lib/backoff.ts";
import { createBatcher } from "../lib/batcher.ts";
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

interface Ended {
  job: HeldJob;
  settlement: JobSettlement;
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
  /** Kinds of which more may be due than there was room for. */
  const more = new Set<JobKind>();
  let looking: Promise<void> | undefined;
  let isHinted = false;
  let started = 0;
  let fedUntil: number | undefined;
  let isStopping = false;

  const settlements = createBatcher<Ended, void>({
    run: async (ended) => {
      await claims.settle(ended, now());
      return ended.map(() => undefined);
    },
    maxItems: 200,
  });

  /** A hint that any job may be due. */
  function look(): void {
    isHinted = true;
    pump();
  }

  const roomFor = (kind: JobKind) =>
    kind.atOnce - [...runs.keys()].filter((job) => job.kind === kind.name).length;
  /** Several at a time: a claim costs as much for one as for many. */
  const hasRoom = (kind: JobKind) => roomFor(kind) * 2 >= kind.atOnce;

  /** The end of a job alone causes no claim: a hint does, or a claim that found as many as it wanted. */
  function pump(): void {
    if (looking || isStopping || !(isHinted || [...more].some(hasRoom))) return;
    looking = claimAll()
      .catch(warning("could not look for due jobs"))
      .then(() => {
        looking = undefined;
        pump();
      });
  }

  async function claimAll(): Promise<void> {
    if (isHinted) {
      isHinted = false;
      for (const kind of kinds) more.add(kind);
      fedUntil = await feed?.().catch((error: unknown) => {
        log.warn({ err: error }, "could not look for due schedules");
        return undefined;
      });
    }
    for (const kind of [...more].filter(hasRoom)) {
      more.delete(kind);
      const room = roomFor(kind);
      const lease = { token: newId(), until: now() + leaseMs };
      const claimed = await claims.claim(kind.name, room, lease, now());
      for (const job of claimed) start(kind, job, lease.until);
      if (claimed.length === room) more.add(kind);
    }
  }

  function start(kind: JobKind, job: HeldJob, until: number): void {
    started++;
    const controller = new AbortController();
    if (isStopping) controller.abort();
    const ended = run(kind, job, controller.signal).finally(() => {
      runs.delete(job);
      pump();
    });
    runs.set(job, { controller, until, ended });
  }

  async function run(kind: JobKind, job: HeldJob, signal: AbortSignal): Promise<void> {
    const settlement = await settlementOf(kind, job, signal);
    for (;;) {
      try {
        await settlements.submit({ job, settlement });
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
    const returned = await claims.sweep(now(), mostTries, [...runs.keys()]);
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
      for (;;) {
        const before = started;
        look();
        while (looking || runs.size > 0)
          await Promise.all([looking, ...[...runs.values()].map((one) => one.ended)]);
        const times = [fedUntil, await claims.nextDue(names)].filter((one) => one !== undefined);
        const next = times.length > 0 ? Math.min(...times) : undefined;
        if (next === undefined || next > now() || started === before) return next;
      }
    },
    /** Claims no more. Jobs stop at their next checkpoint; those that have none get up to `graceMs` to end. */
    async stop(graceMs: number): Promise<void> {
      isStopping = true;
      poll.stop();
      for (const { controller } of runs.values()) controller.abort();
      const patience = new Promise((resolve) => timers.push(setTimeout(resolve, graceMs)));
      const ended = Promise.resolve(looking).then(() =>
        Promise.all([...runs.values()].map((one) => one.ended)),
      );
      await Promise.race([ended, patience]);
      for (const timer of timers) clearInterval(timer);
    },
  };
}

export type Runner = ReturnType<typeof createRunner>;
