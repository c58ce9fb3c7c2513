import { channelOf } from "../channels/index.ts";
import type { DigestRule } from "../model/digest.ts";
import type { CallRules, ChannelRuleSet } from "../model/rules.ts";

const units: Record<string, string> = { s: "s", m: "min", h: "h", d: "d", w: "weeks" };

/** `15m` as people write it: `15 min`. */
const inWords = (duration: string): string => `${duration.slice(0, -1)} ${units[duration.slice(-1)]}`;

/** The rules of a channel as one line, such as "E-mail after 15 min unless read". */
export function rulesInWords(channel: string, rules: ChannelRuleSet | CallRules): string {
  const { after, unless, if_failed: other, expires } = rules;
  const { if: conditions = [], digest, throttle } = rules as ChannelRuleSet;
  return [
    channelOf(channel).label,
    after !== undefined && `after ${inWords(after)}`,
    unless !== undefined && `unless ${unless}`,
    other !== undefined && `if ${channelOf(other).label} failed`,
    conditions.length > 0 && `if ${conditions.join(" and ")}`,
    expires !== undefined && `within ${inWords(expires)}`,
    digest && digestInWords(digest),
    throttle && `at most ${throttle.limit} in ${inWords(throttle.per)}`,
  ]
    .filter(Boolean)
    .join(" ");
}

function digestInWords({ every, cron, extend, last, by, first }: DigestRule): string {
  const when =
    every !== undefined
      ? `after ${inWords(every)}`
      : cron !== undefined
        ? `at ${cron}`
        : `${inWords(extend ?? "")} after the newest, at most ${inWords(last ?? "")}`;
  return `gathered ${when}${by === undefined ? "" : ` by ${by}`}${first ? ", the first at once" : ""}`;
}

/** Why a delivery waited or ended, as a sentence without its time. */
export function decisionInWords({
  verdict,
  rule,
  until,
}: {
  verdict: string;
  rule: string;
  until?: string;
}): string {
  const [name = "", ...rest] = rule.split(":");
  const value = rest.join(":");
  const words: Record<string, string> = {
    after: "its type sends it later",
    quiet: "the user's quiet hours",
    if_failed: `it waits for ${value}`,
    expires: "it has expired",
    suppressed: "the address is suppressed",
    muted_until: "the user has muted notifications",
    preference: `the user's preferences (${value})`,
    unless: `the user has ${value} it`,
    if: `\`${value}\` does not hold`,
    changed: "the user's profile or preferences changed before the send",
    no_address: "the user has no address",
    no_provider: "no provider is configured",
    digest: "its type is gathered",
    throttle: "so many of its type are not wanted at once",
    budget: "the day's messages on this channel are used up",
  };
  const because =
    verdict === "skip" && name === "if_failed" ? `${value} did not fail` : (words[name] ?? rule);
  if (verdict === "hold") return `gathered until ${until}: ${because}`;
  if (rule === "digest:read") return "left out of the digest: the user has read it";
  if (rule === "digest:empty") return "not sent: none of its notifications is left";
  return verdict === "later" ? `waits until ${until}: ${because}` : `not sent: ${because}`;
}
