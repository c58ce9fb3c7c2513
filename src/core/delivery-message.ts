import type { compose as Compose } from "../delivery/compose.ts";
import { type DeliveryContent, nobody } from "../model/delivery.ts";
import { BelfryError } from "../model/errors.ts";
import { addressOf } from "../model/provider.ts";
import { smsSegments } from "../model/sms.ts";
import type { Store } from "../store/index.ts";
import type { Catalog } from "./catalog.ts";

/** A delivery's content and its message, rendered now. */
export interface DeliveryMessage {
  content: DeliveryContent;
  /** Where a message would go now; absent when the user has no address on the channel. */
  address?: string;
  email?: { subject: string; text: string; html?: string };
  sms?: { text: string; segments: number };
  /** The request's body. */
  webhook?: object;
  /** Why it cannot be rendered. */
  problem?: string;
}

export type DeliveryMessages = ReturnType<typeof createDeliveryMessage>;

/** Deliveries store their content, not the message: it is rendered again with the current templates and profile. */
export function createDeliveryMessage(
  { deliveries, users }: Pick<Store, "deliveries" | "users">,
  compose: typeof Compose,
  render: Catalog["render"],
) {
  return async (id: string): Promise<DeliveryMessage> => {
    const found = await deliveries.source(id);
    if (!found) throw new BelfryError("not_found", `There is no delivery ${id}.`);
    const { content, channel, user } = found;
    if (user === nobody)
      throw new BelfryError("not_found", `The user of delivery ${id} was erased, and its message with it.`);
    const [known = {}] = await users.many([user]);
    const address = addressOf(known, channel);
    const shown = { content, ...(address !== undefined && { address }) };
    // A webhook's body does not depend on the user having one.
    const target = { ...known, webhook: known.webhook ?? { url: "", secrets: [] } };
    const composed = compose({ ...found, id, tries: 0, token: "" }, target, render);
    if ("problem" in composed) return { ...shown, problem: composed.problem.text };
    const { message } = composed;
    if ("payload" in message) return { ...shown, webhook: message.payload };
    if ("subject" in message) {
      const { subject, text, html } = message;
      return { ...shown, email: { subject, text, ...(html !== undefined && { html }) } };
    }
    return { ...shown, sms: { text: message.text, segments: smsSegments(message.text) } };
  };
}
