import { canonicalLocale, fallbacksOf, localeForm } from "../model/locale.ts";

/** A text, or one text for each plural form. */
export type Text = string | ReadonlyMap<string, string>;

/** The texts of one file, by their dotted keys. */
export interface Language {
  texts: ReadonlyMap<string, Text>;
  rules: Intl.PluralRules;
}

/** A text's place for a value: `{name}`. */
export const placeholder = /\{([\p{L}\p{N}_-]+)\}/gu;

/** More users' locales than this are looked up each time. */
const mostChains = 1_000;

/**
 * The translations. `files`: the parsed JSON of each `<tag>.json`, by its tag. Returns all problems, not only the first,
 * each after the `place` of its file.
 */
export function createLocales(
  files: Record<string, unknown> = {},
  defaultLocale = "en",
  place = (name: string) => `locales.${name}`,
) {
  const problems: string[] = [];
  const languages = new Map<string, Language>();
  for (const [name, file] of Object.entries(files)) {
    const tag = canonicalLocale(name);
    if (tag === undefined) problems.push(`${place(name)}: the name must be ${localeForm}`);
    else if (languages.has(tag)) problems.push(`${place(name)}: ${tag} is there twice`);
    else {
      const rules = new Intl.PluralRules(tag);
      const found = readTexts(file, new Set(rules.resolvedOptions().pluralCategories));
      problems.push(...found.problems.map((problem) => `${place(name)}: ${problem}`));
      languages.set(tag, { texts: found.texts, rules });
    }
  }

  const defaults = fallbacksOf(defaultLocale);
  const chains = new Map<string, string[]>();
  /** The languages for a user, best first: `pt-BR`, `pt`, then the default locale and its own fallbacks. */
  function chainOf(locale = defaultLocale): string[] {
    const known = chains.get(locale);
    if (known) return known;
    const chain = [...new Set([...fallbacksOf(locale), ...defaults])];
    if (chains.size < mostChains) chains.set(locale, chain);
    return chain;
  }

  const locales = {
    defaultLocale,
    languages: languages as ReadonlyMap<string, Language>,
    chainOf,
    /** The language of a message to a user: the first of the chain that has texts. */
    languageOf: (locale?: string): string =>
      chainOf(locale).find((tag) => languages.has(tag)) ?? defaultLocale,
    /**
     * The text of a key in the user's language, with the values in place of `{name}`. `count` chooses the plural form. A
     * key without a text is written itself.
     */
    translate(
      locale: string | undefined,
      key: string,
      values: ReadonlyMap<string, unknown>,
      written: (value: unknown) => string,
    ): string {
      for (const tag of chainOf(locale)) {
        const { texts, rules } = languages.get(tag) ?? {};
        const found = texts?.get(key);
        if (found === undefined || !rules) continue;
        const text = typeof found === "string" ? found : formFor(found, rules, values.get("count"));
        return text.replace(placeholder, (whole, name) =>
          values.has(name) ? written(values.get(name)) : whole,
        );
      }
      return written(key);
    },
  };
  return { locales, problems };
}

export type Locales = ReturnType<typeof createLocales>["locales"];

/** The rules are those of the text's language, which is not the user's after a fallback. */
function formFor(forms: ReadonlyMap<string, string>, rules: Intl.PluralRules, count: unknown): string {
  const form = rules.select(Number(count ?? Number.NaN));
  return forms.get(form) ?? (forms.get("other") as string);
}

const allCategories = new Set(["zero", "one", "two", "few", "many", "other"]);

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** `other` beside another category makes an object plural forms. Otherwise it has texts of its own: `{ "other": … }` is one. */
function isPlural(value: Record<string, unknown>): boolean {
  const names = Object.keys(value);
  const forms = names.filter((name) => allCategories.has(name) && typeof value[name] === "string");
  return forms.length > 0 && (forms.length === names.length || (forms.length > 1 && forms.includes("other")));
}

/** Flattens nested objects to dotted keys. `categories`: the plural forms of the language. */
function readTexts(file: unknown, categories: ReadonlySet<string>) {
  const problems: string[] = [];
  const texts = new Map<string, Text>();
  if (isObject(file)) readObject(file, "");
  else problems.push("must be a JSON object");
  return { texts, problems };

  function readObject(object: Record<string, unknown>, prefix: string): void {
    for (const [name, value] of Object.entries(object)) {
      const key = prefix + name;
      if (typeof value === "string") add(key, value, [value]);
      else if (!isObject(value)) problems.push(`${key}: must be a text, plural forms or an object of texts`);
      else if (isPlural(value)) readForms(value, key);
      else readObject(value, `${key}.`);
    }
  }

  function readForms(value: Record<string, unknown>, key: string): void {
    if (value.other === undefined) problems.push(`${key}: plural forms must include other`);
    for (const [name, form] of Object.entries(value)) {
      if (!categories.has(name))
        problems.push(
          `${key}.${name}: is no plural form of this language, which has ${[...categories].join(", ")}`,
        );
      else if (typeof form !== "string") problems.push(`${key}.${name}: must be a text`);
    }
    const forms = Object.entries(value).filter(([, form]) => typeof form === "string") as Array<
      [string, string]
    >;
    add(
      key,
      new Map(forms),
      forms.map(([, form]) => form),
    );
  }

  function add(key: string, text: Text, written: string[]): void {
    if (texts.has(key)) problems.push(`${key}: is there twice`);
    // A translator who takes it for a template would see it in a mail.
    if (written.some((one) => /\{\{|\{%/.test(one)))
      problems.push(`${key}: must have placeholders such as {name}; Liquid works in templates only`);
    texts.set(key, text);
  }
}
