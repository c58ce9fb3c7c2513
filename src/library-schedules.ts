import { type ScheduleDto, scheduleDto, scheduleRecordDto } from "./core/schedule-dto.ts";
import type { Schedules } from "./core/schedules.ts";
import type { Belfry } from "./library-types.ts";
import type { createScheduleInput } from "./schedule-input.ts";

/** `schedules` of the library. `opened` gives the core's. */
export function scheduleCalls(
  opened: () => Promise<Schedules>,
  input: ReturnType<typeof createScheduleInput>,
): Belfry["schedules"] {
  const one = (name: "show" | "pause" | "resume") => async (key: string) => {
    const checked = input.key(key);
    const all = await opened();
    const schedule = await all[name](checked);
    return scheduleRecordDto(schedule, await all.upcoming(schedule));
  };
  return {
    async put(key, given) {
      const [checked, written] = [input.key(key), input.schedule(given)];
      const all = await opened();
      const { schedule } = await all.put(checked, written);
      return scheduleRecordDto(schedule, await all.upcoming(schedule));
    },
    async list({ after, limit } = {}): Promise<ScheduleDto[]> {
      const query = input.list({ after, limit });
      return (await (await opened()).behind(query.after, query.limit)).map(scheduleDto);
    },
    get: one("show"),
    pause: one("pause"),
    resume: one("resume"),
    delete: async (key) => (await opened()).remove(input.key(key)),
  };
}
