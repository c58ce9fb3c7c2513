import { type Static, Type } from "typebox";
import { missedChoices, type ScheduleRecord, scheduleStates } from "../model/schedule.ts";
import { Count, iso, Time } from "../model/schema.ts";
import { notificationDto } from "./job-dto.ts";
import type { Upcoming } from "./schedules.ts";

// A schedule as `/v1` and the command line show it. Times are ISO 8601.

const summary = {
  key: Type.String(),
  status: Type.String({ enum: [...scheduleStates] }),
  type: Type.String({ description: "The type of the notification." }),
  recipient_count: Count(),
  cron: Type.String(),
  time_zone: Type.String({ description: "IANA, or `recipient`: each recipient's own." }),
  starts_at: Type.Optional(Time()),
  ends_at: Type.Optional(Time()),
  missed: Type.String({ enum: [...missedChoices] }),
  next_at: Type.Optional(Time("The next occurrence, of all zones. Absent when it is paused or has ended.")),
  created_at: Time(),
  updated_at: Time(),
};

export const ScheduleDto = Type.Object(summary, { title: "Schedule" });
export type ScheduleDto = Static<typeof ScheduleDto>;

export const ScheduleRecordDto = Type.Object(
  {
    ...summary,
    notification: Type.Unsafe<Record<string, unknown>>(
      Type.Object({}, { additionalProperties: true, description: "What is sent." }),
    ),
    recipients: Type.Array(Type.String()),
    next: Type.Array(
      Type.Object(
        { time_zone: Type.String(), recipient_count: Count(), at: Type.Array(Time()) },
        { title: "ZoneOccurrences" },
      ),
      { description: "The next five occurrences in each zone. Empty when it is paused or has ended." },
    ),
  },
  { title: "ScheduleRecord" },
);
export type ScheduleRecordDto = Static<typeof ScheduleRecordDto>;

export function scheduleDto(one: ScheduleRecord): ScheduleDto {
  const { key, state, notification, recipients, cron, zone, startsAt, endsAt, missed, zones } = one;
  const times = state === "active" ? zones.flatMap(({ next }) => next ?? []) : [];
  return {
    key,
    status: state,
    type: notification.type,
    recipient_count: recipients.length,
    cron,
    time_zone: zone,
    ...(startsAt !== undefined && { starts_at: iso(startsAt) }),
    ...(endsAt !== undefined && { ends_at: iso(endsAt) }),
    missed,
    ...(times.length > 0 && { next_at: iso(Math.min(...times)) }),
    created_at: iso(one.createdAt),
    updated_at: iso(one.updatedAt),
  };
}

export const scheduleRecordDto = (one: ScheduleRecord, upcoming: Upcoming[]): ScheduleRecordDto => ({
  ...scheduleDto(one),
  notification: notificationDto(one.notification),
  recipients: one.recipients,
  next: upcoming.map(({ zone, recipients, at }) => ({
    time_zone: zone,
    recipient_count: recipients,
    at: at.map(iso),
  })),
});
