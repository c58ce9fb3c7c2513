import type { Static } from "typebox";
import { Type } from "typebox";
import { type BuiltInEntries, channels } from "../channels/index.ts";

/** By channel: its templates and settings. */
export type ChannelEntries = Partial<BuiltInEntries> & { [channel: string]: object | undefined };

/** A notification type as in its file. Templates are Liquid; a channel without templates uses the defaults. */
export const NotificationTypeSchema = Type.Object(
  {
    description: Type.Optional(Type.String({ maxLength: 500 })),
    /** Whether a record is kept in the user's inbox. */
    inbox: Type.Boolean(),
    /** Outbound channels, each with its templates. */
    channels: Type.Unsafe<ChannelEntries>(
      Type.Object(
        Object.fromEntries(channels.map(({ name, schema }) => [name, Type.Optional(Type.Unsafe(schema))])),
        { additionalProperties: false },
      ),
    ),
    /** This type's overrides of `RETRY_DELAY_MS`, `RETRY_FACTOR` and `MAX_RETRIES`. */
    retry: Type.Optional(
      Type.Object(
        {
          delay_ms: Type.Optional(Type.Integer({ minimum: 1, maximum: 86_400_000 })),
          factor: Type.Optional(Type.Number({ minimum: 1, maximum: 10 })),
          max_retries: Type.Optional(Type.Integer({ minimum: 0, maximum: 100 })),
        },
        { additionalProperties: false },
      ),
    ),
    /** When a provider does not answer: send again (the default), or leave it as `uncertain`. */
    on_timeout: Type.Optional(Type.Union([Type.Literal("resend"), Type.Literal("give_up")])),
  },
  { additionalProperties: false },
);

export type NotificationType = Static<typeof NotificationTypeSchema>;

/** `{"<key>": <type>, …}` */
export const NotificationTypesSchema = Type.Record(
  Type.String({ pattern: "^[A-Za-z0-9_.-]{1,64}$" }),
  NotificationTypeSchema,
  {
    additionalProperties: false,
  },
);

/** The type of the queue dialect: a text for a channel that the caller chooses. */
export const directType = "direct";

/** The built-in types. Entries of `NOTIFICATION_TYPES_FILE` add to them or replace them by key. */
export const builtInTypes: Record<string, NotificationType> = {
  registration: { description: "A new account", inbox: false, channels: { email: {} } },
  new_message: { description: "Somebody wrote to the user", inbox: true, channels: {} },
  new_post: { description: "Somebody the user follows has posted", inbox: true, channels: {} },
  new_login: { description: "A sign-in to the user's account", inbox: true, channels: { email: {} } },
  MESSAGE: { description: "Somebody wrote to the user", inbox: true, channels: {} },
  SUBSCRIPTION_EXPIRY: { description: "The user's subscription ends soon", inbox: true, channels: {} },
  PROFILE_SETUP: { description: "The user's profile is complete", inbox: true, channels: {} },
  // Callers of the old queue expect a fixed wait between tries.
  [directType]: {
    description: "A text for one channel that the caller chooses",
    inbox: true,
    channels: {
      email: {
        subject: "{{ title | default: 'Notification' }}",
        text: "{{ body }}\n",
        html: '<p style="white-space:pre-line">{{ body }}</p>\n',
      },
      sms: {},
      webhook: {},
    },
    retry: { factor: 1 },
  },
};
