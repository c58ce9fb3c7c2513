import { createBatcher } from "../lib/batcher.ts";
import type { Facts, Over } from "../model/decide.ts";
import type { DigestKey } from "../model/digest.ts";
import { type Budgets, type Limit, limitsOfDigest, limitsOfMessage } from "../model/limit.ts";
import type { Store } from "../store/index.ts";

/** Tells whether a limit is used up at the time of the facts, if nothing else is sent until then. */
export interface UsedLimits {
  ofMessage(facts: Facts): Over | undefined;
  ofDigest(facts: Facts, digest: DigestKey): Over | undefined;
}

export const unlimited: UsedLimits = { ofMessage: () => undefined, ofDigest: () => undefined };

/**
 * Reads what counts towards the limits of a message, and counts nothing. `facts`: at the beginning. `by`: the value of the
 * throttle's. The answers are those of the worker's turn.
 */
export function createUsedLimits({ counted }: Pick<Store["limits"], "counted">, budgets: Budgets) {
  const reads = createBatcher({ run: counted, maxItems: 500 });

  return async (user: string, facts: Facts, by: string | undefined): Promise<UsedLimits> => {
    const possible = [
      ...limitsOfMessage(facts, by, budgets),
      ...[facts.by, undefined].flatMap((value) => limitsOfDigest(facts, value, budgets)),
    ];
    const keys = [...new Set(possible.map(({ key }) => key))];
    const times = await Promise.all(keys.map((key) => reads.submit({ user, key })));
    const timesOf = new Map(keys.map((key, index) => [key, times[index] as number[]]));

    function firstUsedUp(limits: Limit[]): Over | undefined {
      for (const { key, limit, since, over } of limits) {
        const counting = (timesOf.get(key) ?? []).filter((time) => time >= since);
        if (counting.length >= limit) return over(Math.min(...counting));
      }
      return undefined;
    }
    return {
      ofMessage: (own) => firstUsedUp(limitsOfMessage(own, by, budgets)),
      ofDigest(own, { scope, by: ofHold }) {
        const { throttle } = own.rules;
        const isOfType = scope === `types.${own.type.key}`;
        const rules = isOfType && throttle ? { throttle } : {};
        return firstUsedUp(limitsOfDigest({ ...own, rules }, ofHold, budgets));
      },
    };
  };
}
