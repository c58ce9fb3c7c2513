import { Ajv } from "ajv";
import { Context, Liquid, type Template, toValueSync } from "liquidjs";
import type { DeliveryContent } from "../model/delivery.ts";
import { isMailbox } from "../model/mailbox.ts";
import type { Channel } from "../model/notification.ts";
import type { RetryPolicy } from "../model/schedule.ts";
import { inWords, type Row, rowsOf } from "./in-words.ts";
import { readDatesInZone, templateZone } from "./template-dates.ts";
import {
  builtInTypes,
  defaultEmail,
  defaultSms,
  type NotificationType,
  NotificationTypesSchema,
} from "./types.ts";

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
  /** Each throws when the type is no longer registered or a template fails on this content. */
  render: {
    email(
      content: DeliveryContent,
      user?: TemplateUser,
    ): {
      subject: string;
      text: string;
      html: string;
      replyTo?: string;
      fromName?: string;
    };
    sms(content: DeliveryContent, user?: TemplateUser): string;
  };
}

/** The user whom a message is for. */
export interface TemplateUser {
  id?: string | undefined;
  locale?: string | undefined;
  timeZone?: string | undefined;
}

type Part = "subject" | "text" | "html" | "sms";

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
  const templates = new Map<string, Template[]>();
  for (const [key, { channels }] of types) {
    problems.push(...senderProblems(channels).map((problem) => `type ${key}, channel email, ${problem}`));
    for (const [part, source] of Object.entries(templatesOf(channels))) {
      const engine = part === "html" ? html : text;
      try {
        const parsed = engine.parse(source);
        renderOnce(engine, parsed, variables(sample, {}));
        templates.set(`${part}:${key}`, parsed);
      } catch (error) {
        const channel = part === "sms" ? "sms" : `email, ${part}`;
        problems.push(`type ${key}, channel ${channel}: ${(error as Error).message}`);
      }
    }
  }

  function render(part: Part, scope: Variables): string {
    const template = templates.get(`${part}:${scope.key}`);
    if (!template) throw new Error(`the notification type ${scope.key} no longer exists`);
    return renderOnce(part === "html" ? html : text, template, scope);
  }

  const entries = new Map(
    [...types].map(([key, { inbox, channels }]) => [
      key,
      { inbox, channels: Object.keys(channels) as Channel[] },
    ]),
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
    render: {
      // A subject is one line, so a value cannot add a header.
      email(content, user) {
        const { reply_to: replyTo, from_name: fromName } = types.get(content.key)?.channels.email ?? {};
        const scope = variables(content, user);
        return {
          subject: oneLine(render("subject", scope)) || scope.type_name,
          text: render("text", scope),
          html: render("html", scope),
          ...(replyTo !== undefined && { replyTo }),
          ...(fromName !== undefined && { fromName }),
        };
      },
      sms: (content, user) => render("sms", variables(content, user)).trim(),
    },
  };
  return { catalog, problems };
}

/** A type's templates by part. Defaults fill the gaps, because a caller may choose any channel. */
export function templatesOf({ email, sms }: NotificationType["channels"]): Record<Part, string> {
  const { reply_to: _reply, from_name: _name, ...own } = email ?? {};
  return { ...defaultEmail, ...own, sms: sms?.text ?? defaultSms };
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

function senderProblems({ email }: NotificationType["channels"]): string[] {
  const { reply_to: replyTo, from_name: fromName } = email ?? {};
  const problems: string[] = [];
  if (replyTo !== undefined && !isMailbox(replyTo))
    problems.push("reply_to: must be one e-mail address, such as help@example.com");
  if (fromName !== undefined && (/\p{Cc}/u.test(fromName) || fromName.replace(blank, "") === ""))
    problems.push("from_name: must be one line of text");
  return problems;
}

/** Empty when the value has nothing that can be seen. */
const oneLine = (value: string): string =>
  (value.replace(blank, "") && value)
    .replace(/\p{Cc}+/gu, " ")
    .trim()
    .slice(0, 500)
    // The cut may have halved a surrogate pair.
    .replace(/\p{Cs}$/u, "");

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
