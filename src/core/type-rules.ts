import { Ajv, type ValidateFunction } from "ajv";
import type { Liquid } from "liquidjs";
import type { TypeRules } from "../model/decide.ts";
import type { DeliveryContent } from "../model/delivery.ts";
import { type DigestRule, digestFields, digestProblems, type Priority } from "../model/digest.ts";
import { durationForm, durationMs } from "../model/duration.ts";
import { type ErrorDetail, escapePointer, shortPointer } from "../model/errors.ts";
import { didYouMean } from "../model/nearest.ts";
import type { Channel } from "../model/notification.ts";
import { type Category, choiceOf } from "../model/preferences.ts";
import {
  type ChannelRuleSet,
  type RuleProblem,
  ruleFields,
  ruleProblems,
  type TypeChannelRules,
} from "../model/rules.ts";
import { type Expression, parseExpression } from "./expressions.ts";
import { type TemplateUser, variables } from "./templates.ts";
import { type ItemGroup, readGroup } from "./type-group.ts";
import type { NotificationType } from "./types.ts";

/** A type as the core uses it: without its templates. */
export interface RegisteredType extends TypeRules {
  inbox: boolean;
  /** Of the inbox: whether the user can choose, and what holds where they have chosen nothing. */
  inboxChoice: { isLocked: boolean; isOnByDefault: boolean };
  priority: Priority;
  channels: Channel[];
  /** The channels that have rules. A channel that only a call names has none. */
  rules: Readonly<Record<Channel, TypeChannelRules>>;
  /** The first expression of the channel's `if` that does not hold. */
  unmet(channel: Channel, content: DeliveryContent, user: TemplateUser): string | undefined;
  /** The value of the `by` of the channel's digest or throttle; undefined when it has none. */
  by(
    rule: "digest" | "throttle",
    channel: Channel,
    content: DeliveryContent,
    user: TemplateUser,
  ): string | undefined;
  /** The group of an inbox item, and who caused it. */
  groupOf(content: DeliveryContent): ItemGroup;
  /** The problems of `data` with the type's `data_schema`. */
  dataProblems(data: unknown): ErrorDetail[];
}

/** The settings of a channel's entry, and its rules. */
export function partsOf(entry: object): { settings: Record<string, unknown>; rules: ChannelRuleSet } {
  const fields = Object.entries(entry);
  const isRule = ([name]: [string, unknown]) => (ruleFields as readonly string[]).includes(name);
  return {
    settings: Object.fromEntries(fields.filter((one) => !isRule(one))),
    rules: Object.fromEntries(fields.filter(isRule)),
  };
}

/** Reads the rules of one type. Returns all problems as sentences that name their place. */
export function readRules(
  key: string,
  type: NotificationType,
  categories: ReadonlyMap<string, Category>,
  engine: Liquid,
): { registered: RegisteredType; problems: string[] } {
  const problems: string[] = [];
  const rules: Record<Channel, TypeChannelRules> = {};
  const conditions = new Map<Channel, Expression[]>();
  /** By `digest <channel>` or `throttle <channel>`. */
  const keys = new Map<string, Expression>();
  for (const [channel, entry] of Object.entries(type.channels)) {
    const where = `type ${key}, channel ${channel}`;
    const { if: sources = [], ...rest } = partsOf(entry ?? {}).rules;
    const digest = rest.digest && timesOf(rest.digest);
    rules[channel] = { ...rest, ...(digest && { digest }) };
    const read = (source: string, place: string) => {
      try {
        return [parseExpression(engine, source)];
      } catch (error) {
        problems.push(`${where}, ${place}: ${(error as Error).message}`);
        return [];
      }
    };
    const parsed = sources.flatMap((source, at) => read(source, `if[${at}]`));
    if (parsed.length > 0) conditions.set(channel, parsed);
    for (const name of ["digest", "throttle"] as const) {
      if (rest[name] && type.mandatory)
        problems.push(`${where}, ${name}: a mandatory type is sent at once. Remove one of the two.`);
      const source = rest[name]?.by;
      const [by] = source === undefined ? [] : read(source, `${name}, by`);
      if (by) keys.set(`${name} ${channel}`, by);
    }
    if (digest) problems.push(...inDigest(digestProblems(digest, Date.now()), where));
    const per = rest.throttle?.per;
    if (per !== undefined && durationMs(per) === undefined)
      problems.push(`${where}, throttle, per: must be ${durationForm}`);
  }
  for (const { pointer, detail } of ruleProblems(rules, type.inbox)) {
    const [, channel, field] = pointer.split("/");
    problems.push(`type ${key}, channel ${channel}, ${field}: ${detail}`);
  }
  const { category, mandatory = false } = type;
  if (category !== undefined && categories.size > 0 && !categories.has(category)) {
    const guess = didYouMean(category, [...categories.keys()]);
    problems.push(`type ${key}, category: ${category} is not in \`categories\`${guess}`);
  }
  const group = readGroup(key, type, engine);
  problems.push(...group.problems);
  const schema = readSchema(type.data_schema);
  if (typeof schema === "string") problems.push(`type ${key}, data_schema: ${schema}`);

  const defaults = category === undefined ? undefined : categories.get(category);
  const registered: RegisteredType = {
    key,
    mandatory,
    category,
    defaults,
    inbox: type.inbox,
    inboxChoice: {
      isLocked: mandatory || defaults?.locked === true,
      isOnByDefault:
        mandatory || choiceOf({}, { channel: "inbox", fallback: defaults?.default }).value !== false,
    },
    priority: type.priority ?? "normal",
    channels: Object.keys(type.channels),
    rules,
    unmet(channel, content, user) {
      const own = conditions.get(channel);
      if (!own) return undefined;
      const scope = variables(content, user);
      return own.find((one) => !one.holds(scope))?.source;
    },
    by: (rule, channel, content, user) => keys.get(`${rule} ${channel}`)?.text(variables(content, user)),
    groupOf: group.groupOf,
    dataProblems: (data) => (typeof schema === "function" ? problemsOf(schema, data ?? {}) : []),
  };
  return { registered, problems };
}

/** A digest's rule without its templates. */
export const timesOf = (entry: DigestRule): DigestRule =>
  Object.fromEntries(
    digestFields.flatMap((name) => (entry[name] === undefined ? [] : [[name, entry[name]]])),
  );

/** Problems of a digest as sentences. */
export const inDigest = (problems: RuleProblem[], where: string): string[] =>
  problems.map(({ pointer, detail }) => `${where}, digest${pointer && `, ${pointer.slice(1)}`}: ${detail}`);

/** The compiled schema, or what is wrong with it. */
function readSchema(schema: object | undefined): ValidateFunction | string | undefined {
  if (schema === undefined) return undefined;
  try {
    // Unknown keywords are refused, since a misspelt one would check nothing.
    return new Ajv({
      allErrors: true,
      strict: true,
      strictTypes: false,
      strictTuples: false,
      strictRequired: false,
      validateFormats: false,
    }).compile(schema);
  } catch (error) {
    return (error as Error).message;
  }
}

const mostProblems = 20;

function problemsOf(validate: ValidateFunction, data: unknown): ErrorDetail[] {
  if (validate(data)) return [];
  return (validate.errors ?? [])
    .slice(0, mostProblems)
    .map(({ instancePath, message = "is not valid", params }) => {
      const { additionalProperty, missingProperty, allowedValues } = params as Record<string, unknown>;
      const inner = additionalProperty ?? missingProperty;
      const pointer = shortPointer(
        `/data${instancePath}${inner === undefined ? "" : `/${escapePointer(String(inner))}`}`,
      );
      if (missingProperty !== undefined) return { pointer, detail: "is missing" };
      if (additionalProperty !== undefined) return { pointer, detail: "is not a known field" };
      if (Array.isArray(allowedValues))
        return { pointer, detail: `must be one of ${allowedValues.join(", ")}` };
      return { pointer, detail: message };
    });
}
