/** A BCP 47 tag in its canonical spelling (`pt-br` is `pt-BR`), or undefined for any other text. */
export function canonicalLocale(text: string): string | undefined {
  try {
    return Intl.getCanonicalLocales(text)[0];
  } catch {
    return undefined;
  }
}

/** What a tag must be, as the end of a sentence. */
export const localeForm = "a BCP 47 tag, such as de or pt-BR";

/** The tag and then the tags that are more general: `pt-BR`, `pt`. Empty for a text that is no tag. */
export function fallbacksOf(locale: string): string[] {
  const tag = canonicalLocale(locale.replaceAll("_", "-"));
  if (tag === undefined) return [];
  const subtags = new Intl.Locale(tag).baseName.split("-");
  return subtags.map((_, index) => subtags.slice(0, subtags.length - index).join("-"));
}
