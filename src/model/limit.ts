import type { Facts, Over } from "./decide.ts";
import { type Budget, budgetDay } from "./digest.ts";
import { durationMs } from "./duration.ts";

/** A limit that a message counts towards. Times in Unix ms. */
export interface Limit {
  /** Messages with the same key count together. */
  key: string;
  /** The number of messages. With 0 nothing is counted. */
  limit: number;
  /** Earlier messages no longer count. */
  since: number;
  /** The message itself is of no use after that. */
  until: number;
  /** When the limit is used up: what becomes of the message. `oldest`: of the messages that count. */
  over: (oldest: number) => Over;
}

/** By channel, of users who have not set one. */
export type Budgets = Readonly<Record<string, Budget | undefined>>;
type Asked = Pick<Facts, "type" | "channel" | "rules" | "preferences" | "zone" | "now">;

/**
 * The limits of a message, in the order in which they are counted: the throttle of its type and its user's budget on the
 * channel. `by`: the value of the throttle's.
 */
export const limitsOfMessage = (asked: Asked, by: string | undefined, budgets: Budgets): Limit[] =>
  asked.type.mandatory ? [] : limitsOf(asked, by, budgets, false);

/** The limits of a digest. `asked` without a throttle: a digest of several types. */
export const limitsOfDigest = (asked: Asked, by: string | undefined, budgets: Budgets): Limit[] =>
  limitsOf(asked, by, budgets, true);

function limitsOf(asked: Asked, by: string | undefined, budgets: Budgets, isDigest: boolean) {
  const budget = asked.preferences.budget?.[asked.channel] ?? budgets[asked.channel];
  return [
    ...(asked.rules.throttle ? [throttleOf(asked, asked.rules.throttle, by)] : []),
    ...(budget ? [budgetOf(asked, budget, isDigest)] : []),
  ];
}

function throttleOf(
  { type, channel, now }: Asked,
  { limit, per, over }: NonNullable<Facts["rules"]["throttle"]>,
  by = "",
): Limit {
  const period = durationMs(per) ?? 0;
  return {
    key: JSON.stringify(["throttle", channel, type.key, by]),
    limit,
    // A message that is as old as the period no longer counts.
    since: now - period + 1,
    until: now + period,
    over: (oldest) => ({ rule: "throttle", how: over, until: oldest + period }),
  };
}

/** The last message of a day is the digest of what is over the limit. */
function budgetOf({ channel, zone, now }: Asked, budget: Budget, isDigest: boolean): Limit {
  const { begin, due, tomorrow } = budgetDay(budget, zone, now);
  return {
    key: JSON.stringify(["budget", channel]),
    limit: isDigest ? budget.limit : budget.limit - 1,
    since: begin,
    until: tomorrow,
    over: () => ({ rule: "budget", how: "digest", until: isDigest ? tomorrow : due }),
  };
}
