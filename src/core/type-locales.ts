import type { ChannelRules } from "../model/channel.ts";
import { canonicalLocale, localeForm } from "../model/locale.ts";

/** The JSON Schema of a channel's entry with its templates for other languages: `"locales": { "de": { "subject": … } }`. */
export function translatedSchema({ schema, templates }: Pick<ChannelRules, "schema" | "templates">): object {
  const { properties = {} } = schema as { properties?: Record<string, object> };
  const parts = Object.entries(properties).filter(([name]) => Object.hasOwn(templates, name));
  if (parts.length === 0) return schema;
  const one = { type: "object", properties: Object.fromEntries(parts), additionalProperties: false };
  return { ...schema, properties: { ...properties, locales: { type: "object", additionalProperties: one } } };
}

const localesOf = (settings: object) =>
  Object.entries((settings as { locales?: Record<string, Record<string, string>> }).locales ?? {});

/** The templates of a channel's entry that are for one language. */
export const translationsOf = (settings: object) =>
  localesOf(settings).flatMap(([name, parts]) =>
    Object.entries(parts).map(([part, source]) => ({ part, source, tag: canonicalLocale(name) ?? name })),
  );

/** The problems with the languages' names, which the schema allows. */
export function tagProblems(settings: object): string[] {
  const names = localesOf(settings).map(([name]) => name);
  return names.flatMap((name, index) => {
    const tag = canonicalLocale(name);
    if (tag === undefined) return [`locales.${name}: must be ${localeForm}`];
    const isSecond = names.slice(0, index).some((other) => canonicalLocale(other) === tag);
    return isSecond ? [`locales.${name}: ${tag} is there twice`] : [];
  });
}
