import { Type } from "typebox";
import { channelNames } from "../channels/index.ts";
import { suppressionReasons } from "../model/channel.ts";
import { deliveryStates, reasons } from "../model/delivery.ts";
import { hex24 } from "./patterns.ts";
import { UserId } from "./v1/schemas.ts";

const Time = (description?: string) =>
  Type.String({ format: "date-time", ...(description && { description }) });
const Count = (description?: string) => Type.Integer({ minimum: 0, ...(description && { description }) });
export const ChannelName = Type.String({ enum: channelNames() });
const Written = (description: string) => Type.Optional(Type.String({ maxLength: 128, description }));
const when = "ISO 8601 with a time zone, or Unix milliseconds.";
const time = { description: when, maxLength: 64 };

/** `core/filters.ts` reads the values, for the command line too. */
const filters = {
  user_id: Written("The user's id."),
  notification_id: Written("24 hex characters."),
  type: Written("A notification type."),
  channel: Written(`One of ${channelNames().join(", ")}.`),
  reason: Written(`One of ${reasons.join(", ")}.`),
  provider: Written("A provider that one of the attempts used."),
};
const status = `One or more of ${deliveryStates.join(", ")}. Separate them with commas, or repeat the parameter.`;

export const ListQuery = Type.Object(
  {
    id: Type.Optional(
      Type.String({ maxLength: 2_500, description: "Up to 100 delivery ids, separated by commas." }),
    ),
    ...filters,
    status: Type.Optional(
      Type.Union(
        [Type.String({ maxLength: 128 }), Type.Array(Type.String({ maxLength: 128 }), { maxItems: 16 })],
        { description: status },
      ),
    ),
    from: Type.Optional(Type.String({ ...time, description: `Created at this time or later. ${when}` })),
    to: Type.Optional(Type.String({ ...time, description: `Created before this time. ${when}` })),
    limit: Type.Integer({ minimum: 1, maximum: 100, default: 20 }),
    cursor: Type.Optional(
      Type.String({
        maxLength: 512,
        description: "`next_cursor` of the previous page, with the same filters.",
      }),
    ),
  },
  { additionalProperties: false },
);

export const RedriveBody = Type.Object(
  {
    ...filters,
    status: Type.Optional(
      Type.Union(
        [Type.String({ maxLength: 128 }), Type.Array(Type.String({ maxLength: 128 }), { maxItems: 16 })],
        { description: "Default: failed. Only failed, uncertain and skipped deliveries are resent." },
      ),
    ),
    from: Type.Optional(Type.Union([Type.String(time), Type.Integer({ minimum: 0 })], { description: when })),
    to: Type.Optional(Type.Union([Type.String(time), Type.Integer({ minimum: 0 })], { description: when })),
    dry_run: Type.Boolean({ default: false, description: "Only count; nothing is sent." }),
    cursor: Type.Optional(
      Type.String({
        maxLength: 512,
        description: "`next_cursor` of the previous call, with the same filters.",
      }),
    ),
  },
  { additionalProperties: false },
);

export const Id = Type.Object({ id: Type.String({ pattern: hex24 }) });

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
  due: Type.Optional(Time("When a pending delivery may be sent.")),
  created_at: Time(),
  updated_at: Time(),
};

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

export const Delivery = Type.Object(
  {
    ...summary,
    provider_id: Type.Optional(Type.String({ description: "The provider's id of the message." })),
    interruptions: Count("How often a worker died or hung during the send."),
    held_until: Type.Optional(Time("When the lease of the sending worker ends.")),
    expires_at: Type.Optional(Time("When a finished delivery is deleted.")),
    attempts: Type.Array(Attempt, { description: "The newest 20, oldest first." }),
  },
  { title: "DeliveryRecord" },
);

const next_cursor = Type.Optional(Type.String({ description: "Absent on the last page." }));

export const DeliveryPage = Type.Object(
  { data: Type.Array(Type.Object(summary, { title: "Delivery" })), next_cursor },
  { title: "DeliveryPage" },
);

export const RedriveReply = Type.Object(
  {
    dry_run: Type.Boolean(),
    redriven: Type.Optional(Count("Resent.")),
    would_send: Type.Optional(Count("Dry run: would be resent.")),
    already_sent: Type.Optional(
      Count("Match the other filters, but are already sent. Counted up to 100,000, on the first call only."),
    ),
    suppressed: Count("Not resent: the address is suppressed."),
    no_address: Count("Not resent: the user has no address on the channel."),
    expired: Count("Not resent: the provider reported it as expired."),
    changed: Count("Not resent: another call changed it in the meantime."),
    more: Type.Boolean({
      description: "A call checks at most 10,000 deliveries. If true, call again with `next_cursor`.",
    }),
    next_cursor,
  },
  { title: "Redrive" },
);

export const LedgerQuery = Type.Object(
  {
    from: Type.Optional(Type.String({ ...time, description: `Default: 24 hours ago. ${when}` })),
    to: Type.Optional(Type.String({ ...time, description: `Default: now. ${when}` })),
  },
  { additionalProperties: false },
);

const Line = Type.Object(
  {
    accepted: Count("Deliveries counted when they were stored."),
    sent: Count(),
    delivered: Count(),
    failed: Count(),
    skipped: Count(),
    canceled: Count(),
    uncertain: Count(),
    pending: Count("Waiting or being sent."),
    balanced: Type.Boolean({ description: "Whether accepted equals the sum of the other counts." }),
  },
  { title: "LedgerLine" },
);

export const LedgerReply = Type.Object(
  {
    from: Time("Rounded to whole minutes, and limited to the time for which finished deliveries are kept."),
    to: Time(),
    balanced: Type.Boolean(),
    total: Line,
    channels: Type.Object(Object.fromEntries(channelNames().map((channel) => [channel, Line]))),
  },
  { title: "Ledger" },
);

const suppressionFilters = {
  user_id: Type.Optional(UserId),
  channel: Type.Optional(ChannelName),
  reason: Type.Optional(Type.String({ enum: [...suppressionReasons] })),
  from: Type.Optional(Type.String({ ...time, description: `Suppressed at this time or later. ${when}` })),
  to: Type.Optional(Type.String({ ...time, description: `Suppressed before this time. ${when}` })),
};

export const RemovalQuery = Type.Object(
  {
    ...suppressionFilters,
    dry_run: Type.Boolean({ default: false, description: "Only count; nothing is removed." }),
  },
  { additionalProperties: false },
);

export const RemovalReply = Type.Object({
  dry_run: Type.Boolean(),
  removed: Type.Optional(Count("Removed suppressions.")),
  would_remove: Type.Optional(Count("Dry run: would be removed.")),
  more: Type.Boolean({
    description: "A call checks at most 10,000 suppressions. Call again until this is false.",
  }),
});

export const SuppressionsQuery = Type.Object(
  {
    ...suppressionFilters,
    limit: Type.Integer({ minimum: 1, maximum: 100, default: 20 }),
    cursor: Type.Optional(Type.String({ maxLength: 1_024 })),
  },
  { additionalProperties: false },
);

export const SuppressionPage = Type.Object(
  {
    data: Type.Array(
      Type.Object(
        {
          user_id: Type.String(),
          channel: ChannelName,
          address: Type.String({ description: "A new address of the user is not suppressed." }),
          reason: Type.String({ enum: [...suppressionReasons] }),
          at: Time(),
        },
        { title: "Suppression" },
      ),
    ),
    next_cursor,
  },
  { title: "SuppressionPage" },
);

export const SuppressionPath = Type.Object({
  user_id: UserId,
  channel: ChannelName,
});
