import { type TProperties, Type } from "typebox";
import type { WrittenSchedule } from "./core/schedules.ts";
import { ScheduleKey, scheduleBody, scheduleFields } from "./http/v1/schedule-schemas.ts";
import { Exactly, Hex24, notificationFields } from "./http/v1/schemas.ts";
import { bodyCheck } from "./http/validation.ts";
import { asJson, checked } from "./library-input.ts";
import type { ScheduleInput } from "./library-types.ts";
import type { NotifyCommand } from "./model/notification.ts";

type Notification = Omit<NotifyCommand, "user">;

/** Checks schedules from a program and from a file, as the service checks those of a request. Throws `invalid_request`. */
export function createScheduleInput(types: string[]) {
  const { recipients, cron, time_zone, starts_at, ends_at, missed } = scheduleFields;
  const compile = (fields: TProperties) => bodyCheck(Exactly(fields));
  const given = compile({
    notification: Exactly({ ...notificationFields(types), targetId: Type.Optional(Hex24) }),
    recipients,
    cron,
    timeZone: time_zone,
    startsAt: starts_at,
    endsAt: ends_at,
    missed,
  });
  const body = compile(scheduleBody(types).properties);
  const key = compile({ key: ScheduleKey });
  const list = compile({
    after: Type.Optional(ScheduleKey),
    limit: Type.Integer({ minimum: 1, maximum: 1_000, default: 100 }),
  });

  return {
    key: (text: string): string => checked<{ key: string }>(key, { key: text }).key,
    list: (query: object) => checked<{ after?: string; limit: number }>(list, query),
    /** A program's. */
    schedule(schedule: ScheduleInput): WrittenSchedule {
      const { timeZone, startsAt, endsAt, ...rest } = checked<
        Omit<WrittenSchedule, "time_zone" | "starts_at" | "ends_at"> & {
          timeZone: string;
          startsAt?: string | number;
          endsAt?: string | number;
        }
      >(given, schedule);
      return {
        ...rest,
        time_zone: timeZone,
        ...(startsAt !== undefined && { starts_at: startsAt }),
        ...(endsAt !== undefined && { ends_at: endsAt }),
      };
    },
    /** The body of a request, from a file. */
    body(file: unknown): WrittenSchedule {
      const { notification, ...rest } = checked<
        WrittenSchedule & { notification: Notification & { target_id?: string } }
      >(body, asJson(file));
      const { target_id: targetId, ...words } = notification;
      return { ...rest, notification: { ...words, ...(targetId !== undefined && { targetId }) } };
    },
  };
}
