/** Patterns of our schemas, with what is said of a value that does not match: a regular expression tells few callers anything. */
export const hex24 = "^[0-9a-fA-F]{24}$";
/** No half of a surrogate pair either. */
export const plainText = "^[^\\p{Cc}\\p{Cs}]*$";

export const patternSays: Record<string, string> = {
  [hex24]: "must be 24 hex characters",
  [plainText]: "must be text without control characters",
};
