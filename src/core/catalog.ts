import { Liquid, type Template } from "liquidjs";
import { Value } from "typebox/value";
import type { DeliveryContent } from "../model/delivery.ts";
import type { Channel } from "../model/notification.ts";
import { builtInTypes, defaultEmail, type NotificationType, NotificationTypesSchema } from "./types.ts";

export interface CatalogEntry {
  inbox: boolean;
  channels: Channel[];
}

export interface Catalog {
  keys: string[];
  /** Undefined for a key that is not registered. */
  get(key: string): CatalogEntry | undefined;
  /** Throws when the type is no longer registered or a template fails on this content. */
  renderEmail(content: DeliveryContent): { subject: string; text: string; html: string };
}

const emailParts = ["subject", "text", "html"] as const;
type EmailTemplates = Record<(typeof emailParts)[number], Template[]>;

/** Rendered at start, so that a filter or tag that does not exist is found before the first notification. */
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
 * Answers with every problem found instead of the first.
 */
export function createCatalog(file?: unknown): { catalog: Catalog; problems: string[] } {
  const problems = file === undefined ? [] : schemaProblems(file);
  const types =
    problems.length > 0 ? builtInTypes : { ...builtInTypes, ...(file as Record<string, NotificationType>) };
  const { text, html } = createEngines();
  const emails = new Map<string, EmailTemplates>();
  for (const [key, type] of Object.entries(types)) {
    if (!type.channels.email) continue;
    const parsed: Partial<EmailTemplates> = {};
    for (const part of emailParts) {
      const engine = part === "html" ? html : text;
      try {
        parsed[part] = engine.parse(type.channels.email[part] ?? defaultEmail[part]);
        engine.renderSync(parsed[part], variables(sample));
      } catch (error) {
        problems.push(`type ${key}, channel email, ${part}: ${(error as Error).message}`);
      }
    }
    emails.set(key, parsed as EmailTemplates);
  }

  const entries = new Map(
    Object.entries(types).map(([key, type]) => [
      key,
      { inbox: type.inbox, channels: Object.keys(type.channels) as Channel[] },
    ]),
  );
  const catalog: Catalog = {
    keys: [...entries.keys()],
    get: (key) => entries.get(key),
    renderEmail(content) {
      const templates = emails.get(content.key);
      if (!templates) throw new Error(`the type ${content.key} has no e-mail templates any more`);
      const scope = variables(content);
      return {
        // A subject is one line: whatever a value brings along cannot become a header.
        subject: oneLine(text.renderSync(templates.subject, scope)),
        text: text.renderSync(templates.text, scope),
        html: html.renderSync(templates.html, scope),
      };
    },
  };
  return { catalog, problems };
}

/** Templates come from the operator, values from callers: no files, bounded work, and HTML escapes every value. */
function createEngines(): { text: Liquid; html: Liquid } {
  const limits = { parseLimit: 200_000, renderLimit: 200, memoryLimit: 5_000_000 };
  const common = { ...limits, strictFilters: true, ownPropertyOnly: true, templates: {} };
  return { text: new Liquid(common), html: new Liquid({ ...common, outputEscape: "escape" }) };
}

function variables(content: DeliveryContent): object {
  const { key, title, body, targetId, data, at } = content;
  return { key, title, body, target_id: targetId, data: data ?? {}, at: new Date(at).toISOString() };
}

const oneLine = (value: string): string =>
  value
    .replace(/\p{Cc}+/gu, " ")
    .trim()
    .slice(0, 500)
    // The cut may have halved a surrogate pair.
    .replace(/\p{Cs}$/u, "");

function schemaProblems(file: unknown): string[] {
  // TypeBox tells a name that is not allowed twice: at its object, and as "schema is false" at the name itself.
  return [...Value.Errors(NotificationTypesSchema, file)]
    .filter(({ keyword }) => keyword !== "additionalProperties")
    .map(({ instancePath, keyword, message }) =>
      keyword === "boolean" ? `${instancePath}: is not known here` : `${instancePath || "/"}: ${message}`,
    );
}
