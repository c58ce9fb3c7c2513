import { Context, Liquid, type Template, toValueSync } from "liquidjs";
import type { MessageLinks } from "../model/channel.ts";
import type { DeliveryContent } from "../model/delivery.ts";
import { inWords, type Row, rowsOf } from "./in-words.ts";
import type { Locales } from "./locales.ts";
import { readDatesInZone, templateZone } from "./template-dates.ts";
import { addTranslations, localeRegister, written } from "./translate.ts";

/** The user whom a message is for. */
export interface TemplateUser {
  id?: string | undefined;
  locale?: string | undefined;
  timeZone?: string | undefined;
  links?: MessageLinks | undefined;
}

/**
 * Renders one template. `language`: of the names of months and days. The limit counts work, not time, so a busy machine
 * fails no mail: one step for each rendered piece of a template, plus the characters that filters, ranges and the output
 * take.
 */
export function renderOnce(engine: Liquid, template: Template[], scope: Variables, language: string): string {
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
  const context = contextOf(engine, scope, language, work as unknown as Context["renderLimit"]);
  toValueSync(engine.renderer.renderTemplates(template, context, output));
  return output.buffer;
}

/** `limit`: instead of Liquid's own, which is a wall-clock time. */
export function contextOf(
  engine: Liquid,
  scope: Variables,
  language = "en",
  limit?: Context["renderLimit"],
): Context {
  const context = new Context(
    // A copy, since `increment` writes into it.
    { ...scope },
    optionsOf(engine, language, templateZone(scope.user.time_zone)),
    { sync: true },
    { liquid: engine, ...(limit && { renderLimit: limit }) },
  );
  context.setRegister(localeRegister, scope.user.locale);
  return context;
}

/**
 * Liquid's options with the language and the zone of one message. Kept, because their copy takes a third of the time
 * of a short template (measured); there are as many as languages and zones.
 */
function optionsOf(engine: Liquid, locale: string, timezoneOffset: string): Liquid["options"] {
  const ofEngine = kept.get(engine) ?? new Map<string, Liquid["options"]>();
  kept.set(engine, ofEngine);
  const key = `${locale} ${timezoneOffset}`;
  const options = ofEngine.get(key) ?? { ...engine.options, locale, timezoneOffset };
  ofEngine.set(key, options);
  return options;
}
const kept = new WeakMap<Liquid, Map<string, Liquid["options"]>>();

/** A mail of everyday size takes a few hundred steps. */
const maxSteps = 50_000;
const maxOutput = 1_000_000;

/** Templates come from the operator, values from callers: no files, bounded work, and HTML escapes every value. */
export function createEngines(locales: Locales): { text: Liquid; html: Liquid } {
  const limits = { parseLimit: 200_000, memoryLimit: 1_000_000 };
  const common = { ...limits, strictFilters: true, ownPropertyOnly: true, templates: {} };
  const engines = { text: new Liquid(common), html: new Liquid({ ...common, outputEscape: "escape" }) };
  for (const engine of Object.values(engines)) {
    readDatesInZone(engine);
    addTranslations(engine, locales);
  }
  return engines;
}

export interface Variables extends Item {
  user: { id: string | undefined; locale: string | undefined; time_zone: string | undefined };
  unsubscribe_url: string | undefined;
  preferences_url: string | undefined;
  /** Of a digest: the newest notifications, oldest first, and how many there are. */
  items?: Item[];
  count?: number;
  groups?: Array<{ type: string; type_name: string; by?: string; count: number; items: Item[] }>;
}

/** The variables of one notification. */
type Item = ReturnType<typeof itemOf>;

/** All variables of a template. Built once for all templates of a message. */
export function variables(content: DeliveryContent, user: TemplateUser = {}): Variables {
  const { digest } = content;
  const scope: Variables = Object.assign(itemOf(content), {
    user: { id: user.id, locale: user.locale, time_zone: user.timeZone },
    // Undefined and not empty, since an empty text counts as true in Liquid.
    unsubscribe_url: user.links?.unsubscribe,
    preferences_url: user.links?.preferences,
  });
  if (!digest) return scope;
  const items = digest.items.map(itemOf);
  const groups = digest.groups.map((group) => ({
    ...group,
    type_name: inWords(group.type),
    items: items.filter((_, at) => digest.items[at]?.key === group.type),
  }));
  return Object.assign(scope, { items, count: digest.count, groups });
}

function itemOf({ key, title, body, targetId, topic, data, at }: DeliveryContent) {
  let rows: Row[] | undefined;
  return {
    key,
    type_name: inWords(key),
    // A blank title would give a mail without a subject.
    title: title?.replace(blank, "") ? title : undefined,
    body,
    target_id: targetId,
    topic,
    data: data ?? {},
    get rows() {
      rows ??= rowsOf(data);
      return rows;
    },
    at: new Date(at).toISOString(),
  };
}

const blank = /[\s\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}]+/gu;
