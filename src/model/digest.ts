import { cronProblem, nextFiring } from "./cron.ts";
import { durationForm, durationMs } from "./duration.ts";
import type { Rhythm } from "./preferences.ts";
import type { RuleProblem } from "./rules.ts";
import { instantOf, wallTime } from "./wall-clock.ts";

/** How notifications are gathered into one message. One of `every`, `cron` and `extend` says when it is sent. */
export interface DigestRule {
  /** So long after its first notification. */
  every?: string;
  /** At the next of these times, in the user's zone. */
  cron?: string;
  /** So long after its newest notification, but not later than `last` after the first. */
  extend?: string;
  last?: string;
  /** A Liquid expression: each of its values has a digest of its own. */
  by?: string;
  /** `now`: the first notification is sent at once, and opens the digest. */
  first?: "now";
  /** How many of its notifications, the newest, the templates see. */
  keep?: number;
  /** A digest with so many notifications is due at once. */
  max?: number;
}

/** At most `limit` messages within `per`. */
export interface ThrottleRule {
  limit: number;
  per: string;
  /** A Liquid expression: each of its values has a count of its own. */
  by?: string;
  /** What becomes of the others. */
  over: "skip" | "digest";
}

/** At most `limit` messages a day on a channel; the last of them is the digest of the others, at `at`. */
export interface Budget {
  limit: number;
  /** HH:MM in the user's zone; 18:00 by default. */
  at?: string;
}

export const digestFields = ["every", "cron", "extend", "last", "by", "first", "keep", "max"] as const;
export const defaultKeep = 20;

/** Which notifications come first in a digest, and stay in it when it shows only some. */
export const priorities = ["low", "normal", "high"] as const;
export type Priority = (typeof priorities)[number];

/** The digests that a rhythm makes, in the user's zone. */
export const cronOf: Record<Rhythm, string> = {
  hourly: "0 * * * *",
  daily: "0 9 * * *",
  weekly: "0 9 * * 1",
};

/**
 * Which digest a notification belongs to. A user has one open digest per channel, scope and `by`. Scopes: `types.<key>`,
 * `categories.<key>`, `*` (everything) and `budget`.
 */
export interface DigestKey {
  scope: string;
  /** The value of the rule's `by`. */
  by?: string | undefined;
}

/** The digest that a notification is to join, or opens. Unix ms. */
export interface Hold extends DigestKey {
  due: number;
  /** Each further notification moves the time: `ms` after it, at most `lastMs` after the first. */
  extend?: { ms: number; lastMs: number } | undefined;
  max?: number | undefined;
  /** The notification that opens the digest is sent at once. */
  first?: true | undefined;
}

/** When a digest that opens now is due (Unix ms). */
export function digestDue({ every, cron, extend }: DigestRule, zone: string, now: number): number {
  if (cron !== undefined) return nextFiring(cron, zone, now) ?? now;
  return now + (durationMs(every ?? extend ?? "") ?? 0);
}

export function holdOf(rule: DigestRule, key: DigestKey, zone: string, now: number): Hold {
  const { extend, last, max, first } = rule;
  return {
    ...key,
    due: digestDue(rule, zone, now),
    ...(extend !== undefined && {
      extend: { ms: durationMs(extend) ?? 0, lastMs: durationMs(last ?? extend) ?? 0 },
    }),
    ...(max !== undefined && { max }),
    ...(first && { first: true }),
  };
}

/** The problems of a digest's rule that its schema allows. */
export function digestProblems({ every, cron, extend, last }: DigestRule, now: number): RuleProblem[] {
  const problems: RuleProblem[] = [];
  const tell = (field: string, detail: string) =>
    problems.push({ pointer: field === "" ? "" : `/${field}`, detail });
  const given = [every, cron, extend].filter((one) => one !== undefined).length;
  if (given !== 1) tell("", "needs one of `every`, `cron` and `extend`");
  for (const [field, text] of Object.entries({ every, extend, last }))
    if (text !== undefined && durationMs(text) === undefined) tell(field, `must be ${durationForm}`);
  const wrong = cron !== undefined && cronProblem(cron, now);
  if (wrong) tell("cron", wrong);
  if ((extend === undefined) !== (last === undefined)) tell("last", "belongs to `extend`, which needs it");
  else if (extend !== undefined && last !== undefined) {
    const [step, end] = [durationMs(extend), durationMs(last)];
    if (step !== undefined && end !== undefined && end < step)
      tell("last", "must not be shorter than `extend`");
  }
  return problems;
}

const defaultBudgetTime = "18:00";

/** The day of a budget in the user's zone: when it began, and when the digest of what is over the limit is due. */
export function budgetDay({ at = defaultBudgetTime }: Budget, zone: string, now: number) {
  const today = wallTime(zone, now);
  const [hour, minute] = at.split(":").map(Number) as [number, number];
  const begin = instantOf(zone, { ...today, hour: 0, minute: 0 });
  const todays = instantOf(zone, { ...today, hour, minute });
  const next = instantOf(zone, { ...today, day: today.day + 1, hour, minute });
  return { begin, due: now < todays ? todays : next, tomorrow: next };
}
