import type { DeliveryState, Reason } from "./delivery.ts";
import { durationMs } from "./duration.ts";
import type { Channel } from "./notification.ts";
import { type Category, choiceOf, type Preferences } from "./preferences.ts";
import { quietUntil } from "./quiet-hours.ts";
import type { CallRules } from "./rules.ts";

/** The rules that a type has for all of its channels. */
export interface TypeRules {
  key: string;
  /** The user cannot turn it off, and it does not wait for a better hour. */
  mandatory: boolean;
  category?: string | undefined;
  /** Of the category in the types file. */
  defaults?: Category | undefined;
}

/** Everything that a decision depends on. */
export interface Facts {
  type: TypeRules;
  channel: Channel | "inbox";
  rules: CallRules;
  topic?: string | undefined;
  /** Unix ms of the notification. */
  at: number;
  /** Unix ms. */
  now: number;
  preferences: Preferences;
  /** The user's time zone, else the service's. */
  zone: string;
  /** Asked for `unless`. Undefined: the item is not in the inbox any more, and nobody removed it. */
  item?: { read: boolean; seen: boolean; archived: boolean } | undefined;
  /** Asked for `if_failed`. Undefined: the notification has no such delivery, so there is nothing to wait for. */
  sibling?: { state: DeliveryState; reason?: Reason | undefined; due: number } | undefined;
  /** The first expression of `if` that does not hold. */
  unmet?: string | undefined;
  /** Why none of the user's addresses can be used. */
  unreachable?: { reason: "suppressed" | "no_address" | "no_provider"; text: string } | undefined;
}

/** `rule` names the rule that decided, such as `unless:read`. */
export type Decision =
  | { verdict: "send"; rule: string }
  | { verdict: "later"; rule: string; until: number }
  | { verdict: "skip"; rule: string; reason: Reason; text: string };

/** A delivery looks again this long after its sibling's next try. */
const siblingWaitMs = 5_000;

/**
 * Whether, and when, a message is sent. Asked when a notification is accepted and again when its delivery is due: by
 * then people have read, unsubscribed or travelled. Pure: the dry run asks the same function.
 */
export function decide(facts: Facts): Decision {
  const { type, channel, rules, at, now, preferences, unreachable } = facts;
  const wait = rules.after === undefined ? 0 : (durationMs(rules.after) ?? 0);
  const life = rules.expires === undefined ? undefined : durationMs(rules.expires);
  if (life !== undefined && now >= at + life)
    return skip("expires", "expired", `it was worth sending for ${rules.expires}`);
  if (now < at + wait) return { verdict: "later", rule: "after", until: at + wait };
  if (unreachable?.reason === "suppressed") return skip("suppressed", "suppressed", unreachable.text);
  if (!type.mandatory) {
    if (channel !== "inbox" && isBefore(now, preferences.muted_until))
      return skip(
        "muted_until",
        "muted",
        `the user has muted notifications until ${preferences.muted_until}`,
      );
    const { value, from } = choiceOf(type.defaults?.locked ? {} : preferences, {
      type: type.key,
      category: type.category,
      channel,
      topic: facts.topic,
      fallback: type.defaults?.default,
    });
    if (value === false) {
      const text = from === "default" ? "it is off by default" : `the user turned it off (${from})`;
      return skip(`preference:${from}`, "preference", text);
    }
  }
  const unwanted = conditionOf(facts);
  if (unwanted) return unwanted;
  if (!type.mandatory && channel !== "inbox" && preferences.quiet) {
    const until = quietUntil(preferences.quiet, channel, facts.zone, now);
    if (until !== undefined) return { verdict: "later", rule: "quiet", until };
  }
  if (unreachable) return skip(unreachable.reason, unreachable.reason, unreachable.text);
  return { verdict: "send", rule: type.mandatory ? "mandatory" : "send" };
}

function conditionOf({ rules, item, sibling, unmet, now }: Facts): Decision | undefined {
  const { unless, if_failed: other } = rules;
  if (unless !== undefined && item?.[unless])
    return skip(`unless:${unless}`, "condition", `the user has ${unless} it in the inbox`);
  if (unmet !== undefined) return skip(`if:${unmet}`, "condition", `\`${unmet}\` does not hold`);
  if (other === undefined) return undefined;
  const rule = `if_failed:${other}`;
  if (!sibling) return undefined;
  if (sibling.state === "pending" || sibling.state === "sending")
    return { verdict: "later", rule, until: Math.max(now, sibling.due) + siblingWaitMs };
  return endedBadly(sibling)
    ? undefined
    : skip(rule, "condition", `the delivery on ${other} is ${sibling.state}`);
}

/** A channel that the user turned off, or that was not needed, is no failure. */
function endedBadly({ state, reason }: NonNullable<Facts["sibling"]>): boolean {
  if (state === "skipped")
    return reason === "no_address" || reason === "no_provider" || reason === "suppressed";
  return state === "failed" || state === "uncertain";
}

const skip = (rule: string, reason: Reason, text: string): Decision => ({
  verdict: "skip",
  rule,
  reason,
  text,
});

const isBefore = (now: number, time: string | undefined): boolean =>
  time !== undefined && now < Date.parse(time);
