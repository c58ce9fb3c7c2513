import { Type } from "typebox";
import { channels } from "../model/notification.ts";
import { plainText, typeKey } from "./patterns.ts";
import { Exactly, Hex24, Item, Time } from "./v1/schemas.ts";

const Count = (description?: string) => Type.Integer({ minimum: 0, ...(description && { description }) });
const Amount = (description: string) => Type.Optional(Type.Number({ minimum: 0, description }));

const Email = Type.Object({ subject: Type.String(), text: Type.String(), html: Type.String() });

export const TypeList = Type.Object({
  data: Type.Array(
    Type.Object({
      key: Type.String(),
      description: Type.Optional(Type.String()),
      inbox: Type.Boolean({ description: "Whether a record is kept in the user's inbox." }),
      channels: Type.Array(Type.String({ enum: [...channels] })),
      templates: Type.Object(
        { email: Type.Optional(Email), sms: Type.Optional(Type.Object({ text: Type.String() })) },
        { description: "Liquid, of its own channels: the default ones where it has none." },
      ),
      retry: Type.Object({ delay_ms: Type.Number(), factor: Type.Number(), max_retries: Type.Integer() }),
      on_timeout: Type.String({
        enum: ["resend", "give_up"],
        description: "What becomes of one that a provider does not answer.",
      }),
    }),
  ),
});

export const TypePath = Type.Object({ key: Type.String({ pattern: typeKey }) });

/** As a notification has it. */
export const PreviewBody = Exactly({
  title: Type.Optional(Type.String({ maxLength: 1_000 })),
  body: Type.Optional(Type.String({ maxLength: 16_384 })),
  target_id: Type.Optional(Hex24),
  data: Type.Optional(Type.Object({}, { additionalProperties: true })),
});

export const PreviewReply = Type.Object({
  email: Type.Optional(Email),
  sms: Type.Optional(
    Type.Object({
      text: Type.String(),
      segments: Count("Messages that a phone network makes of it. More than 1,600 characters are not sent."),
    }),
  ),
});

export const DeliveryMessageReply = Type.Object({
  type: Type.String(),
  title: Type.Optional(Type.String()),
  body: Type.Optional(Type.String()),
  target_id: Type.Optional(Type.String()),
  data: Type.Optional(Type.Object({}, { additionalProperties: true })),
  address: Type.Optional(
    Type.String({ description: "The user's address on this channel today. Absent when there is none." }),
  ),
  email: Type.Optional(
    Type.Object({ subject: Type.String(), text: Type.String(), html: Type.Optional(Type.String()) }),
  ),
  sms: PreviewReply.properties.sms,
  webhook: Type.Optional(
    Type.Object({}, { additionalProperties: true, description: "The body of the request." }),
  ),
  problem: Type.Optional(Type.String({ description: "Why the message cannot be rendered." })),
});

export const FoundNotification = Type.Object({ user_id: Type.String(), item: Item });

export const UsersQuery = Exactly({
  q: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 254,
      pattern: plainText,
      description: "An id or its beginning, an e-mail or a phone.",
    }),
  ),
  limit: Type.Integer({ minimum: 1, maximum: 100, default: 20 }),
  cursor: Type.Optional(
    Type.String({ maxLength: 1_024, description: "`next_cursor` of the page before, with the same `q`." }),
  ),
});

export const UserPage = Type.Object({
  data: Type.Array(
    Type.Object({
      id: Type.String(),
      email: Type.Optional(Type.String()),
      phone: Type.Optional(Type.String()),
    }),
    { description: "By id." },
  ),
  next_cursor: Type.Optional(Type.String({ description: "Absent on the last page." })),
});

export const StatsReply = Type.Object({
  interval_seconds: Type.Number(),
  samples: Type.Array(
    Type.Object({
      at: Time,
      accepted: Count("Notifications stored."),
      sent: Count(),
      delivered: Count("Reported by providers."),
      failed: Count(),
      skipped: Count(),
      uncertain: Count(),
      latency_ms_p50: Amount("Of requests other than GET; absent without any."),
      latency_ms_p99: Amount("The same."),
      pending: Type.Optional(
        Count("Deliveries of all processes that are not finished. Looked at while somebody asks."),
      ),
      oldest_age_seconds: Amount("How long the longest waiting one has been due."),
      connections: Count("Of devices that listen."),
    }),
    {
      description:
        "What happened between one and the next in the last 15 minutes, oldest first, in this process's memory.",
    },
  ),
  providers: Type.Array(
    Type.Object({
      channel: Type.String(),
      name: Type.String(),
      state: Type.String({
        description: "`ok`, `open` (it fails and is probed) or `paused` (it refuses our configuration).",
      }),
      code: Type.Optional(Type.String({ description: "The code of its last answer." })),
      text: Type.Optional(Type.String({ description: "Its last answer, without addresses." })),
      remedy: Type.Optional(Type.String({ description: "What to do about it." })),
      since: Type.Optional(Time),
      until: Type.Optional(Type.String({ format: "date-time", description: "When it is tried again." })),
    }),
  ),
  overdue: Type.Record(Type.String(), Type.Integer(), {
    description:
      "By channel: deliveries that this process has had in hand for longer than a send may take. Anything but 0 is a fault.",
  }),
});

const interval = { minimum: 0.01, maximum: 3_600, description: "From one notification to the next." };
/** What is not given stays: of two who change different things neither undoes the other's. */
export const SimulatorBody = Type.Object(
  { running: Type.Optional(Type.Boolean()), interval_seconds: Type.Optional(Type.Number(interval)) },
  { additionalProperties: false, minProperties: 1 },
);
export const SimulatorReply = Type.Object({
  running: Type.Boolean(),
  interval_seconds: Type.Number(interval),
});
