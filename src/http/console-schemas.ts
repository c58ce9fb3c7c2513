import { Type } from "typebox";
import { channelNames } from "../channels/index.ts";
import { InboxItemDto } from "../model/inbox-dto.ts";
import { plainText, typeKey } from "./patterns.ts";
import { Exactly, Hex24, Time } from "./v1/schemas.ts";

const Count = (description?: string) => Type.Integer({ minimum: 0, ...(description && { description }) });
const Amount = (description: string) => Type.Optional(Type.Number({ minimum: 0, description }));

const Email = Type.Object({ subject: Type.String(), text: Type.String(), html: Type.String() });

export const TypeList = Type.Object({
  data: Type.Array(
    Type.Object(
      {
        key: Type.String(),
        description: Type.Optional(Type.String()),
        inbox: Type.Boolean({ description: "Whether the inbox gets an item." }),
        channels: Type.Array(Type.String({ enum: channelNames() })),
        templates: Type.Object(
          { email: Type.Optional(Email), sms: Type.Optional(Type.Object({ text: Type.String() })) },
          { description: "Liquid templates of the type's channels. Default templates fill the gaps." },
        ),
        retry: Type.Object({ delay_ms: Type.Number(), factor: Type.Number(), max_retries: Type.Integer() }),
        on_timeout: Type.String({
          enum: ["resend", "give_up"],
          description: "When a provider does not answer: send again, or give up.",
        }),
      },
      { title: "NotificationType" },
    ),
  ),
});

export const TypePath = Type.Object({ key: Type.String({ pattern: typeKey }) });

/** The fields of a notification. */
export const PreviewBody = Exactly({
  title: Type.Optional(Type.String({ maxLength: 1_000 })),
  body: Type.Optional(Type.String({ maxLength: 16_384 })),
  target_id: Type.Optional(Hex24),
  data: Type.Optional(Type.Object({}, { additionalProperties: true })),
});

export const PreviewReply = Type.Object(
  {
    email: Type.Optional(Email),
    sms: Type.Optional(
      Type.Object({
        text: Type.String(),
        segments: Count("SMS segments. Texts of more than 1,600 characters are not sent."),
      }),
    ),
  },
  { title: "Preview" },
);

export const DeliveryMessageReply = Type.Object(
  {
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
  },
  { title: "DeliveryMessage" },
);

export const FoundNotification = Type.Object(
  { user_id: Type.String(), item: InboxItemDto },
  { title: "FoundNotification" },
);

export const UsersQuery = Exactly({
  q: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 254,
      pattern: plainText,
      description: "A user id or its beginning, an e-mail address or a phone number.",
    }),
  ),
  limit: Type.Integer({ minimum: 1, maximum: 100, default: 20 }),
  cursor: Type.Optional(
    Type.String({ maxLength: 1_024, description: "`next_cursor` of the previous page, with the same `q`." }),
  ),
});

export const UserPage = Type.Object(
  {
    data: Type.Array(
      Type.Object(
        {
          id: Type.String(),
          email: Type.Optional(Type.String()),
          phone: Type.Optional(Type.String()),
        },
        { title: "User" },
      ),
      { description: "Sorted by id." },
    ),
    next_cursor: Type.Optional(Type.String({ description: "Absent on the last page." })),
  },
  { title: "UserPage" },
);

export const StatsReply = Type.Object(
  {
    interval_seconds: Type.Number(),
    samples: Type.Array(
      Type.Object(
        {
          at: Time,
          accepted: Count("Notifications stored."),
          sent: Count(),
          delivered: Count("As reported by providers."),
          failed: Count(),
          skipped: Count(),
          uncertain: Count(),
          latency_ms_p50: Amount("Response time of writes: half are faster. Absent without requests."),
          latency_ms_p99: Amount("Response time of writes: 99 % are faster."),
          pending: Type.Optional(Count("Unfinished deliveries of all processes.")),
          oldest_age_seconds: Amount("For how long the oldest waiting delivery has been due."),
          connections: Count("Connected devices."),
        },
        { title: "Sample" },
      ),
      {
        description:
          "One sample for each interval of the last 15 minutes, oldest first, from this process's memory.",
      },
    ),
    providers: Type.Array(
      Type.Object(
        {
          channel: Type.String(),
          name: Type.String(),
          state: Type.String({
            description:
              "`ok`, `open` (it fails; Belfry checks it at intervals) or `paused` (it refuses the configuration).",
          }),
          code: Type.Optional(Type.String({ description: "The code of the provider's last answer." })),
          text: Type.Optional(Type.String({ description: "The provider's last answer, without addresses." })),
          remedy: Type.Optional(Type.String({ description: "What to do." })),
          since: Type.Optional(Time),
          until: Type.Optional(
            Type.String({ format: "date-time", description: "When the provider is checked again." }),
          ),
        },
        { title: "ProviderHealth" },
      ),
    ),
    overdue: Type.Record(Type.String(), Type.Integer(), {
      description:
        "By channel: deliveries that this process has been sending for longer than a send may take. Always 0 unless something is broken.",
    }),
  },
  { title: "Stats" },
);

const interval = { minimum: 0.01, maximum: 3_600, description: "Seconds between two notifications." };
/** Absent fields stay as they are, so that two operators who change different fields do not undo each other. */
export const SimulatorBody = Type.Object(
  { running: Type.Optional(Type.Boolean()), interval_seconds: Type.Optional(Type.Number(interval)) },
  { additionalProperties: false, minProperties: 1 },
);
export const SimulatorReply = Type.Object(
  {
    running: Type.Boolean(),
    interval_seconds: Type.Number(interval),
  },
  { title: "Simulator" },
);
