import { Type } from "typebox";
import { deliveryStates, reasons } from "../model/delivery.ts";
import { channels } from "../model/notification.ts";
import { suppressionReasons } from "../model/provider.ts";
import { hex24 } from "./patterns.ts";
import { UserId } from "./v1/schemas.ts";

const Time = (description?: string) =>
  Type.String({ format: "date-time", ...(description && { description }) });
const Count = (description?: string) => Type.Integer({ minimum: 0, ...(description && { description }) });
export const ChannelName = Type.String({ enum: [...channels] });
const Written = (description: string) => Type.Optional(Type.String({ maxLength: 128, description }));
const when = "ISO 8601 with its zone, or Unix milliseconds.";
const time = { description: when, maxLength: 64 };

/** Values are read by `core/filters.ts`, which the command line shares. */
const filters = {
  user_id: Written("The user's id."),
  notification_id: Written("24 hex characters."),
  type: Written("A notification type."),
  channel: Written(`One of ${channels.join(", ")}.`),
  reason: Written(`One of ${reasons.join(", ")}.`),
  provider: Written("That was asked in one of the attempts."),
};
const status = `Some of ${deliveryStates.join(", ")}; separated by commas, or several times.`;

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
    from: Type.Optional(Type.String({ ...time, description: `Created then or later: ${when}` })),
    to: Type.Optional(Type.String({ ...time, description: `Created before: ${when}` })),
    limit: Type.Integer({ minimum: 1, maximum: 100, default: 20 }),
    cursor: Type.Optional(
      Type.String({
        maxLength: 512,
        description: "`next_cursor` of the page before, with the same filters.",
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
        { description: "By default failed. Of those named, failed, uncertain and skipped are moved." },
      ),
    ),
    from: Type.Optional(Type.Union([Type.String(time), Type.Integer({ minimum: 0 })], { description: when })),
    to: Type.Optional(Type.Union([Type.String(time), Type.Integer({ minimum: 0 })], { description: when })),
    dry_run: Type.Boolean({ default: false, description: "Count, and do nothing." }),
    cursor: Type.Optional(
      Type.String({
        maxLength: 512,
        description: "`next_cursor` of the call before, with the same filters.",
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
  provider: Type.Optional(Type.String({ description: "That was asked last." })),
  tries: Count("Attempts that count against the retry policy."),
  due: Type.Optional(Time("Of a pending one: when it may be sent.")),
  created_at: Time(),
  updated_at: Time(),
};

export const Delivery = Type.Object({
  ...summary,
  provider_id: Type.Optional(Type.String({ description: "The provider's own id of the message." })),
  interruptions: Count("How often its worker died or hung."),
  held_until: Type.Optional(Time("Of one under way: when its worker loses it.")),
  expires_at: Type.Optional(Time("Of a finished one: when it is forgotten.")),
  attempts: Type.Array(
    Type.Object({
      at: Time(),
      provider: Type.String(),
      outcome: Type.String({ enum: ["sent", "retry", "unknown", "rejected", "misconfigured"] }),
      code: Type.Optional(Type.String()),
      text: Type.Optional(Type.String({ description: "The provider's own words." })),
      ms: Type.Integer(),
    }),
    { description: "The newest 20, oldest first." },
  ),
});

const next_cursor = Type.Optional(Type.String({ description: "Absent on the last page." }));

export const DeliveryPage = Type.Object({ data: Type.Array(Type.Object(summary)), next_cursor });

export const RedriveReply = Type.Object({
  dry_run: Type.Boolean(),
  redriven: Type.Optional(Count("Sent again.")),
  would_send: Type.Optional(Count("For a dry run: would be sent again.")),
  already_sent: Type.Optional(
    Count("Those the other filters match that have arrived: left alone. Up to 100,000, on the first call."),
  ),
  suppressed: Count("Left alone: the address takes nothing more."),
  no_address: Count("Left alone: the user has no address on the channel."),
  expired: Count("Left alone: the provider said that its time is over."),
  changed: Count("Another call had moved it meanwhile."),
  more: Type.Boolean({ description: "A call looks at 10,000 at most: call again with `next_cursor`." }),
  next_cursor,
});

export const LedgerQuery = Type.Object(
  {
    from: Type.Optional(Type.String({ ...time, description: `By default 24 hours ago. ${when}` })),
    to: Type.Optional(Type.String({ ...time, description: `By default now. ${when}` })),
  },
  { additionalProperties: false },
);

const Line = Type.Object({
  accepted: Count("Counted by the transactions that stored them."),
  sent: Count(),
  delivered: Count(),
  failed: Count(),
  skipped: Count(),
  canceled: Count(),
  uncertain: Count(),
  pending: Count("Those under way too."),
  balanced: Type.Boolean({ description: "Whether as many are stored as were accepted." }),
});

export const LedgerReply = Type.Object({
  from: Time("Widened to whole minutes, and no earlier than finished deliveries are kept."),
  to: Time(),
  balanced: Type.Boolean(),
  total: Line,
  channels: Type.Object(Object.fromEntries(channels.map((channel) => [channel, Line]))),
});

const suppressionFilters = {
  user_id: Type.Optional(UserId),
  channel: Type.Optional(ChannelName),
  reason: Type.Optional(Type.String({ enum: [...suppressionReasons] })),
  from: Type.Optional(Type.String({ ...time, description: `Suppressed then or later: ${when}` })),
  to: Type.Optional(Type.String({ ...time, description: `Suppressed before: ${when}` })),
};

export const RemovalQuery = Type.Object(
  {
    ...suppressionFilters,
    dry_run: Type.Boolean({ default: false, description: "Count only; nothing is removed." }),
  },
  { additionalProperties: false },
);

export const RemovalReply = Type.Object({
  dry_run: Type.Boolean(),
  removed: Type.Optional(Count("Removed: their next deliveries are sent.")),
  would_remove: Type.Optional(Count("With `dry_run`: would be removed.")),
  more: Type.Boolean({ description: "One call looks at 10,000 at most. Call again until this is false." }),
});

export const SuppressionsQuery = Type.Object(
  {
    ...suppressionFilters,
    limit: Type.Integer({ minimum: 1, maximum: 100, default: 20 }),
    cursor: Type.Optional(Type.String({ maxLength: 1_024 })),
  },
  { additionalProperties: false },
);

export const SuppressionPage = Type.Object({
  data: Type.Array(
    Type.Object({
      user_id: Type.String(),
      channel: ChannelName,
      address: Type.String({ description: "A user who gets another one is tried again." }),
      reason: Type.String({ enum: [...suppressionReasons] }),
      at: Time(),
    }),
  ),
  next_cursor,
});

export const SuppressionPath = Type.Object({
  user_id: UserId,
  channel: ChannelName,
});
