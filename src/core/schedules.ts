import { isDeepStrictEqual } from "node:util";
import { cronProblem } from "../model/cron.ts";
import { BelfryError, type ErrorDetail, invalidRequest } from "../model/errors.ts";
import {
  occurrenceAfter,
  occurrences,
  ofRecipient,
  type Schedule,
  type ScheduleRecord,
  type ScheduleTiming,
  timingFor,
  type ZoneTime,
  zoneTime,
} from "../model/schedule.ts";
import { knownTimeZone } from "../model/time-zone.ts";
import type { Store } from "../store/index.ts";
import { type CursorText, decodeCursor, encodeCursor, type Page, pageOf } from "./cursor.ts";
import { distinctUsers } from "./distinct-users.ts";
import { readTime } from "./filters.ts";
import type { Notifier } from "./notify.ts";
import { createScheduleZones } from "./schedule-zones.ts";

/** A schedule as its caller wrote it. Times are ISO 8601 with their zone, or Unix milliseconds. */
export interface WrittenSchedule extends Pick<Schedule, "notification" | "recipients" | "cron" | "missed"> {
  time_zone: string;
  starts_at?: string | number;
  ends_at?: string | number;
}

export interface Upcoming {
  zone: string;
  recipients: number;
  /** Unix ms. */
  at: number[];
}

const shown = 5;
/** Notifications that are sent again and again. `onDue` gets the time of the first occurrence. */
export function createSchedules(
  store: Pick<Store, "schedules" | "jobs" | "users" | "now">,
  { plan }: Pick<Notifier, "plan">,
  { timeZone, onDue }: { timeZone: string; onDue: (due: number) => void },
) {
  const { schedules, now } = store;
  const recipientsByZone = createScheduleZones(store, timeZone);

  async function show(key: string): Promise<ScheduleRecord> {
    const found = await schedules.one(key);
    if (!found) throw new BelfryError("not_found", `There is no schedule ${key}.`);
    return found;
  }

  /** The first occurrence after now in each zone. */
  async function zonesOf(schedule: Schedule): Promise<ZoneTime[]> {
    const zones = [...(await recipientsByZone(schedule)).keys()];
    return zones.map((zone) => zoneTime(zone, occurrenceAfter(schedule, zone, now())));
  }

  /** Repeats a change until nobody else has changed the schedule meanwhile. */
  async function change(key: string, timingOf: (known: ScheduleRecord) => Promise<ZoneTime[] | "paused">) {
    for (;;) {
      const known = await show(key);
      const zones = await timingOf(known);
      const timing: ScheduleTiming =
        zones === "paused" ? { state: "paused", zones: known.zones } : timingFor(known, zones, now());
      if (!(await schedules.setTiming(known, timing))) continue;
      if (timing.due !== undefined) onDue(timing.due);
      return show(key);
    }
  }

  return {
    recipientsByZone,

    /**
     * Stores the schedule under its key. What is due next stays as it is unless the times change, so the call may be repeated at
     * each start of a program. A paused schedule stays paused. Rejects with `invalid_request` and every problem.
     */
    async put(
      key: string,
      written: WrittenSchedule,
    ): Promise<{ schedule: ScheduleRecord; created: boolean }> {
      const schedule = read(key, written, now(), plan);
      for (;;) {
        const known = await schedules.one(key);
        const keeps = known !== undefined && isDeepStrictEqual(timesOf(known), timesOf(schedule));
        const kept = new Map(keeps ? known.zones.map((one) => [one.zone, one]) : []);
        const zones = (await zonesOf(schedule)).map((one) => kept.get(one.zone) ?? one);
        const timing: ScheduleTiming =
          known?.state === "paused" ? { state: "paused", zones } : timingFor(schedule, zones, now());
        const createdAt = known?.createdAt ?? now();
        if (!(await schedules.put({ ...schedule, ...timing, createdAt }, known?.version))) continue;
        if (timing.due !== undefined) onDue(timing.due);
        return { schedule: await show(key), created: !known };
      }
    },

    show,

    /** Sorted by key, those behind `after`. */
    behind: schedules.page,

    /** The same in pages. */
    async list(limit: number, cursor?: CursorText): Promise<Page<ScheduleRecord>> {
      const after = cursor && decodeCursor(cursor.text, {}, /^.{1,128}$/su, cursor.pointer);
      const found = await schedules.page(after, limit + 1);
      return pageOf(found, limit, (last) => encodeCursor({}, last.key));
    },

    /** The next five occurrences in each zone. */
    async upcoming(schedule: ScheduleRecord): Promise<Upcoming[]> {
      if (schedule.state !== "active") return [];
      const groups = await recipientsByZone(schedule);
      return [...groups].map(([zone, users]) => ({
        zone,
        recipients: users.length,
        at: occurrences(schedule, zone, now(), shown),
      }));
    },

    /** Occurrences until it is resumed are left out. */
    pause: (key: string) => change(key, async () => "paused"),
    resume: (key: string) =>
      change(key, async (known) => (known.state === "paused" ? zonesOf(known) : known.zones)),

    /** Also cancels an occurrence that has not begun. Rejects with `not_found`. */
    async remove(key: string): Promise<void> {
      if (!(await schedules.remove(key))) throw new BelfryError("not_found", `There is no schedule ${key}.`);
      const { jobs } = store;
      for (const { id } of await jobs.page({ key, states: ["scheduled", "paused"] }, undefined, 1_000))
        await jobs.cancel(id);
    },
  };
}

export type Schedules = ReturnType<typeof createSchedules>;

const timesOf = ({ cron, zone, startsAt, endsAt }: Schedule) => ({ cron, zone, startsAt, endsAt });

function read(key: string, written: WrittenSchedule, now: number, plan: Notifier["plan"]): Schedule {
  const { notification, cron, missed, time_zone: zone } = written;
  const problems: ErrorDetail[] = [];
  const wrong = (pointer: string, detail: string) => void problems.push({ pointer, detail });
  const within = <T>(under: string, check: () => T): T | undefined => {
    try {
      return check();
    } catch (error) {
      if (!(error instanceof BelfryError) || error.details.length === 0) throw error;
      for (const { pointer, detail } of error.details) wrong(under + pointer, detail);
      return undefined;
    }
  };

  within("/notification", () => plan({ ...notification, user: "" }));
  const distinct = within("", () => distinctUsers({ recipients: written.recipients }));
  const cronWrong = cronProblem(cron, now);
  if (cronWrong !== undefined) wrong("/cron", cronWrong);
  if (zone !== ofRecipient && knownTimeZone(zone) === undefined)
    wrong("/time_zone", "must be an IANA time zone, such as Europe/Berlin, or recipient");
  const [startsAt, endsAt] = (["starts_at", "ends_at"] as const).map((name) => {
    const text = written[name];
    const time = text === undefined ? undefined : readTime(text);
    if (text !== undefined && time === undefined)
      wrong(`/${name}`, "must be a time: ISO 8601 with its zone, or Unix milliseconds");
    return time;
  });
  if (startsAt !== undefined && endsAt !== undefined && endsAt <= startsAt)
    wrong("/ends_at", "must be later than starts_at");
  if (problems.length > 0) throw invalidRequest(problems);
  return {
    key,
    notification,
    recipients: distinct?.recipients ?? [],
    cron,
    zone,
    ...(startsAt !== undefined && { startsAt }),
    ...(endsAt !== undefined && { endsAt }),
    missed,
  };
}
