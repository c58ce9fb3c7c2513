import { type Static, Type } from "typebox";
import { channelNames } from "../channels/index.ts";
import { deliveryStates, reasons } from "../model/delivery.ts";
import type { DeliveryRecord, DeliverySummary } from "../model/delivery-record.ts";
import { Count, iso, Time } from "../model/schema.ts";

// A delivery as `/v1` and the command line show it. Times are ISO 8601.

export const ChannelName = Type.String({ enum: channelNames() });

const summary = {
  id: Type.String(),
  notification_id: Type.String(),
  user_id: Type.String(),
  type: Type.String(),
  channel: ChannelName,
  status: Type.String({ enum: [...deliveryStates] }),
  reason: Type.Optional(Type.String({ enum: [...reasons] })),
  detail: Type.Optional(Type.String()),
  provider: Type.Optional(Type.String({ description: "The provider of the last attempt." })),
  tries: Count("Attempts that count against the retry policy."),
  digest: Type.Optional(
    Type.Object(
      {
        scope: Type.String({
          description:
            "The notifications that it gathers: `types.<key>`, `categories.<key>`, `*` or `budget`.",
        }),
        by: Type.Optional(Type.String({ description: "The value of the rule's `by`." })),
        count: Count("Notifications that joined it."),
        open: Type.Boolean({ description: "Whether more can join it." }),
      },
      { title: "Digest", description: "Present when the delivery is a digest." },
    ),
  ),
  digest_id: Type.Optional(Type.String({ description: "The delivery that gathers this one with others." })),
  key: Type.Optional(Type.String({ description: "The caller's own name for the notification." })),
  recalled_at: Type.Optional(Time("When its caller took it back.")),
  due: Type.Optional(Time("When a pending delivery may be sent.")),
  created_at: Time(),
  updated_at: Time(),
};

export const DeliveryDto = Type.Object(summary, { title: "Delivery" });
export type DeliveryDto = Static<typeof DeliveryDto>;

const Attempt = Type.Object(
  {
    at: Time(),
    provider: Type.String(),
    target: Type.Optional(
      Type.String({ description: "Which of the user's addresses, on a channel that has several." }),
    ),
    outcome: Type.String({ enum: ["sent", "retry", "unknown", "rejected", "misconfigured"] }),
    code: Type.Optional(Type.String()),
    text: Type.Optional(Type.String({ description: "The provider's answer." })),
    ms: Type.Integer(),
  },
  { title: "Attempt" },
);

/** A decision of the rules about a delivery. */
export const Decided = Type.Object(
  {
    at: Time(),
    verdict: Type.String({ enum: ["later", "hold", "skip", "send"] }),
    rule: Type.String({ description: "The rule that decided, such as `unless:read`." }),
    until: Type.Optional(Time("When it is looked at again.")),
  },
  { title: "DeliveryDecision" },
);

export const DeliveryRecordDto = Type.Object(
  {
    ...summary,
    provider_id: Type.Optional(Type.String({ description: "The provider's id of the message." })),
    interruptions: Count("How often a worker died or hung during the send."),
    held_until: Type.Optional(Time("When the lease of the sending worker ends.")),
    expires_at: Type.Optional(Time("When a finished delivery is deleted.")),
    decisions: Type.Array(Decided, {
      description: "Why it waited, or was not sent: the newest 20, oldest first.",
    }),
    attempts: Type.Array(Attempt, { description: "The newest 20, oldest first." }),
  },
  { title: "DeliveryRecord" },
);
export type DeliveryRecordDto = Static<typeof DeliveryRecordDto>;

export function deliveryDto(one: DeliverySummary): DeliveryDto {
  const { id, notification, user, type, channel, state, reason, detail, provider, tries, due } = one;
  const { digest, into } = one;
  return {
    id,
    notification_id: notification,
    user_id: user,
    type,
    channel,
    status: state,
    ...(reason && { reason }),
    ...(detail && { detail }),
    ...(provider !== undefined && { provider }),
    tries,
    ...(digest && {
      digest: {
        scope: digest.scope,
        ...(digest.by !== undefined && { by: digest.by }),
        count: digest.count,
        open: digest.isOpen,
      },
    }),
    ...(into !== undefined && { digest_id: into }),
    ...(one.key !== undefined && { key: one.key }),
    ...(one.recalledAt !== undefined && { recalled_at: iso(one.recalledAt) }),
    ...(due !== undefined && { due: iso(due) }),
    created_at: iso(one.createdAt),
    updated_at: iso(one.updatedAt),
  };
}

export function deliveryRecordDto(one: DeliveryRecord): DeliveryRecordDto {
  const { attempts, decisions, providerId, interruptions, heldUntil, expireAt } = one;
  return {
    ...deliveryDto(one),
    ...(providerId !== undefined && { provider_id: providerId }),
    interruptions,
    ...(heldUntil !== undefined && { held_until: iso(heldUntil) }),
    ...(expireAt !== undefined && { expires_at: iso(expireAt) }),
    decisions: decisions.map(({ at, until, ...rest }) => ({
      at: iso(at),
      ...rest,
      ...(until !== undefined && { until: iso(until) }),
    })),
    attempts: attempts.map((attempt) => ({ ...attempt, at: iso(attempt.at) })),
  };
}
