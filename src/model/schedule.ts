import { nextFiring } from "./cron.ts";
import type { NotifyCommand } from "./notification.ts";

/** A notification that is sent again and again. Times in Unix milliseconds. */
export interface Schedule {
  key: string;
  notification: Omit<NotifyCommand, "user">;
  recipients: string[];
  /** Five parts. */
  cron: string;
  /** IANA; `recipient`: each recipient's own. */
  zone: string;
  /** Not before. */
  startsAt?: number;
  /** Before. */
  endsAt?: number;
  /** After a time in which no service ran: one of the occurrences is sent, or none. */
  missed: Missed;
}

export const missedChoices = ["once", "skip"] as const;
export type Missed = (typeof missedChoices)[number];

/** `ended`: nothing comes before `endsAt` any more. */
export const scheduleStates = ["active", "paused", "ended"] as const;
export type ScheduleState = (typeof scheduleStates)[number];

/** When it happens next in a zone; absent when it has ended there. */
export interface ZoneTime {
  zone: string;
  next?: number;
}

export interface ScheduleRecord extends Schedule {
  state: ScheduleState;
  zones: ZoneTime[];
  /** Changes with each write. */
  version: string;
  createdAt: number;
  updatedAt: number;
}

export const ofRecipient = "recipient";
/** How late an occurrence may be before it counts as missed. */
const onTimeMs = 60_000;
/** How often the zones of recipients are read. */
const refreshMs = 60 * 60_000;
const firstSpanMs = 60_000;

type Timing = Pick<Schedule, "cron" | "startsAt" | "endsAt">;

/** The first occurrence in the zone after a time; undefined when none comes. */
export function occurrenceAfter(timing: Timing, zone: string, after: number): number | undefined {
  const { cron, startsAt = 0, endsAt = Number.POSITIVE_INFINITY } = timing;
  const next = nextFiring(cron, zone, Math.max(after, startsAt - 1));
  return next !== undefined && next < endsAt ? next : undefined;
}

/** The first few. */
export function occurrences(timing: Timing, zone: string, after: number, count: number): number[] {
  const found: number[] = [];
  for (let at = occurrenceAfter(timing, zone, after); at !== undefined && found.length < count; ) {
    found.push(at);
    at = occurrenceAfter(timing, zone, at);
  }
  return found;
}

/**
 * The occurrence to send now, of those from `first`, which is due: the latest. Undefined when it is late, and missed ones are
 * skipped.
 */
export function occurrenceToSend(
  schedule: Timing & Pick<Schedule, "missed">,
  zone: string,
  first: number,
  now: number,
): number | undefined {
  const last = lastOccurrence(schedule, zone, first, now);
  return schedule.missed === "once" || now - last <= onTimeMs ? last : undefined;
}

/** Looks back over longer and longer spans, since there may be very many from `first` on. */
function lastOccurrence(timing: Timing, zone: string, first: number, now: number): number {
  for (let span = firstSpanMs; now - span > first; span *= 4) {
    const found = occurrenceAfter(timing, zone, now - span);
    if (found !== undefined && found <= now) return latestFrom(found);
  }
  return latestFrom(first);

  function latestFrom(at: number): number {
    let last = at;
    for (let next = occurrenceAfter(timing, zone, at); next !== undefined && next <= now; ) {
      last = next;
      next = occurrenceAfter(timing, zone, next);
    }
    return last;
  }
}

/** A zone with its next occurrence, if there is one. */
export const zoneTime = (zone: string, next: number | undefined): ZoneTime => ({
  zone,
  ...(next !== undefined && { next }),
});

export interface ScheduleTiming {
  state: ScheduleState;
  zones: ZoneTime[];
  /** When to look at it again: at the first occurrence, or earlier since recipients move. Absent unless active. */
  due?: number;
}

/** What becomes of a schedule that is not paused, with these next occurrences. */
export function timingFor({ zone }: Pick<Schedule, "zone">, zones: ZoneTime[], now: number): ScheduleTiming {
  const times = zones.flatMap(({ next }) => next ?? []);
  if (times.length === 0) return { state: "ended", zones };
  const refresh = zone === ofRecipient ? now + refreshMs : Number.POSITIVE_INFINITY;
  return { state: "active", zones, due: Math.min(refresh, ...times) };
}
