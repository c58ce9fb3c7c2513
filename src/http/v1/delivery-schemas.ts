import { Type } from "typebox";
import { channelNames } from "../../channels/index.ts";
import { DeliveryDto } from "../../core/delivery-dto.ts";
import { deliveryStates, reasons } from "../../model/delivery.ts";
import { Count } from "../../model/schema.ts";
import { hex24 } from "../patterns.ts";

const Written = (description: string) => Type.Optional(Type.String({ maxLength: 128, description }));
export const when = "ISO 8601 with a time zone, or Unix milliseconds.";
export const time = { description: when, maxLength: 64 };

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
        [Type.String({ maxLength: 256 }), Type.Array(Type.String({ maxLength: 128 }), { maxItems: 16 })],
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

export const next_cursor = Type.Optional(Type.String({ description: "Absent on the last page." }));

export const DeliveryPage = Type.Object(
  { data: Type.Array(DeliveryDto), next_cursor },
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
