import { Type } from "typebox";
import type { ChannelRules, SmsMessage } from "../../model/channel.ts";
import { smsSegments } from "./segments.ts";

/** The longest text that providers take, and where a text stops being a text. */
export const maxSmsCharacters = 1_600;

export const sms = {
  name: "sms" as const,
  label: "SMS",
  schema: Type.Object(
    { text: Type.Optional(Type.String({ maxLength: 10_000 })) },
    { additionalProperties: false },
  ),
  templates: {
    text: {
      default: "{{ body | default: title | default: type_name }}",
      digest: `{{ count }} notifications: {% for item in items limit: 3 %}{{ item.title | default: item.body | default: item.type_name | truncate: 60 }}{% unless forloop.last %}; {% endunless %}{% endfor %}{% if count > 3 %} …{% endif %}`,
    },
  },
  addresses: ({ phone }) => (phone ? [{ address: phone }] : []),
  message: ({ parts: { text = "" } }, _delivery, to) => ({ to, text: text.trim() }),
  refusal: ({ text }) =>
    text.length > maxSmsCharacters
      ? {
          reason: "message",
          code: "TOO_LONG",
          text: `the text has ${text.length} characters; at most ${maxSmsCharacters} are allowed`,
        }
      : undefined,
  shown: ({ text }) => ({ text, segments: smsSegments(text) }),
  // Providers write numbers without blanks and dashes.
  plain: (address) => address.replace(/\D/g, ""),
} satisfies ChannelRules<SmsMessage>;
