import { Type } from "typebox";
import type { ChannelRules, WebhookMessage } from "../../model/channel.ts";
import type { DeliveryContent } from "../../model/delivery.ts";

const shownFields = ({ title, body, targetId, topic, data }: DeliveryContent) => ({
  title,
  body,
  target_id: targetId,
  topic,
  data,
});

export const webhook = {
  name: "webhook" as const,
  label: "Webhook",
  schema: Type.Object({}, { additionalProperties: false }),
  templates: {},
  addresses: ({ webhook }) => (webhook?.url ? [{ address: webhook.url }] : []),
  /** The body of Standard Webhooks: `type`, `timestamp`, `data`. */
  message(_rendered, { notification, user, content }, url, recipient) {
    const { key, at, digest } = content;
    const { secrets = [], headers } = recipient.webhook ?? {};
    return {
      url,
      secrets,
      ...(headers && { headers }),
      payload: {
        type: key,
        timestamp: new Date(at).toISOString(),
        data: {
          id: notification,
          user_id: user,
          ...(digest
            ? {
                count: digest.count,
                notifications: digest.items.map((one) => ({
                  type: one.key,
                  timestamp: new Date(one.at).toISOString(),
                  ...shownFields(one),
                })),
              }
            : shownFields(content)),
        },
      },
    };
  },
  shown: ({ payload }) => payload,
  plain: (address) => address.toLowerCase(),
} satisfies ChannelRules<WebhookMessage>;
