import type { GivenTexts } from "./texts.ts";

/** The attribute `texts`. Broken JSON is reported on the page's console. */
export function readTexts(value: string | null): GivenTexts | undefined {
  if (value === null) return undefined;
  try {
    return JSON.parse(value);
  } catch (cause) {
    reportError(new SyntaxError("belfry-inbox: the attribute “texts” is not JSON", { cause }));
    return undefined;
  }
}
