import { Ajv } from "ajv";
import { channelOf, channels } from "../channels/index.ts";
import type { ChannelRules, Rendered } from "../model/channel.ts";
import type { DeliveryContent } from "../model/delivery.ts";
import { type Budget, digestProblems } from "../model/digest.ts";
import type { Channel } from "../model/notification.ts";
import type { Category } from "../model/preferences.ts";
import type { RetryPolicy } from "../model/retry-policy.ts";
import { createLocales, type Locales } from "./locales.ts";
import { createEngines, renderOnce, type TemplateUser, type Variables, variables } from "./templates.ts";
import { type Use, usesIn } from "./translate.ts";
import { tagProblems, translationsOf } from "./type-locales.ts";
import { inDigest, partsOf, type RegisteredType, readRules, timesOf } from "./type-rules.ts";
import {
  BudgetsSchema,
  builtInTypes,
  CategoriesSchema,
  type NotificationType,
  NotificationTypesSchema,
} from "./types.ts";

/** Rendered with every template at start, so that an unknown filter or tag is found before the first notification. */
const sample: DeliveryContent = {
  key: "sample",
  at: 0,
  title: "Title",
  body: "Body",
  targetId: "0".repeat(24),
  data: {},
};

const sampleDigest: DeliveryContent = {
  key: "sample",
  at: 0,
  digest: {
    scope: "*",
    count: 2,
    items: [sample, sample],
    groups: [{ type: "sample", by: "sample", count: 2 }],
  },
};

/** A template of a type or of a digest. Without a `tag` it is for each language that has none of its own. */
export interface Source {
  /** The type's key, or `digest` and its scope. */
  type: string;
  channel: Channel;
  part: string;
  tag?: string;
  /** The translated texts that it contains. */
  uses: Use[];
}

/**
 * The type registry: the built-in types and those of `file` (the parsed JSON of `NOTIFICATION_TYPES_FILE`).
 * Returns all problems, not only the first.
 */
export function createTypeRegistry(
  general: RetryPolicy,
  file?: unknown,
  locales: Locales = createLocales().locales,
) {
  const { problems, given, categories, budgets } = readFile(file);
  const types = new Map(Object.entries({ ...builtInTypes, ...given }));
  const { text, html } = createEngines(locales);
  const sources: Source[] = [];
  const templates = new Map<string, (scope: Variables) => string>();
  const rules = new Map<string, RegisteredType>();

  /** Compiles the templates of a channel's entry, for the messages of `owner`. */
  function compile(owner: string, channel: ChannelRules, settings: object, where: string, example = sample) {
    problems.push(...tagProblems(settings).map((problem) => `${where}, ${problem}`));
    const kind = example.digest ? "digest" : "default";
    for (const { part, tag, source, place } of sourcesOf(channel, settings, kind)) {
      const engine = channel.templates[part]?.html ? html : text;
      try {
        const parsed = engine.parse(source);
        const render = (scope: Variables) =>
          renderOnce(engine, parsed, scope, tag ?? locales.languageOf(scope.user.locale));
        render(variables(example, {}));
        templates.set(`${channel.name}:${part}:${owner}:${tag ?? ""}`, render);
        sources.push({ type: owner, channel: channel.name, part, ...(tag && { tag }), uses: usesIn(parsed) });
      } catch (error) {
        problems.push(`${where}${place}: ${(error as Error).message}`);
      }
    }
  }

  for (const [key, type] of types) {
    const read = readRules(key, type, categories, text);
    rules.set(key, read.registered);
    problems.push(...read.problems);
    for (const channel of channels) {
      const { settings, rules: own } = partsOf(type.channels[channel.name] ?? {});
      const where = `type ${key}, channel ${channel.name}`;
      problems.push(...(channel.problems?.({ ...settings }) ?? []).map((problem) => `${where}, ${problem}`));
      compile(key, channel, settings, where);
      if (own.digest)
        compile(digestOwner(`types.${key}`), channel, own.digest, `${where}, digest`, sampleDigest);
    }
  }
  for (const channel of channels) {
    compile(digestOwner("*"), channel, {}, `channel ${channel.name}`, sampleDigest);
    for (const [category, { digest = {} }] of categories) {
      const own = digest[channel.name];
      if (!own) continue;
      const where = `category ${category}, digest, ${channel.name}`;
      const times = timesOf(own);
      if (times.every ?? times.cron ?? times.extend ?? times.last)
        problems.push(...inDigest(digestProblems(times, Date.now()), where));
      compile(digestOwner(`categories.${category}`), channel, own, where, sampleDigest);
    }
  }

  // A file need not list its categories.
  for (const { category } of types.values())
    if (category !== undefined && !categories.has(category)) categories.set(category, {});

  const registry = {
    keys: [...types.keys()],
    /** The types as written, by key. */
    types: types as ReadonlyMap<string, NotificationType>,
    categories: categories as ReadonlyMap<string, Category>,
    /** How many messages a day users get, by channel. */
    budgets: budgets as Readonly<Record<Channel, Budget | undefined>>,
    /** Every template. */
    sources: sources as readonly Source[],
    /** The languages that a type's templates are translated into. */
    languagesOf(key: string): string[] {
      const own = sources.filter(({ type }) => type === key);
      const tags = own.flatMap(
        ({ tag, uses }) => tag ?? (uses.length > 0 ? [...locales.languages.keys()] : []),
      );
      return [...new Set(tags)].sort();
    },
    /** Undefined for a key that is not registered. */
    get: (key: string) => rules.get(key),
    /** The retry policy of a type's deliveries. A type that no longer exists has the general policy. */
    policy(key: string): RetryPolicy & { resendUnknown: boolean } {
      const { retry, on_timeout } = types.get(key) ?? {};
      return {
        delayMs: retry?.delay_ms ?? general.delayMs,
        factor: retry?.factor ?? general.factor,
        maxRetries: retry?.max_retries ?? general.maxRetries,
        resendUnknown: on_timeout !== "give_up",
      };
    },
    /** A type's or digest's templates for a channel. Throws when the type is gone or a template fails on this content. */
    render(name: Channel, content: DeliveryContent, user?: TemplateUser): Rendered {
      const { key, digest } = content;
      const type = types.get(key);
      if (!type && !digest) throw new Error(`the notification type ${key} no longer exists`);
      const scope = variables(content, user);
      const tags = [...locales.chainOf(user?.locale), ""];
      const owners = digest ? [digestOwner(digest.scope), digestOwner("*")] : [key];
      const parts = Object.keys(channelOf(name).templates).map((part) => {
        const known = owners.flatMap((owner) =>
          tags.map((tag) => templates.get(`${name}:${part}:${owner}:${tag}`)),
        );
        return [part, known.find(Boolean)?.(scope) ?? ""];
      });
      return {
        parts: Object.fromEntries(parts),
        settings: partsOf(type?.channels[name] ?? {}).settings,
        typeName: scope.type_name,
        links: user?.links,
      };
    },
  };
  return { registry, problems };
}

const digestOwner = (scope: string): string => `digest ${scope}`;

export type TypeRegistry = ReturnType<typeof createTypeRegistry>["registry"];

/** A type's templates for a channel. Defaults fill the gaps, because a caller may choose any channel. */
export function templatesOf(
  { templates }: ChannelRules,
  settings: object,
  kind: "default" | "digest" = "default",
): Record<string, string> {
  const own = settings as Record<string, string | undefined>;
  return Object.fromEntries(
    Object.entries(templates).map(([part, template]) => [
      part,
      own[part] ?? template[kind] ?? template.default,
    ]),
  );
}

/** The same and the translations, each with its place for a message. */
function sourcesOf(channel: ChannelRules, settings: object, kind: "default" | "digest") {
  const own = Object.entries(templatesOf(channel, settings, kind));
  return [
    ...own.map(([part, source]) => ({
      part,
      source,
      place: own.length > 1 ? `, ${part}` : "",
      tag: undefined,
    })),
    ...translationsOf(settings).map((one) => ({ ...one, place: `, locales.${one.tag}.${one.part}` })),
  ];
}

/** The types, categories and budgets of the parsed file; none when its form is wrong. */
function readFile(file: unknown) {
  const none = {
    given: {} as Record<string, NotificationType>,
    categories: new Map<string, Category>(),
    budgets: {} as Record<Channel, Budget>,
  };
  if (file === undefined) return { ...none, problems: [] };
  const isObject = typeof file === "object" && file !== null && !Array.isArray(file);
  const { categories, budgets, ...types } = isObject ? (file as Record<string, unknown>) : {};
  const problems = [
    ...schemaProblems(NotificationTypesSchema, isObject ? types : file, ""),
    ...(categories === undefined ? [] : schemaProblems(CategoriesSchema, categories, "/categories")),
    ...(budgets === undefined ? [] : schemaProblems(BudgetsSchema, budgets, "/budgets")),
  ];
  if (problems.length > 0) return { ...none, problems };
  return {
    problems,
    given: types as Record<string, NotificationType>,
    categories: new Map(Object.entries((categories ?? {}) as Record<string, Category>)),
    budgets: (budgets ?? {}) as Record<Channel, Budget>,
  };
}

const ajv = new Ajv({ allErrors: true, strict: false });

function schemaProblems(schema: object, value: unknown, at: string): string[] {
  const validate = ajv.compile(schema);
  if (validate(value)) return [];
  return (
    (validate.errors ?? [])
      // The errors about the names themselves are more precise, and so are those inside the matching branch.
      .filter(
        ({ keyword, schemaPath }) => keyword !== "propertyNames" && !/\/anyOf\/\d+\/type$/.test(schemaPath),
      )
      .map(({ instancePath, keyword, message, params }) =>
        keyword === "additionalProperties"
          ? `${at}${instancePath}/${params.additionalProperty}: is not a known field`
          : `${at}${instancePath || "/"}: ${keyword === "anyOf" ? "has a value that is not allowed" : message}`,
      )
  );
}
