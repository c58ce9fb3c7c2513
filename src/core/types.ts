import type { Static } from "typebox";
import { Type } from "typebox";

/** A notification type as in its file. Templates are Liquid; a channel without templates uses the defaults. */
export const NotificationTypeSchema = Type.Object(
  {
    description: Type.Optional(Type.String({ maxLength: 500 })),
    /** Whether a record is kept in the user's inbox. */
    inbox: Type.Boolean(),
    /** Outbound channels, each with its templates. */
    channels: Type.Object(
      {
        email: Type.Optional(
          Type.Object(
            {
              subject: Type.Optional(Type.String({ maxLength: 1_000 })),
              text: Type.Optional(Type.String({ maxLength: 100_000 })),
              html: Type.Optional(Type.String({ maxLength: 100_000 })),
              /** The Reply-To address. */
              reply_to: Type.Optional(Type.String({ maxLength: 254 })),
              /** The sender's name instead of `SMTP_NAME`. */
              from_name: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
            },
            { additionalProperties: false },
          ),
        ),
        sms: Type.Optional(
          Type.Object(
            { text: Type.Optional(Type.String({ maxLength: 10_000 })) },
            { additionalProperties: false },
          ),
        ),
        /** No template: the body is `{type, timestamp, data}` of Standard Webhooks. */
        webhook: Type.Optional(Type.Object({}, { additionalProperties: false })),
      },
      { additionalProperties: false },
    ),
    /** Where this type's deliveries differ from `RETRY_DELAY_MS`, `RETRY_FACTOR` and `MAX_RETRIES`. */
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

export const defaultSms = "{{ body | default: title | default: type_name }}";

/**
 * Used where a type has no template of its own: title, body and data, or the type's name in words. The text ends with
 * the key, which programs look for.
 */
export const defaultEmail = {
  subject: "{{ title | default: type_name }}",
  text: `{{ title | default: type_name }}
{% if body %}
{{ body }}
{% endif %}{% if rows.size > 0 %}
{% for row in rows %}{{ row.name }}: {{ row.value }}
{% endfor %}{% endif %}
Type: {{ key }}
`,
  html: `<!doctype html>
<html><body style="margin:0;padding:32px 16px;background:#f4f4f1;font:16px/1.5 system-ui,sans-serif;color:#1d1d1b">
<div style="max-width:34em;margin:auto;padding:24px;background:#fff;border-radius:8px">
<h1 style="margin:0;font-size:20px">{{ title | default: type_name }}</h1>
{% if body %}<p style="margin:12px 0 0;white-space:pre-line">{{ body }}</p>{% endif %}
{% if rows.size > 0 %}<table style="margin:16px 0 0;border-collapse:collapse;font-size:14px">
{% for row in rows %}<tr><td style="padding:2px 16px 2px 0;color:#6b6b66;vertical-align:top">{{ row.name }}</td><td style="padding:2px 0;white-space:pre-line">{{ row.value }}</td></tr>
{% endfor %}</table>{% endif %}
</div></body></html>
`,
};
