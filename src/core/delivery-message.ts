import { channelOf } from "../channels/index.ts";
import { type DeliveryContent, nobody } from "../model/delivery.ts";
import { BelfryError } from "../model/errors.ts";
import type { Store } from "../store/index.ts";
import type { TypeRegistry } from "./notification-types.ts";

/** A delivery's content and its message, rendered now. */
export interface DeliveryMessage {
  content: DeliveryContent;
  /** The address a message would be sent to now; absent when the user has no address on the channel. */
  address?: string;
  /** The message as its channel shows it, under the channel's name. */
  [channel: string]: unknown;
  /** Why it cannot be rendered. */
  problem?: string;
}

/** Deliveries store their content, not the message: it is rendered again with the current templates and profile. */
export function createDeliveryMessage(
  { deliveries, users }: Pick<Store, "deliveries" | "users">,
  render: TypeRegistry["render"],
) {
  return async (id: string): Promise<DeliveryMessage> => {
    const found = await deliveries.source(id);
    if (!found) throw new BelfryError("not_found", `There is no delivery ${id}.`);
    const { content, channel, user } = found;
    if (user === nobody)
      throw new BelfryError("not_found", `The user of delivery ${id} was erased, and its message with it.`);
    const [known = {}] = await users.many([user]);
    const rules = channelOf(channel);
    const address = rules.addresses(known)[0]?.address;
    const shown = { content, ...(address !== undefined && { address }) };
    try {
      const reader = { id: user, locale: known.locale, timeZone: known.timeZone };
      const message = rules.message(render(channel, content, reader), found, address ?? "", known);
      const refusal = rules.refusal?.(message);
      return refusal ? { ...shown, problem: refusal.text } : { ...shown, [channel]: rules.shown(message) };
    } catch (error) {
      return { ...shown, problem: (error as Error).message };
    }
  };
}
