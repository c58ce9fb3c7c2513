/**
 * A phone number in E.164 form, from the ways in which people write one: `+49 (151) 234-567.89`, `0049 151 23456789`.
 * Undefined for anything else; a number without a country code cannot be completed safely.
 */
export function phoneNumber(text: string): string | undefined {
  // Whether the 0 of `+49 (0)151` is dialled depends on the country.
  if (text.includes("(0)")) return undefined;
  const bare = text
    .trim()
    .replace(/[ \u00a0\u202f./()-]/g, "")
    .replace(/^00/, "+");
  return /^\+[1-9]\d{1,14}$/.test(bare) ? bare : undefined;
}

export const phoneForm = "a phone number with its country code, such as +12025550100";
