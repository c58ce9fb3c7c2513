import type { Address, ChannelRules, Message, Recipient, Rendered } from "../model/channel.ts";
import type { HeldDelivery, Reason } from "../model/delivery.ts";
import type { Channel } from "../model/notification.ts";

/** Renders a delivery's content for its channel. Throws when the type is gone or a template fails on this content. */
export type Render = (
  channel: Channel,
  content: HeldDelivery["content"],
  user: { id: string; locale: string | undefined; timeZone: string | undefined },
) => Rendered;

type Composed = { message: Message } | { problem: { reason: Reason; code: string; text: string } };

/** The message of a delivery to one address, or why there is none. */
export function compose(
  rules: ChannelRules,
  delivery: Pick<HeldDelivery, "id" | "notification" | "user" | "content">,
  { address, target }: Address,
  recipient: Recipient,
  render: Render,
): Composed {
  const { id, user, content } = delivery;
  const reader = { id: user, locale: recipient.locale, timeZone: recipient.timeZone };
  try {
    const rendered = render(rules.name, content, reader);
    const message = rules.message(rendered, delivery, address, recipient);
    const problem = rules.refusal?.(message);
    if (problem) return { problem };
    return { message: { id, user, ...(target !== undefined && { target }), ...message } };
  } catch (error) {
    return { problem: { reason: "template", code: "TEMPLATE", text: (error as Error).message } };
  }
}
