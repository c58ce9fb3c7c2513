import { type Static, Type } from "typebox";
import { type JobRecord, jobStates } from "../model/job.ts";
import type { NotifyCommand } from "../model/notification.ts";
import { Count, iso, Time } from "../model/schema.ts";
import type { LaterCommand } from "./send-later.ts";

// A job as `/v1` and the command line show it. Times are ISO 8601.

const summary = {
  id: Type.String(),
  kind: Type.String(),
  key: Type.Optional(Type.String({ description: "The key of the schedule that it belongs to." })),
  type: Type.Optional(Type.String({ description: "The type of the notification that it sends." })),
  status: Type.String({ enum: [...jobStates] }),
  stopping: Type.Optional(
    Type.String({
      enum: ["pause", "cancel"],
      description: "A running job does this at its next checkpoint.",
    }),
  ),
  due: Time("When it is run, or was to be run."),
  done: Count("Users who were notified."),
  failed: Count("Users who could not be notified."),
  total: Type.Optional(Count("Users to notify.")),
  tries: Count("Runs that failed or were interrupted since it last made progress."),
  error: Type.Optional(Type.String({ description: "Why it failed, or why its last run did." })),
  created_at: Time(),
  updated_at: Time(),
  expires_at: Type.Optional(Time("When an ended job is deleted.")),
};

export const JobDto = Type.Object(summary, { title: "Job" });
export type JobDto = Static<typeof JobDto>;

export const JobRecordDto = Type.Object(
  {
    ...summary,
    notification: Type.Optional(
      Type.Unsafe<Record<string, unknown>>(
        Type.Object({}, { additionalProperties: true, description: "What it sends." }),
      ),
    ),
    recipients: Type.Optional(
      Type.Array(Type.Object({ user_id: Type.String(), id: Type.String() }), {
        description: "The users, and the ids that their notifications have once it has run.",
      }),
    ),
  },
  { title: "JobRecord" },
);
export type JobRecordDto = Static<typeof JobRecordDto>;

export function jobDto(job: JobRecord): JobDto {
  const { id, kind, key, command, state, stop, due, done, failed, total, tries, error, expireAt } = job;
  const { notification } = command as Partial<LaterCommand>;
  return {
    id,
    kind,
    ...(key !== undefined && { key }),
    ...(notification && { type: notification.type }),
    status: state,
    ...(stop && { stopping: stop }),
    due: iso(due),
    done,
    failed,
    ...(total !== undefined && { total }),
    tries,
    ...(error !== undefined && { error }),
    created_at: iso(job.createdAt),
    updated_at: iso(job.updatedAt),
    ...(expireAt !== undefined && { expires_at: iso(expireAt) }),
  };
}

export function jobRecordDto(job: JobRecord): JobRecordDto {
  const { notification, targets } = job.command as Partial<LaterCommand>;
  return {
    ...jobDto(job),
    ...(notification && { notification: notificationDto(notification) }),
    ...(targets && { recipients: targets.map(({ user, id }) => ({ user_id: user, id })) }),
  };
}

/** The fields as `POST /v1/notifications` takes them. */
export const notificationDto = ({ targetId, ...rest }: Omit<NotifyCommand, "user">) => ({
  ...rest,
  ...(targetId !== undefined && { target_id: targetId }),
});
