import { Type } from "typebox";
import type { ChannelRules, WebhookMessage } from "../../model/channel.ts";

export const webhook = {
  name: "webhook" as const,
  label: "Webhook",
  schema: Type.Object({}, { additionalProperties: false }),
  templates: {},
  addresses: ({ webhook }) => (webhook?.url ? [{ address: webhook.url }] : []),
  /** The body of Standard Webhooks: `type`, `timestamp`, `data`. */
  message(_rendered, { notification, user, content }, url, recipient) {
    const { key, at, title, body, targetId, topic, data } = content;
    const { secrets = [], headers } = recipient.webhook ?? {};
    return {
      url,
      secrets,
      ...(headers && { headers }),
      payload: {
        type: key,
        timestamp: new Date(at).toISOString(),
        data: { id: notification, user_id: user, title, body, target_id: targetId, topic, data },
      },
    };
  },
  shown: ({ payload }) => payload,
  plain: (address) => address.toLowerCase(),
} satisfies ChannelRules<WebhookMessage>;
