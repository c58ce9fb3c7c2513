/** Whether it is an ObjectId's digits, in either case. */
export const isHex24 = (text: string): boolean => /^[0-9a-f]{24}$/i.test(text);

/** A user's id as everyone compares it: one of 24 hex characters is the same in upper case. */
export const canonicalUser = (user: string): string => (isHex24(user) ? user.toLowerCase() : user);

/**
 * The form of an id in a path, with the flag `u`: no control characters, no half of a surrogate pair, at least one
 * visible character, and not `.` or `..`, which clients resolve out of a path. Braille's blank and the Hangul fillers
 * count as invisible, though Unicode calls them a symbol and letters.
 */
export const idPattern =
  "^(?!\\.{1,2}$)(?=[^]*[^\\s\\p{C}\\p{Z}\\p{Default_Ignorable_Code_Point}\\u2800])[^\\p{Cc}\\p{Cs}]*$";
export const maxIdCharacters = 128;

const id = new RegExp(idPattern, "u");

/** Whether it can be a user's id. The routes' schemas say the same. */
export const isUserId = (text: string): boolean =>
  text.length <= 2 * maxIdCharacters && id.test(text) && [...text].length <= maxIdCharacters;

/**
 * 32 bits of a user id (FNV-1a), in its canonical form. Processes of different versions exchange it, so it may not change. Two
 * users may share one.
 */
export function userHash(user: string): number {
  const canonical = canonicalUser(user);
  let hash = 0x811c9dc5;
  for (let at = 0; at < canonical.length; at++) hash = Math.imul(hash ^ canonical.charCodeAt(at), 0x01000193);
  return hash | 0;
}
