import type { Facts, Over } from "../model/decide.ts";
import type { HeldDelivery } from "../model/delivery.ts";
import { budgetDay } from "../model/digest.ts";
import { durationMs } from "../model/duration.ts";
import type { TurnRegistry, TurnStore } from "./turn.ts";

type Message = Pick<HeldDelivery, "id" | "user" | "channel">;
type Asked = Pick<Facts, "type" | "rules" | "preferences" | "zone" | "now">;

/**
 * Counts a message that is about to be sent towards the throttle of its type and its user's budget on the channel. Returns
 * the limit that is used up, if any. A message that is then not sent after all, since its provider refuses it, has counted.
 */
export function createLimits({ budgets }: TurnRegistry, { countTowards }: TurnStore) {
  async function throttled(
    message: Message,
    { type, rules, now }: Asked,
    by = "",
  ): Promise<Over | undefined> {
    const { throttle } = rules;
    if (!throttle) return undefined;
    const per = durationMs(throttle.per) ?? 0;
    const oldest = await countTowards({
      ...idsOf(message),
      key: JSON.stringify(["throttle", message.channel, type.key, by]),
      limit: throttle.limit,
      // A message that is as old as the period no longer counts.
      since: now - per + 1,
      until: now + per,
    });
    return oldest === undefined ? undefined : { rule: "throttle", how: throttle.over, until: oldest + per };
  }

  /** The last message of a day is the digest of what is over the limit. */
  async function overBudget(message: Message, asked: Omit<Asked, "type" | "rules">, isDigest: boolean) {
    const { preferences, zone, now } = asked;
    const { channel } = message;
    const budget = preferences.budget?.[channel] ?? budgets[channel];
    if (!budget) return undefined;
    const { begin, due, tomorrow } = budgetDay(budget, zone, now);
    const limit = isDigest ? budget.limit : budget.limit - 1;
    const over: Over = { rule: "budget", how: "digest", until: isDigest ? tomorrow : due };
    if (limit === 0) return over;
    const key = JSON.stringify(["budget", channel]);
    const counted = { ...idsOf(message), key, limit, since: begin, until: tomorrow };
    return (await countTowards(counted)) === undefined ? undefined : over;
  }

  return {
    /** `by`: the value of the throttle's. */
    async ofMessage(message: Message, asked: Asked, by: string | undefined): Promise<Over | undefined> {
      if (asked.type.mandatory) return undefined;
      return (await throttled(message, asked, by)) ?? (await overBudget(message, asked, false));
    },
    /** `asked` without a throttle: a digest of several types. */
    async ofDigest(message: Message, asked: Asked, by: string | undefined): Promise<Over | undefined> {
      return (await throttled(message, asked, by)) ?? (await overBudget(message, asked, true));
    },
  };
}

export type Limits = ReturnType<typeof createLimits>;

const idsOf = ({ id, user }: Message) => ({ delivery: id, user });
