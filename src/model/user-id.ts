/** Whether it is an ObjectId's digits, in either case. */
export const isHex24 = (text: string): boolean => /^[0-9a-f]{24}$/i.test(text);

/** A user's id as everyone compares it: one of 24 hex characters is the same in upper case. */
export const canonicalUser = (user: string): string => (isHex24(user) ? user.toLowerCase() : user);
