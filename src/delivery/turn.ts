import type { TypeRegistry } from "../core/notification-types.ts";
import { createBatcher } from "../lib/batcher.ts";
import type { Recipient } from "../model/channel.ts";
import { type Decision, decide, type Facts } from "../model/decide.ts";
import type { HeldDelivery } from "../model/delivery.ts";
import type { Store } from "../store/index.ts";

/** The decision about a delivery whose turn has come. Rejects when the database cannot be read. */
export type Turn = (
  delivery: HeldDelivery,
  recipient: Recipient,
  unreachable: Facts["unreachable"],
) => Promise<Decision>;

/** Reads what the delivery's rules ask for, and decides. `timeZone`: of users who have none. */
export function createTurn(
  { get }: Pick<TypeRegistry, "get">,
  { itemStates, deliveries, now }: Pick<Store, "itemStates" | "deliveries" | "now">,
  timeZone: string,
): Turn {
  const items = createBatcher({ run: itemStates, maxItems: 200 });
  return async (delivery, recipient, unreachable) => {
    const { user, notification, channel, content } = delivery;
    // A type that is gone has no rules; rendering reports it.
    const type = get(content.key);
    const rules = { ...type?.rules[channel], ...delivery.rules };
    const reader = { id: user, locale: recipient.locale, timeZone: recipient.timeZone };
    const [item, sibling] = await Promise.all([
      rules.unless === undefined ? undefined : items.submit({ user, notification }),
      rules.if_failed === undefined ? undefined : deliveries.sibling(user, notification, rules.if_failed),
    ]);
    return decide({
      type: type ?? { key: content.key, mandatory: false },
      channel,
      rules,
      at: content.at,
      now: now(),
      preferences: recipient.preferences ?? {},
      zone: recipient.timeZone ?? timeZone,
      item,
      sibling,
      unmet: type?.unmet(channel, content, reader),
      unreachable,
    });
  };
}
