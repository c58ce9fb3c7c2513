import type { Recipient } from "../model/channel.ts";
import { decideDigest, decideMember, type Facts } from "../model/decide.ts";
import type { HeldDelivery } from "../model/delivery.ts";
import { type DigestKey, defaultKeep } from "../model/digest.ts";
import { createGathering } from "../model/digest-content.ts";
import { limitsOfDigest } from "../model/limit.ts";
import type { Left } from "../store/digest-members.ts";
import { countTowards } from "./limits.ts";
import type { TurnRegistry, TurnStore, Verdict } from "./turn.ts";

/**
 * The turn of a digest. Its claim closed it, so its notifications are final, and each is decided once more: people have
 * read, unsubscribed and been erased meanwhile. A run that is repeated after a crash finds the same notifications.
 */
export function createDigestTurn(
  registry: TurnRegistry,
  { itemStates, digests, limits, now }: TurnStore,
  timeZone: string,
) {
  return async function turn(
    delivery: HeldDelivery,
    { scope, by }: DigestKey,
    recipient: Recipient,
    unreachable: Facts["unreachable"],
  ): Promise<Verdict> {
    const { id, user, channel } = delivery;
    const preferences = recipient.preferences ?? {};
    const zone = recipient.timeZone ?? timeZone;
    const whole = { channel, now: now(), preferences, zone, unreachable };
    const type = scope.startsWith("types.") ? registry.get(scope.slice("types.".length)) : undefined;
    const rules = type?.rules[channel] ?? {};
    const found = await gather(delivery, recipient, whole, rules.digest?.keep ?? defaultKeep);
    const conclude = () => digests.conclude(user, id, found.included, found.left);

    if (found.included.length === 0) {
      await conclude();
      const text = "none of its notifications is left";
      return {
        result: {
          kind: "decided",
          decision: { verdict: "skip", rule: "digest:empty", reason: "empty", text },
        },
      };
    }
    let decision = decideDigest(whole);
    if (decision.verdict === "send") {
      const asked = {
        ...whole,
        type: type ?? { key: delivery.content.key, mandatory: false },
        rules: { ...(rules.throttle && { throttle: rules.throttle }) },
      };
      const over = await countTowards(limits, delivery, limitsOfDigest(asked, by, registry.budgets));
      // All that the day has no room for becomes one digest.
      if (over?.rule === "budget") {
        const hold = { scope: "budget", due: over.until };
        const merged = { at: whole.now, verdict: "hold" as const, rule: "budget", until: over.until };
        await digests.merge(delivery, hold, merged);
        return { result: { kind: "held" } };
      }
      if (over) decision = decideDigest({ ...whole, over });
    }
    // Until then they wait, and may still be read.
    if (decision.verdict === "later") return { result: { kind: "decided", decision } };
    if (!(await conclude())) return turn(delivery, { scope, by }, recipient, unreachable);
    if (decision.verdict === "skip") return { result: { kind: "decided", decision } };
    const { content, of = delivery.notification } = found.gathering.message(delivery.content, { scope, by });
    return { send: content, notification: of };
  };

  /** Decides about each notification. `keep`: how many, the newest, the message shows. */
  async function gather(
    { id, user, channel }: HeldDelivery,
    recipient: Recipient,
    whole: Pick<Facts, "channel" | "now" | "preferences" | "zone" | "unreachable">,
    keep: number,
  ) {
    const reader = { id: user, locale: recipient.locale, timeZone: recipient.timeZone };
    const included: string[] = [];
    const left: Left[] = [];
    const gathering = createGathering(keep);
    for await (const page of digests.members(user, id)) {
      const states = await itemStates(page.map(({ notification }) => ({ user, notification })));
      for (const [index, member] of page.entries()) {
        const { content } = member;
        const type = registry.get(content.key);
        const decision = decideMember({
          ...whole,
          type: type ?? { key: content.key, mandatory: false },
          rules: { ...type?.rules[channel], ...member.rules },
          at: content.at,
          topic: content.topic,
          item: states[index],
          unmet: type?.unmet(channel, content, reader),
        });
        if (decision.verdict === "skip") {
          const { verdict, rule, reason, text } = decision;
          left.push({ id: member.id, reason, detail: text, decision: { at: whole.now, verdict, rule } });
          continue;
        }
        included.push(member.id);
        gathering.add(member, {
          priority: type?.priority ?? "normal",
          by: type?.by("digest", channel, content, reader),
        });
      }
    }
    return { included, left, gathering };
  }
}
