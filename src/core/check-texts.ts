import { fallbacksOf } from "../model/locale.ts";
import { type Locales, placeholder, type Text } from "./locales.ts";
import type { Source, TypeRegistry } from "./notification-types.ts";

export interface TextFinding {
  language: string;
  text: string;
  /** Users see a key or a placeholder in a message. Otherwise they get another language, or a text is in vain. */
  isGap: boolean;
}

/** Compares the languages' texts with the templates, and with each other. */
export const checkTexts = (registry: TypeRegistry, locales: Locales): TextFinding[] => [
  ...wrongUses(registry.sources, locales),
  ...differences(registry.sources, locales),
  ...missingParts(registry),
];

/** Texts that a template asks for and does not get. */
function* wrongUses(sources: readonly Source[], { languages, chainOf, defaultLocale }: Locales) {
  for (const { uses, tag, ...source } of sources)
    for (const { key, isWhole, values } of uses) {
      if (!isWhole) continue;
      const place = `type ${source.type}, ${source.channel} ${source.part}`;
      const wrong = (language: string, text: string): TextFinding => ({ language, text, isGap: true });
      if (!chainOf(tag).some((one) => languages.get(one)?.texts.has(key)))
        yield wrong(tag ?? defaultLocale, `${key}: has no text, and ${place} uses it`);
      for (const [language, { texts }] of languages) {
        const text = texts.get(key);
        if (text === undefined) continue;
        for (const name of placeholdersOf(text))
          if (!values.has(name)) yield wrong(language, `${key}: ${place} gives no value for {${name}}`);
        if (typeof text !== "string" && !values.has("count"))
          yield wrong(language, `${key}: ${place} gives no count, which chooses the plural form`);
      }
    }
}

function placeholdersOf(text: Text): Set<string> {
  const forms = typeof text === "string" ? [text] : [...text.values()];
  return new Set(forms.flatMap((form) => [...form.matchAll(placeholder)].map(([, name]) => name as string)));
}

/** Texts that one language has and another lacks, and texts that no template uses. */
function* differences(sources: readonly Source[], { languages }: Locales) {
  const uses = sources.flatMap((source) => source.uses);
  const wholes = new Set(uses.flatMap(({ key, isWhole }) => (isWhole ? [key] : [])));
  const beginnings = uses.flatMap(({ key, isWhole }) => (isWhole ? [] : [key]));
  const isUsed = (key: string) => wholes.has(key) || beginnings.some((one) => key.startsWith(one));
  const known = new Set([...languages.values()].flatMap(({ texts }) => [...texts.keys()].filter(isUsed)));
  for (const [language, { texts, rules }] of languages) {
    const note = (text: string): TextFinding => ({ language, text, isGap: false });
    const own = fallbacksOf(language).map((tag) => languages.get(tag)?.texts);
    const missing = [...known].filter((key) => !own.some((one) => one?.has(key)));
    if (missing.length > 0) yield note(`lacks ${missing.join(", ")}`);
    const unused = [...texts.keys()].filter((key) => !isUsed(key));
    if (unused.length > 0) yield note(`no template uses ${unused.join(", ")}`);
    const forms = formsOf(rules);
    for (const [key, text] of texts) {
      const absent = typeof text === "string" ? [] : forms.filter((form) => !text.has(form));
      if (absent.length > 0) yield note(`${key} lacks the plural ${absent.join(", ")}`);
    }
  }
}

/** The forms of everyday counts. French and Spanish have one for millions, and Czech one for fractions. */
const formsOf = (rules: Intl.PluralRules) => [
  ...new Set(Array.from({ length: 200 }, (_, count) => rules.select(count))),
];

/** Templates that a type has, for all or for one language, and lacks in another. */
function* missingParts({ types, sources }: TypeRegistry) {
  for (const [key, type] of types)
    for (const [channel, entry = {}] of Object.entries(type.channels)) {
      const own = sources.filter((one) => one.type === key && one.channel === channel);
      const tags = new Set(own.flatMap(({ tag }) => tag ?? []));
      const wanted = own.filter(({ part, tag, uses }) => tag || (part in entry && uses.length === 0));
      for (const language of tags) {
        const chain = fallbacksOf(language);
        const has = (name: string) =>
          own.some(({ part, tag }) => part === name && tag && chain.includes(tag));
        const parts = new Set(wanted.map(({ part }) => part).filter((part) => !has(part)));
        for (const part of parts)
          yield {
            language,
            isGap: false,
            text: `type ${key}, channel ${channel}: lacks a template for ${part}`,
          };
      }
    }
}
