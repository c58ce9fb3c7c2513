import { type Static, Type } from "typebox";
import { type JobRecord, jobStates } from "../model/job.ts";
import { Count, iso, Time } from "../model/schema.ts";
import type { BroadcastCommand, BroadcastCursor } from "./broadcasts.ts";
import { DryRunDto } from "./dry-run.ts";
import { notificationDto } from "./job-dto.ts";

const summary = {
  id: Type.String(),
  key: Type.Optional(Type.String()),
  status: Type.String({ enum: [...jobStates] }),
  stopping: Type.Optional(
    Type.String({ enum: ["pause", "cancel"], description: "What it does after the page that is under way." }),
  ),
  type: Type.String({ description: "The notification's type." }),
  to: Type.Object(
    {
      topic: Type.Optional(Type.String()),
      all: Type.Optional(Type.Boolean()),
      users: Type.Optional(Count("How many users were named.")),
      filter: Type.Optional(
        Type.Unsafe<Record<string, unknown>>(Type.Object({}, { additionalProperties: true })),
      ),
    },
    { description: "One of topic, all, users and filter." },
  ),
  actor_id: Type.Optional(Type.String({ description: "The user who is left out." })),
  total: Type.Optional(
    Count("Users to notify, counted when the broadcast was made. Absent when that took too long."),
  ),
  notified: Count("Users whose notifications are stored."),
  failed: Count("Users who could not be notified, because their documents cannot be changed."),
  rate: Type.Optional(Type.Number({ description: "Users a second, lately. While it runs." })),
  ends_at: Type.Optional(Time("When it will be done at this rate.")),
  message: Type.Optional(Type.String({ description: "What there is to know about how it ended." })),
  created_at: Time(),
  updated_at: Time(),
  expires_at: Type.Optional(Time("When an ended broadcast is deleted.")),
};

export const BroadcastDto = Type.Object(summary, { title: "Broadcast" });
export type BroadcastDto = Static<typeof BroadcastDto>;

export const BroadcastDetailsDto = Type.Object(
  {
    ...summary,
    notification: Type.Unsafe<Record<string, unknown>>(
      Type.Object({}, { additionalProperties: true, description: "What is sent." }),
    ),
  },
  { title: "BroadcastDetails" },
);
export type BroadcastDetailsDto = Static<typeof BroadcastDetailsDto>;

export const BroadcastPreviewDto = Type.Object(
  {
    total: Type.Optional(Count("Users to notify. Absent when counting took too long.")),
    notifications: DryRunDto.properties.notifications,
  },
  { title: "BroadcastPreview" },
);
export type BroadcastPreviewDto = Static<typeof BroadcastPreviewDto>;

export function broadcastDto(job: JobRecord): BroadcastDto {
  const { id, key, state, stop, done, failed, total, expireAt } = job;
  const { notification, to, actor } = job.command as BroadcastCommand;
  const { rate } = (state === "running" && (job.cursor as BroadcastCursor | undefined)) || {};
  const left = total === undefined ? 0 : Math.max(0, total - done - failed);
  const message = messageOf(job);
  return {
    id,
    ...(key !== undefined && { key }),
    status: state,
    ...(stop && { stopping: stop }),
    type: notification.type,
    to,
    ...(actor !== undefined && { actor_id: actor }),
    ...(total !== undefined && { total }),
    notified: done,
    failed,
    ...(rate !== undefined && { rate: Math.round(rate) }),
    ...(rate && total !== undefined && { ends_at: iso(job.updatedAt + (left / rate) * 1_000) }),
    ...(message !== undefined && { message }),
    created_at: iso(job.createdAt),
    updated_at: iso(job.updatedAt),
    ...(expireAt !== undefined && { expires_at: iso(expireAt) }),
  };
}

export const broadcastDetailsDto = (job: JobRecord): BroadcastDetailsDto => ({
  ...broadcastDto(job),
  notification: notificationDto((job.command as BroadcastCommand).notification),
});

function messageOf({ state, done, failed, error }: JobRecord): string | undefined {
  if (state === "done" && done + failed === 0) return "Nobody was notified: the audience had no users.";
  return error;
}
