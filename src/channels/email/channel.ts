import { Type } from "typebox";
import type { ChannelRules, EmailMessage } from "../../model/channel.ts";
import { isMailbox } from "../../model/mailbox.ts";

const schema = Type.Object(
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
);

export const email = {
  name: "email" as const,
  label: "E-mail",
  schema,
  /**
   * Used where a type has no template of its own: title, body and data, or the type's name in words. The text ends with
   * the key, which programs look for.
   */
  templates: {
    subject: {
      default: "{{ title | default: type_name }}",
      digest: '{{ count }} notifications: {{ groups | map: "type_name" | uniq | join: ", " }}',
    },
    text: {
      default: `{{ title | default: type_name }}
{% if body %}
{{ body }}
{% endif %}{% if rows.size > 0 %}
{% for row in rows %}{{ row.name }}: {{ row.value }}
{% endfor %}{% endif %}
{% if unsubscribe_url %}Unsubscribe: {{ unsubscribe_url }}
{% endif %}Type: {{ key }}
`,
      digest: `{{ count }} notifications
{% for item in items %}
{{ item.title | default: item.type_name }}
{% if item.body %}{{ item.body }}
{% endif %}{% endfor %}{% if count > items.size %}
Earlier: {{ count | minus: items.size }} more
{% endif %}
{% if unsubscribe_url %}Unsubscribe: {{ unsubscribe_url }}
{% elsif preferences_url %}Preferences: {{ preferences_url }}
{% endif %}`,
    },
    html: {
      html: true,
      default: `<!doctype html>
<html><body style="margin:0;padding:32px 16px;background:#f4f4f1;font:16px/1.5 system-ui,sans-serif;color:#1d1d1b">
<div style="max-width:34em;margin:auto;padding:24px;background:#fff;border-radius:8px">
<h1 style="margin:0;font-size:20px">{{ title | default: type_name }}</h1>
{% if body %}<p style="margin:12px 0 0;white-space:pre-line">{{ body }}</p>{% endif %}
{% if rows.size > 0 %}<table style="margin:16px 0 0;border-collapse:collapse;font-size:14px">
{% for row in rows %}<tr><td style="padding:2px 16px 2px 0;color:#6b6b66;vertical-align:top">{{ row.name }}</td><td style="padding:2px 0;white-space:pre-line">{{ row.value }}</td></tr>
{% endfor %}</table>{% endif %}
</div>{% if unsubscribe_url %}
<p style="max-width:34em;margin:16px auto;font-size:13px;text-align:center"><a style="color:#6b6b66" href="{{ unsubscribe_url }}">Unsubscribe</a></p>
{% endif %}</body></html>
`,
      digest: `<!doctype html>
<html><body style="margin:0;padding:32px 16px;background:#f4f4f1;font:16px/1.5 system-ui,sans-serif;color:#1d1d1b">
<div style="max-width:34em;margin:auto;padding:24px;background:#fff;border-radius:8px">
<h1 style="margin:0;font-size:20px">{{ count }} notifications</h1>
{% for item in items %}<div style="margin:16px 0 0;padding:16px 0 0;border-top:1px solid #e4e4df">
<b>{{ item.title | default: item.type_name }}</b>
{% if item.body %}<p style="margin:4px 0 0;white-space:pre-line">{{ item.body }}</p>{% endif %}
</div>
{% endfor %}{% if count > items.size %}<p style="margin:16px 0 0;color:#6b6b66">Earlier: {{ count | minus: items.size }} more</p>
{% endif %}</div>{% assign link = unsubscribe_url | default: preferences_url %}{% if link %}
<p style="max-width:34em;margin:16px auto;font-size:13px;text-align:center"><a style="color:#6b6b66" href="{{ link }}">{% if unsubscribe_url %}Unsubscribe{% else %}Preferences{% endif %}</a></p>
{% endif %}</body></html>
`,
    },
  },
  problems({ reply_to: replyTo, from_name: fromName }: { reply_to?: string; from_name?: string }) {
    const problems: string[] = [];
    if (replyTo !== undefined && !isMailbox(replyTo))
      problems.push("reply_to: must be one e-mail address, such as help@example.com");
    if (fromName !== undefined && (/\p{Cc}/u.test(fromName) || fromName.replace(blank, "") === ""))
      problems.push("from_name: must be one line of text");
    return problems;
  },
  addresses: ({ email: address }) => (address ? [{ address }] : []),
  message({ parts, settings, typeName, links }, _delivery, to) {
    const { reply_to: replyTo, from_name: fromName } = settings as { reply_to?: string; from_name?: string };
    const { subject = "", text = "", html } = parts;
    return {
      to,
      // One line, so a value cannot add a header.
      subject: oneLine(subject) || typeName,
      text,
      ...(html !== undefined && { html }),
      ...(replyTo !== undefined && { replyTo }),
      ...(fromName !== undefined && { fromName }),
      ...(links?.unsubscribe !== undefined && {
        headers: {
          "List-Unsubscribe": `<${links.unsubscribe}>`,
          // RFC 8058: a mail program may send this without showing the page.
          "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
          "List-Id": `<${links.listId}>`,
        },
      }),
    };
  },
  shown: ({ subject, text, html }) => ({ subject, text, ...(html !== undefined && { html }) }),
  // Providers write mailboxes in lower case.
  plain: (address) => address.toLowerCase(),
} satisfies ChannelRules<EmailMessage>;

const blank = /[\s\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}]+/gu;

/** Empty when the value has nothing that can be seen. */
const oneLine = (value: string): string =>
  (value.replace(blank, "") && value)
    .replace(/\p{Cc}+/gu, " ")
    .trim()
    .slice(0, 500)
    // The cut may have halved a surrogate pair.
    .replace(/\p{Cs}$/u, "");
