import { Ajv } from "ajv";
import { Context, Liquid, type Template, toValueSync } from "liquidjs";
import { channelOf, channels } from "../channels/index.ts";
import type { ChannelRules, Rendered } from "../model/channel.ts";
import type { DeliveryContent } from "../model/delivery.ts";
import type { Channel } from "../model/notification.ts";
import type { RetryPolicy } from "../model/schedule.ts";
import { inWords, type Row, rowsOf } from "./in-words.ts";
import { readDatesInZone, templateZone } from "./template-dates.ts";
import { builtInTypes, type NotificationType, NotificationTypesSchema } from "./types.ts";

export interface CatalogEntry {
  inbox: boolean;
  channels: Channel[];
}

export interface Catalog {
  keys: string[];
  /** As they are written, by key. */
  types: ReadonlyMap<string, NotificationType>;
  /** Undefined for a key that is not registered. */
  get(key: string): CatalogEntry | undefined;
  /** The retry policy of a type's deliveries. A type that no longer exists has the general one. */
  policy(key: string): RetryPolicy & { resendUnknown: boolean };
  /** A type's templates for a channel. Throws when the type is gone or a template fails on this content. */
  render(channel: Channel, content: DeliveryContent, user?: TemplateUser): Rendered;
}

/** The user whom a message is for. */
export interface TemplateUser {
  id?: string | undefined;
  locale?: string | undefined;
  timeZone?: string | undefined;
}

/** Templates are rendered with it at start, to find an unknown filter or tag before the first notification. */
const sample: DeliveryContent = {
  key: "sample",
  at: 0,
  title: "Title",
  body: "Body",
  targetId: "0".repeat(24),
  data: {},
};

/**
 * The type registry: the built-in types and those of `file` (the parsed JSON of `NOTIFICATION_TYPES_FILE`).
 * Returns all problems, not only the first.
 */
export function createCatalog(
  general: RetryPolicy,
  file?: unknown,
): { catalog: Catalog; problems: string[] } {
  const problems = file === undefined ? [] : schemaProblems(file);
  const given = problems.length > 0 ? {} : (file as Record<string, NotificationType> | undefined);
  const types = new Map(Object.entries({ ...builtInTypes, ...given }));
  const { text, html } = createEngines();
  const templates = new Map<string, (scope: Variables) => string>();
  for (const [key, type] of types)
    for (const channel of channels) {
      const settings = type.channels[channel.name] ?? {};
      const where = `type ${key}, channel ${channel.name}`;
      problems.push(...(channel.problems?.({ ...settings }) ?? []).map((problem) => `${where}, ${problem}`));
      const sources = templatesOf(channel, settings);
      for (const [part, source] of Object.entries(sources)) {
        const engine = channel.templates[part]?.html ? html : text;
        try {
          const parsed = engine.parse(source);
          renderOnce(engine, parsed, variables(sample, {}));
          templates.set(`${channel.name}:${part}:${key}`, (scope) => renderOnce(engine, parsed, scope));
        } catch (error) {
          const place = Object.keys(sources).length > 1 ? `${where}, ${part}` : where;
          problems.push(`${place}: ${(error as Error).message}`);
        }
      }
    }

  const entries = new Map(
    [...types].map(([key, type]) => [key, { inbox: type.inbox, channels: Object.keys(type.channels) }]),
  );
  const catalog: Catalog = {
    keys: [...types.keys()],
    types,
    get: (key) => entries.get(key),
    policy(key) {
      const { retry, on_timeout } = types.get(key) ?? {};
      return {
        delayMs: retry?.delay_ms ?? general.delayMs,
        factor: retry?.factor ?? general.factor,
        maxRetries: retry?.max_retries ?? general.maxRetries,
        resendUnknown: on_timeout !== "give_up",
      };
    },
    render(name, content, user) {
      const type = types.get(content.key);
      if (!type) throw new Error(`the notification type ${content.key} no longer exists`);
      const scope = variables(content, user);
      const parts = Object.keys(channelOf(name).templates).map((part) => [
        part,
        templates.get(`${name}:${part}:${content.key}`)?.(scope) ?? "",
      ]);
      return {
        parts: Object.fromEntries(parts),
        settings: { ...type.channels[name] },
        typeName: scope.type_name,
      };
    },
  };
  return { catalog, problems };
}

/** A type's templates for a channel. Defaults fill the gaps, because a caller may choose any channel. */
export function templatesOf({ templates }: ChannelRules, settings: object): Record<string, string> {
  const own = settings as Record<string, string | undefined>;
  return Object.fromEntries(
    Object.entries(templates).map(([part, template]) => [part, own[part] ?? template.default]),
  );
}

/**
 * One template on one content. The work is counted and not timed, so a busy machine fails no mail: a step for each piece
 * of a template that is rendered, and the characters that filters, ranges and the output take.
 */
function renderOnce(engine: Liquid, template: Template[], scope: Variables): string {
  let steps = 0;
  const work = {
    check() {
      if (++steps > maxSteps) throw new Error(`takes more than ${maxSteps} steps; is a loop too long?`);
    },
    use() {},
  };
  const output = {
    buffer: "",
    write(piece: unknown) {
      output.buffer += written(piece);
      if (output.buffer.length > maxOutput) throw new Error(`writes more than ${maxOutput} characters`);
    },
  };
  const context = new Context(
    // A copy, since `increment` writes into it.
    { ...scope },
    { ...engine.options, timezoneOffset: templateZone(scope.user.time_zone) },
    { sync: true },
    {
      // Liquid's own limit is one of wall time.
      renderLimit: work as unknown as Context["renderLimit"],
      liquid: engine,
    },
  );
  toValueSync(engine.renderer.renderTemplates(template, context, output));
  return output.buffer;
}

/** As Liquid writes a value. */
function written(value: unknown): string {
  if (value === undefined || value === null) return "";
  return Array.isArray(value) ? value.map(written).join("") : String(value);
}

/** A mail of everyday size takes a few hundred steps. */
const maxSteps = 50_000;
const maxOutput = 1_000_000;

/** Templates come from the operator, values from callers: no files, bounded work, and HTML escapes every value. */
function createEngines(): { text: Liquid; html: Liquid } {
  const limits = { parseLimit: 200_000, memoryLimit: 1_000_000 };
  const common = { ...limits, strictFilters: true, ownPropertyOnly: true, templates: {} };
  const engines = { text: new Liquid(common), html: new Liquid({ ...common, outputEscape: "escape" }) };
  for (const engine of Object.values(engines)) readDatesInZone(engine);
  return engines;
}

type Variables = ReturnType<typeof variables>;

/** Everything that a template sees. Made once for all templates of a message. */
function variables(content: DeliveryContent, user: TemplateUser = {}) {
  const { key, body, targetId, data, at } = content;
  let rows: Row[] | undefined;
  // A blank title would give a mail without a subject.
  const title = content.title?.replace(blank, "") ? content.title : undefined;
  return {
    key,
    type_name: inWords(key),
    title,
    body,
    target_id: targetId,
    data: data ?? {},
    get rows() {
      rows ??= rowsOf(data);
      return rows;
    },
    at: new Date(at).toISOString(),
    user: { id: user.id, locale: user.locale, time_zone: user.timeZone },
  };
}

const blank = /[\s\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}]+/gu;

function schemaProblems(file: unknown): string[] {
  const validate = new Ajv({ allErrors: true, strict: false }).compile(NotificationTypesSchema);
  if (validate(file)) return [];
  return (
    (validate.errors ?? [])
      // The errors of the names themselves are more exact.
      .filter(({ keyword }) => keyword !== "propertyNames")
      .map(({ instancePath, keyword, message, params }) =>
        keyword === "additionalProperties"
          ? `${instancePath}/${params.additionalProperty}: is not a known field`
          : `${instancePath || "/"}: ${message}`,
      )
  );
}
