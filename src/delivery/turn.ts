import type { TypeRegistry } from "../core/notification-types.ts";
import { createBatcher } from "../lib/batcher.ts";
import type { Recipient } from "../model/channel.ts";
import { type Decision, decide, type Facts } from "../model/decide.ts";
import type { DeliveryContent, DeliveryRun, HeldDelivery } from "../model/delivery.ts";
import { limitsOfMessage } from "../model/limit.ts";
import type { Store } from "../store/index.ts";
import { createDigestTurn } from "./digest-turn.ts";
import { countTowards } from "./limits.ts";

/** What becomes of a delivery whose turn has come: its content is sent now, or its run ends with a result. */
export type Verdict = { send: DeliveryContent; notification: string } | { result: DeliveryRun["result"] };

/** The decision about a delivery whose turn has come. Rejects when the database cannot be read or written. */
export type Turn = (
  delivery: HeldDelivery,
  recipient: Recipient,
  unreachable: Facts["unreachable"],
) => Promise<Verdict>;

export type TurnStore = Pick<Store, "itemStates" | "deliveries" | "digests" | "limits" | "now">;
export type TurnRegistry = Pick<TypeRegistry, "get" | "budgets">;

/** Reads what the delivery's rules ask for, and decides. `timeZone`: of users who have none. */
export function createTurn(registry: TurnRegistry, store: TurnStore, timeZone: string): Turn {
  const { itemStates, deliveries, digests, now } = store;
  const items = createBatcher({ run: itemStates, maxItems: 200 });
  const joins = createBatcher({ run: digests.join, maxItems: 500 });
  const digestTurn = createDigestTurn(registry, store, timeZone);

  return async (delivery, recipient, unreachable) => {
    if (delivery.digest) return digestTurn(delivery, delivery.digest, recipient, unreachable);
    const { user, notification, channel, content } = delivery;
    // A type that is gone has no rules; rendering reports it.
    const type = registry.get(content.key);
    const rules = { ...type?.rules[channel], ...delivery.rules };
    const reader = { id: user, locale: recipient.locale, timeZone: recipient.timeZone };
    const [item, sibling] = await Promise.all([
      rules.unless === undefined ? undefined : items.submit({ user, notification }),
      rules.if_failed === undefined ? undefined : deliveries.sibling(user, notification, rules.if_failed),
    ]);
    const facts: Facts = {
      type: type ?? { key: content.key, mandatory: false },
      channel,
      rules,
      by: type?.by("digest", channel, content, reader),
      topic: content.topic,
      at: content.at,
      now: now(),
      preferences: recipient.preferences ?? {},
      zone: recipient.timeZone ?? timeZone,
      item,
      sibling,
      unmet: type?.unmet(channel, content, reader),
      unreachable,
    };
    let decision = decide(facts);
    if (decision.verdict === "hold") {
      if ((await join(delivery, decision)) === "held") return { result: { kind: "held" } };
      facts.isFirst = true;
      decision = decide(facts);
    }
    if (decision.verdict === "send") {
      const by = type?.by("throttle", channel, content, reader);
      facts.over = await countTowards(store.limits, delivery, limitsOfMessage(facts, by, registry.budgets));
      if (facts.over) decision = decide(facts);
    }
    if (decision.verdict === "hold") {
      await join(delivery, decision);
      return { result: { kind: "held" } };
    }
    if (decision.verdict === "send") return { send: content, notification };
    return { result: { kind: "decided", decision } };
  };

  /** `first`: the delivery opened its digest and is sent now. */
  async function join(
    delivery: HeldDelivery,
    { rule, hold }: Extract<Decision, { verdict: "hold" }>,
  ): Promise<"held" | "first"> {
    const decision = { at: now(), verdict: "hold" as const, rule, until: hold.due };
    const joined = await joins.submit({ delivery, hold, decision });
    // Another worker has it, and holds it now or sends it.
    return joined === "first" ? "first" : "held";
  }
}
