import { type HeldDelivery, maxSmsCharacters, type Reason } from "../model/delivery.ts";
import type { Channel } from "../model/notification.ts";
import type { Messages, Recipient } from "../model/provider.ts";

/** Renders a delivery's content for its channel. Each throws when the type is gone or a template fails on this content. */
export interface Compose {
  email(content: HeldDelivery["content"], user: MessageUser): Omit<Messages["email"], "id" | "user" | "to">;
  sms(content: HeldDelivery["content"], user: MessageUser): string;
}

type MessageUser = { id: string; locale: string | undefined; timeZone: string | undefined };

type Composed = { message: Messages[Channel] } | { problem: { reason: Reason; code: string; text: string } };

/** The message of a delivery, rendered and addressed, or why there is none. */
export function compose(delivery: HeldDelivery, recipient: Recipient, render: Compose): Composed {
  const { id, user, channel, content } = delivery;
  const reader = { id: user, locale: recipient.locale, timeZone: recipient.timeZone };
  try {
    switch (channel) {
      case "email":
        return { message: { id, user, to: recipient.email as string, ...render.email(content, reader) } };
      case "sms": {
        const text = render.sms(content, reader);
        if (text.length > maxSmsCharacters)
          return problem(
            "message",
            "TOO_LONG",
            `the text has ${text.length} characters; at most ${maxSmsCharacters} are allowed`,
          );
        return { message: { id, user, to: recipient.phone as string, text } };
      }
      case "webhook": {
        const { url, secrets, headers } = recipient.webhook as NonNullable<Recipient["webhook"]>;
        const payload = webhookPayload(delivery);
        return { message: { id, user, url, secrets, ...(headers && { headers }), payload } };
      }
    }
  } catch (error) {
    return problem("template", "TEMPLATE", (error as Error).message);
  }
}

function problem(reason: Reason, code: string, text: string): Composed {
  return { problem: { reason, code, text } };
}

/** Standard Webhooks' body: `type`, `timestamp`, `data`. */
function webhookPayload({ notification, user, content }: HeldDelivery): object {
  const { key, at, title, body, targetId, data } = content;
  return {
    type: key,
    timestamp: new Date(at).toISOString(),
    data: { id: notification, user_id: user, title, body, target_id: targetId, data },
  };
}
