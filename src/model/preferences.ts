import type { Budget, DigestRule } from "./digest.ts";
import type { Channel } from "./notification.ts";

/** How often a user wants the notifications of a cell: at once, or gathered. */
export const rhythms = ["hourly", "daily", "weekly"] as const;
export type Rhythm = (typeof rhythms)[number];

/** Whether a user wants something. */
export type Choice = boolean | Rhythm;

/** The choice that a text means; undefined for any other text. */
export const choiceFrom = (text: string | null | undefined): Choice | undefined =>
  ([true, false, ...rhythms] as const).find((one) => String(one) === text);

/** A choice for all channels, or one by channel. `*` stands for the channels that are not named. */
export type Choices = Choice | { [channel: string]: Choice };

/** The choices that a user has made, as stored in `notificationPreferences`. */
export interface Preferences {
  /** Everything. */
  "*"?: Choices;
  /** By category. */
  categories?: Record<string, Choices>;
  /** By type. */
  types?: Record<string, Choices>;
  /** By topic: false mutes it. */
  topics?: Record<string, boolean>;
  /** Nothing is sent before this time. The inbox still gets its items. ISO 8601. */
  muted_until?: string;
  /** When messages wait. */
  quiet?: QuietPeriod[];
  /** By channel: how many messages a day. */
  budget?: Record<Channel, Budget>;
}

export const days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const;

/** `HH:MM`. */
export const timeOfDay = "^([01]\\d|2[0-3]):[0-5]\\d$";

/** A daily period, in the user's time zone, in which messages wait. It belongs to the day on which it starts. */
export interface QuietPeriod {
  /** Every day when absent. */
  days?: Array<(typeof days)[number]>;
  /** An end before the start is on the next day. */
  from: string;
  to: string;
  /** All outbound channels when absent. */
  channels?: Channel[];
}

/** A category of the types file: types that a user switches on and off together. */
export interface Category {
  /** By language tag, or one text for all. */
  label?: string | Record<string, string>;
  default?: Choices;
  /** The user cannot change it. */
  locked?: boolean;
  /** By channel: when its types are gathered, and how their digests look. Without a time, only a user's rhythm gathers them. */
  digest?: Record<Channel, DigestRule>;
}

/** What a choice is about: a type, or a whole category. `inbox` is a channel here. */
export interface Cell {
  type?: string | undefined;
  category?: string | undefined;
  channel: Channel | "inbox";
  topic?: string | undefined;
  /** Of the category: it applies where the user has chosen nothing. */
  fallback?: Choices | undefined;
}

/**
 * The most specific choice. `from` names it as a path, such as `types.comment.email`, and `scope` the kinds that it was made
 * for: `types.comment`, `categories.social` or `*`. Order: topic, type and channel,
 * category and channel, type, category, channel, everything, the category's default, on.
 */
export function choiceOf(
  preferences: Preferences,
  cell: Cell,
): { value: Choice; from: string; scope: string } {
  const { type, category, channel, topic, fallback } = cell;
  const { "*": all, categories, types, topics } = preferences;
  const muted = topic === undefined ? undefined : ownOf(topics, topic);
  if (muted !== undefined) return { value: muted, from: `topics.${topic}`, scope: `topics.${topic}` };
  const scopes = [
    ...(type === undefined ? [] : [{ path: `types.${type}`, choices: ownOf(types, type) }]),
    ...(category === undefined
      ? []
      : [{ path: `categories.${category}`, choices: ownOf(categories, category) }]),
  ];
  for (const { path, choices } of scopes) {
    const value = onChannel(choices, channel);
    if (value !== undefined) return { value, from: `${path}.${channel}`, scope: path };
  }
  for (const { path, choices } of [...scopes, { path: "*", choices: all }]) {
    if (path === "*") {
      const value = onChannel(choices, channel);
      if (value !== undefined) return { value, from: `*.${channel}`, scope: path };
    }
    const value = onAll(choices);
    if (value !== undefined) return { value, from: path, scope: path };
  }
  const value = onChannel(fallback, channel) ?? onAll(fallback);
  return { value: value ?? true, from: "default", scope: `categories.${category}` };
}

const onChannel = (choices: Choices | undefined, channel: string): Choice | undefined =>
  typeof choices === "object" ? ownOf(choices, channel) : undefined;

const onAll = (choices: Choices | undefined): Choice | undefined =>
  typeof choices === "object" ? ownOf(choices, "*") : choices;

/** Keys are callers' texts, such as `constructor`. */
export const ownOf = <Value>(record: Record<string, Value> | undefined, key: string): Value | undefined =>
  record && Object.hasOwn(record, key) ? record[key] : undefined;

/**
 * Whether a stored value can be read as preferences. The document is the product team's own, and a wrong value must
 * not stop a notification.
 */
export function isPreferences(value: unknown): value is Preferences {
  if (!isRecord(value)) return false;
  const {
    "*": all,
    categories = {},
    types = {},
    topics = {},
    muted_until: muted,
    quiet = [],
    budget = {},
  } = value;
  return (
    (all === undefined || isChoices(all)) &&
    [categories, types].every((one) => isRecord(one) && Object.values(one).every(isChoices)) &&
    isRecord(topics) &&
    Object.values(topics).every((one) => typeof one === "boolean") &&
    (muted === undefined || (typeof muted === "string" && !Number.isNaN(Date.parse(muted)))) &&
    Array.isArray(quiet) &&
    quiet.every(isQuietPeriod) &&
    isRecord(budget) &&
    Object.values(budget).every(isBudget)
  );
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const isChoice = (value: unknown): boolean =>
  typeof value === "boolean" || (rhythms as readonly unknown[]).includes(value);

const isChoices = (value: unknown): boolean =>
  isChoice(value) || (isRecord(value) && Object.values(value).every(isChoice));

const timeForm = new RegExp(timeOfDay);
const isTime = (value: unknown): boolean => typeof value === "string" && timeForm.test(value);

const isQuietPeriod = (value: unknown): boolean =>
  isRecord(value) &&
  isTime(value.from) &&
  isTime(value.to) &&
  [value.days, value.channels].every((list) => list === undefined || Array.isArray(list));

const isBudget = (value: unknown): boolean =>
  isRecord(value) &&
  Number.isInteger(value.limit) &&
  (value.limit as number) > 0 &&
  (value.at === undefined || isTime(value.at));
