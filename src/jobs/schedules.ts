import type { RecipientsByZone } from "../core/schedule-zones.ts";
import type { NewJob } from "../model/job.ts";
import {
  occurrenceAfter,
  occurrenceToSend,
  type ScheduleRecord,
  timingFor,
  type ZoneTime,
  zoneTime,
} from "../model/schedule.ts";
import type { Store } from "../store/index.ts";
import { idOf } from "./ids.ts";
import type { OccurrenceCommand } from "./occurrence.ts";

export interface FeedOptions {
  recipientsByZone: RecipientsByZone;
  /** Called when a schedule has moved on. */
  onAdvance?: () => void;
  log: Record<"warn", (details: object, message: string) => void>;
}

/** Schedules that are looked at in one go. */
const atOnce = 500;

/**
 * Makes the jobs of occurrences that are due. Resolves with when there is more to do (Unix ms). A job's id follows from the
 * schedule, the zone and the time, and an instance that comes second finds the schedule moved on, so each occurrence
 * happens once.
 */
export function createScheduleFeed(
  { schedules, now }: Pick<Store, "schedules" | "now">,
  options: FeedOptions,
) {
  const { recipientsByZone, onAdvance, log } = options;

  async function advance(schedule: ScheduleRecord): Promise<void> {
    const at = now();
    const known = new Map(schedule.zones.map((one) => [one.zone, one.next]));
    const zones: ZoneTime[] = [];
    const jobs: NewJob[] = [];
    for (const zone of (await recipientsByZone(schedule)).keys()) {
      const next = known.get(zone);
      const isDue = next !== undefined && next <= at;
      const due = isDue ? occurrenceToSend(schedule, zone, next, at) : undefined;
      if (due !== undefined) jobs.push(occurrenceJob(schedule.key, zone, due));
      const later = isDue || !known.has(zone) ? occurrenceAfter(schedule, zone, at) : next;
      zones.push(zoneTime(zone, later));
    }
    await schedules.advance(schedule, timingFor(schedule, zones, at), jobs);
    onAdvance?.();
  }

  return async (): Promise<number | undefined> => {
    const first = await schedules.nextDue();
    if (first === undefined || first > now()) return first;
    for (const schedule of await schedules.due(atOnce))
      await advance(schedule).catch((error: unknown) =>
        log.warn({ err: error, schedule: schedule.key }, "could not move a schedule on; trying again"),
      );
    return schedules.nextDue();
  };
}

function occurrenceJob(key: string, zone: string, at: number): NewJob {
  const command: OccurrenceCommand = { zone, at };
  return { id: idOf(at, key, zone, String(at)), kind: "occurrence", key, command, due: at };
}
