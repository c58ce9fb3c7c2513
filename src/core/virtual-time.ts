import { type Static, Type } from "typebox";
import type { Engine } from "../delivery/engine.ts";
import { createVirtualClock } from "../lib/virtual-clock.ts";
import type { HeldDelivery, Settlement } from "../model/delivery.ts";
import { durationForm, durationMs } from "../model/duration.ts";
import { BelfryError, invalidRequest } from "../model/errors.ts";
import { Count, iso, Time } from "../model/schema.ts";
import { readTime } from "./filters.ts";

/** What happened while the time was moved. */
export const MovedDto = Type.Object(
  {
    now: Time("The time afterwards."),
    steps: Count("Moments at which something was due."),
    jobs: Count("Runs of jobs."),
    sent: Count(),
    skipped: Count(),
    failed: Count(),
    uncertain: Count(),
    held: Count("Deliveries that joined a digest."),
    postponed: Count("How often a delivery was put off: to be retried, or because a rule says so."),
    next_due: Type.Optional(Time("When the next pending delivery is due.")),
  },
  { title: "ClockMoved" },
);
export type Moved = Static<typeof MovedDto>;

/** How the time is moved: one of the two. */
export interface WrittenMove {
  /** A duration, such as `3d`. */
  advance?: string;
  /** ISO 8601, or Unix milliseconds. */
  to?: string;
}

type Part = Pick<Engine, "drain">;

/** A delivery that is put off more often in one move never ends. */
const mostTimes = 10_000;
/** Steps in a row in which nothing came of what is due: it cannot be claimed. */
const mostBarren = 1_000;
/** An id holds its time in 32 bits of seconds. */
const latest = Date.UTC(2100, 0);

/**
 * Time that tests move. It stands still at each moment at which something is due until all of that is done, so everything
 * happens in its order and at its time, and no lease ends while a delivery is being sent.
 */
export function createVirtualTime(base?: () => number) {
  const clock = createVirtualClock(base);
  let counts = { sent: 0, skipped: 0, failed: 0, uncertain: 0, held: 0, pending: 0 };
  const timesPutOff = new Map<string, number>();
  let jobs = 0;
  let endless: HeldDelivery | undefined;
  let barren = 0;
  let moving: Promise<unknown> = Promise.resolve();

  async function move(written: WrittenMove, parts: Part[]): Promise<Moved> {
    const target = targetOf(written, clock.now());
    clock.stopAt(clock.now());
    counts = { sent: 0, skipped: 0, failed: 0, uncertain: 0, held: 0, pending: 0 };
    jobs = 0;
    timesPutOff.clear();
    endless = undefined;
    barren = 0;
    try {
      for (let steps = 0; ; steps++) {
        const next = await drain(parts);
        if (next === undefined || next > target) {
          clock.stopAt(target);
          const { pending: postponed, ...ended } = counts;
          return {
            now: iso(target),
            steps,
            jobs,
            ...ended,
            postponed,
            ...(next !== undefined && { next_due: iso(next) }),
          };
        }
        if (endless || ++barren > mostBarren) throw stuckAt(clock.now());
        clock.stopAt(Math.max(next, clock.now()));
      }
    } finally {
      clock.run();
    }
  }

  function stuckAt(now: number): BelfryError {
    const what = endless
      ? `delivery ${endless.id} (${endless.content.key}, ${endless.channel}) was put off ${mostTimes} times`
      : "deliveries are due that cannot be claimed";
    return new BelfryError("clock_stuck", `The clock stopped at ${iso(now)}: ${what}.`);
  }

  return {
    clock,
    /** Call it with each settlement. */
    onSettled({ delivery, state }: Settlement): void {
      counts[state]++;
      barren = 0;
      if (state !== "pending") return;
      const times = (timesPutOff.get(delivery.id) ?? 0) + 1;
      timesPutOff.set(delivery.id, times);
      if (times === mostTimes) endless = delivery;
    },
    /** Call it when a schedule has moved on. */
    onAdvance(): void {
      barren = 0;
    },
    /** Call it after each run of a job. */
    onRun(): void {
      jobs++;
      barren = 0;
    },
    /**
     * Moves the time and does what is due on the way; one call after the other. Of the parts, each makes work only for those
     * after it. Rejects with `invalid_request`, also for a
     * time that is past, and with `clock_stuck`.
     */
    move(written: WrittenMove, ...parts: Part[]): Promise<Moved> {
      const moved = moving.then(() => move(written, parts));
      moving = moved.catch(() => {});
      return moved;
    },
  };
}

/** Resolves with when the first of the parts has more to do; undefined when none has. */
async function drain(parts: Part[]): Promise<number | undefined> {
  let first: number | undefined;
  for (const part of parts) {
    const next = await part.drain();
    first = Math.min(next ?? Number.POSITIVE_INFINITY, first ?? Number.POSITIVE_INFINITY);
  }
  return first === Number.POSITIVE_INFINITY ? undefined : first;
}

function targetOf({ advance, to }: WrittenMove, now: number): number {
  if ((advance === undefined) === (to === undefined)) refuse("", "must have either `advance` or `to`");
  const pointer = to === undefined ? "/advance" : "/to";
  const ms = durationMs(advance ?? "");
  if (to === undefined && ms === undefined) refuse(pointer, `must be ${durationForm}`);
  const time = to === undefined ? now + (ms as number) : readTime(to);
  if (time === undefined) refuse(pointer, "must be a time: ISO 8601 with its zone, or Unix milliseconds");
  if (time < now) refuse(pointer, `must not be past: it is ${iso(now)}, and time does not go back`);
  if (time > latest) refuse(pointer, "must not lead beyond the year 2099");
  return time;
}

function refuse(pointer: string, detail: string): never {
  throw invalidRequest([{ pointer, detail }]);
}
