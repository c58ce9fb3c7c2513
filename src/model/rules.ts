import type { DigestRule, ThrottleRule } from "./digest.ts";
import { durationForm, durationMs } from "./duration.ts";

/** States of the inbox item that make a waiting message needless. */
export const needlessWhen = ["read", "seen", "archived"] as const;

/** Rules of one channel that a call may give too. Durations are texts such as `15m`. */
export interface CallRules {
  /** The message is due that much later. */
  after?: string;
  /** The message is not sent when the inbox item is in this state by then. */
  unless?: (typeof needlessWhen)[number];
  /** The message is sent only when the delivery on this channel ended badly. */
  if_failed?: string;
  /** The message is not sent after this time. */
  expires?: string;
}

/** Rules of one channel that only a type gives. */
export interface TypeChannelRules extends CallRules {
  digest?: DigestRule;
  throttle?: ThrottleRule;
}

/** Rules of one channel, as written in a type. */
export interface ChannelRuleSet extends TypeChannelRules {
  /** Liquid expressions; all must hold. */
  if?: string[];
}

export const ruleFields = ["after", "unless", "if_failed", "expires", "if", "digest", "throttle"] as const;

/** A pointer into the rules, and what is wrong there. */
export interface RuleProblem {
  pointer: string;
  detail: string;
}

/**
 * The problems of the rules of all channels together. `hasItem`: the notification has an inbox item. The schema has
 * checked the form of each field.
 */
export function ruleProblems(rules: Record<string, CallRules>, hasItem: boolean): RuleProblem[] {
  const problems: RuleProblem[] = [];
  for (const [channel, { after, unless, if_failed: sibling, expires }] of Object.entries(rules)) {
    const tell = (field: string, detail: string) =>
      problems.push({ pointer: `/${channel}/${field}`, detail });
    for (const [field, text] of Object.entries({ after, expires }))
      if (text !== undefined && durationMs(text) === undefined) tell(field, `must be ${durationForm}`);
    if (after !== undefined && expires !== undefined) {
      const [begin, end] = [durationMs(after), durationMs(expires)];
      if (begin !== undefined && end !== undefined && end <= begin)
        tell("expires", "must be longer than `after`, or the message is never sent");
    }
    if (unless !== undefined && !hasItem)
      tell("unless", "needs an inbox item, and this notification has none");
    if (sibling === undefined) continue;
    if (!Object.hasOwn(rules, sibling)) tell("if_failed", `must name another channel of this notification`);
    else if (isInCycle(channel, rules)) tell("if_failed", "leads back to this channel");
  }
  return problems;
}

function isInCycle(start: string, rules: Record<string, CallRules>): boolean {
  let at = rules[start]?.if_failed;
  for (let steps = 0; at !== undefined && steps <= Object.keys(rules).length; steps++) {
    if (at === start) return true;
    at = Object.hasOwn(rules, at) ? rules[at]?.if_failed : undefined;
  }
  return false;
}
