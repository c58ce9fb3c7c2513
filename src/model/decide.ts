import type { DeliveryState, Reason } from "./delivery.ts";
import { cronOf, type DigestRule, type Hold, holdOf } from "./digest.ts";
import { durationMs } from "./duration.ts";
import type { Channel } from "./notification.ts";
import { type Category, type Choice, choiceOf, type Preferences } from "./preferences.ts";
import { quietUntil } from "./quiet-hours.ts";
import type { TypeChannelRules } from "./rules.ts";

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
  rules: TypeChannelRules;
  /** The value of the digest's `by`. */
  by?: string | undefined;
  /** This delivery opened its digest, and is sent at once. */
  isFirst?: boolean | undefined;
  /** A limit that is used up until then. */
  over?: Over | undefined;
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

/** A throttle or budget that is used up. Unix ms. */
export interface Over {
  rule: "throttle" | "budget";
  /** What becomes of the message. */
  how: "skip" | "digest";
  until: number;
}

/** `rule` names the rule that decided, such as `unless:read`. */
export type Decision =
  | { verdict: "send"; rule: string }
  | { verdict: "later"; rule: string; until: number }
  | { verdict: "hold"; rule: string; hold: Hold }
  | { verdict: "skip"; rule: string; reason: Reason; text: string };

/** A delivery looks again this long after its sibling's next try. */
const siblingWaitMs = 5_000;

/**
 * Whether, and when, a message is sent. Asked when a notification is accepted and again when its delivery is due: by
 * then people have read, unsubscribed or travelled. Pure: the dry run asks the same function.
 */
export function decide(facts: Facts): Decision {
  const { type, channel, rules, at, now, preferences, unreachable, zone } = facts;
  const wait = rules.after === undefined ? 0 : (durationMs(rules.after) ?? 0);
  const expired = expiryOf(facts);
  if (expired) return expired;
  if (now < at + wait) return { verdict: "later", rule: "after", until: at + wait };
  if (unreachable?.reason === "suppressed") return skip("suppressed", "suppressed", unreachable.text);
  const unwanted = refusalOf(facts) ?? conditionOf(facts);
  if (unwanted) return unwanted;
  const isMessage = !type.mandatory && channel !== "inbox";
  // Before the quiet hours: a notification that is gathered disturbs nobody, and its digest waits for their end.
  const gathered = isMessage && !facts.isFirst ? digestOf(facts) : undefined;
  if (gathered) return gathered;
  if (isMessage) {
    const limited = quietOf(preferences, channel, zone, now) ?? limitOf(facts);
    if (limited) return limited;
  }
  if (unreachable) return skip(unreachable.reason, unreachable.reason, unreachable.text);
  return { verdict: "send", rule: type.mandatory ? "mandatory" : facts.isFirst ? "digest:first" : "send" };
}

/** Whether a gathered notification still belongs into its digest, which is due. */
export function decideMember(facts: Facts): Exclude<Decision, { verdict: "later" | "hold" }> {
  const { rules, ...rest } = facts;
  const { if_failed: _, ...own } = rules;
  const unwanted = expiryOf(facts) ?? refusalOf(facts) ?? conditionOf({ ...rest, rules: own });
  if (unwanted?.verdict === "skip") return unwanted;
  if (facts.item?.read || facts.item?.archived)
    return skip("digest:read", "condition", "the user has read it in the inbox");
  return { verdict: "send", rule: "digest" };
}

/** Whether a digest is sent, once its notifications are known. */
export function decideDigest(
  facts: Pick<Facts, "channel" | "now" | "preferences" | "zone" | "unreachable" | "over">,
): Exclude<Decision, { verdict: "hold" }> {
  const { channel, now, preferences, zone, unreachable, over } = facts;
  if (unreachable) return skip(unreachable.reason, unreachable.reason, unreachable.text);
  const quiet = quietOf(preferences, channel, zone, now);
  if (quiet) return quiet;
  if (over?.how === "skip") return limitSkip;
  if (over) return { verdict: "later", rule: over.rule, until: over.until };
  return { verdict: "send", rule: "digest" };
}

function expiryOf({ rules, at, now }: Facts) {
  const life = rules.expires === undefined ? undefined : durationMs(rules.expires);
  return life !== undefined && now >= at + life
    ? skip("expires", "expired", `it was worth sending for ${rules.expires}`)
    : undefined;
}

/** The user's choice for this message. */
const chosen = ({ type, channel, topic, preferences }: Facts) =>
  choiceOf(type.defaults?.locked ? {} : preferences, {
    type: type.key,
    category: type.category,
    channel,
    topic,
    fallback: type.defaults?.default,
  });

/** What the user does not want, unless it is mandatory. */
function refusalOf(facts: Facts) {
  const { type, channel, now, preferences } = facts;
  if (type.mandatory) return undefined;
  if (channel !== "inbox" && isBefore(now, preferences.muted_until))
    return skip("muted_until", "muted", `the user has muted notifications until ${preferences.muted_until}`);
  const { value, from } = chosen(facts);
  if (value !== false) return undefined;
  const text = from === "default" ? "it is off by default" : `the user turned it off (${from})`;
  return skip(`preference:${from}`, "preference", text);
}

/** The digest that gathers the message: of the user's rhythm, of the type or of its category. */
function digestOf(facts: Facts): Decision | undefined {
  const { type, channel, rules, by, zone, now } = facts;
  const { value, from, scope } = chosen(facts);
  const hold = (rule: string, written: DigestRule, key: Hold["scope"], own?: string): Decision => ({
    verdict: "hold",
    rule,
    hold: holdOf(written, { scope: key, ...(own !== undefined && { by: own }) }, zone, now),
  });
  if (isRhythm(value)) return hold(`preference:${from}`, { cron: cronOf[value] }, scope);
  if (rules.digest) return hold("digest", rules.digest, `types.${type.key}`, by);
  const shared = type.defaults?.digest?.[channel];
  const isTimed = shared && (shared.every ?? shared.cron ?? shared.extend) !== undefined;
  return isTimed ? hold("digest:category", shared, `categories.${type.category}`) : undefined;
}

const isRhythm = (value: Choice) => typeof value === "string";

function quietOf(preferences: Preferences, channel: string, zone: string, now: number) {
  const until = preferences.quiet && quietUntil(preferences.quiet, channel, zone, now);
  return until === undefined ? undefined : ({ verdict: "later", rule: "quiet", until } as const);
}

function limitOf({ over, type, rules, by }: Facts): Decision | undefined {
  if (!over) return undefined;
  const { rule, how, until } = over;
  if (how === "skip") return limitSkip;
  const scope = rule === "budget" ? "budget" : `types.${type.key}`;
  // It joins the digest of its type, if there is one.
  const key = { scope, ...(rule === "throttle" && rules.digest && by !== undefined && { by }) };
  return { verdict: "hold", rule, hold: { ...key, due: until } };
}

function conditionOf({
  rules,
  item,
  sibling,
  unmet,
  now,
}: Facts): Exclude<Decision, { verdict: "hold" }> | undefined {
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

function skip(rule: string, reason: Reason, text: string): Extract<Decision, { verdict: "skip" }> {
  return { verdict: "skip", rule, reason, text };
}

const limitSkip = skip("throttle", "throttled", "so many are not wanted at once");

const isBefore = (now: number, time: string | undefined): boolean =>
  time !== undefined && now < Date.parse(time);
