import { timeOfDay } from "../model/preferences.ts";
import { idPattern } from "../model/user-id.ts";

/** The patterns of our schemas. Each has a sentence, since few callers read regular expressions. */
export const hex24 = "^[0-9a-fA-F]{24}$";
/** No half of a surrogate pair either. */
export const plainText = "^[^\\p{Cc}\\p{Cs}]*$";
export const typeKey = "^[A-Za-z0-9_.-]{1,64}$";
export const databaseName = '^[^/\\\\. "$\\0]{1,63}$';
export const unixSeconds = "^\\d{1,12}$";

/** A sentence about each pattern, for values that do not match. */
export const patternSentences: Record<string, string> = {
  [hex24]: "must be 24 hex characters",
  [plainText]: "must not have control characters",
  [idPattern]: "must have a visible character and no control characters, and must not be . or ..",
  [typeKey]: "must be 1 to 64 letters, digits, dots, dashes or underscores",
  [timeOfDay]: "must be a time of day from 00:00 to 23:59, such as 07:30",
  [databaseName]: "must be a database's name: 1 to 63 characters without blanks and any of /\\.\"$",
  [unixSeconds]: "must be Unix seconds as text",
};
