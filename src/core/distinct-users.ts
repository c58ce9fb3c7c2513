import { type ErrorDetail, invalidRequest } from "../model/errors.ts";
import { canonicalUser } from "../model/user-id.ts";

/** The lists with ids as they are stored. Throws `invalid_request` for a user who is named twice in all of them together. */
export function distinctUsers<Field extends string>(lists: Record<Field, string[]>): Record<Field, string[]> {
  const places = new Map<string, string>();
  const twice: ErrorDetail[] = [];
  const fields = Object.entries<string[]>(lists).map(([field, users]) => {
    const ids = users.map(canonicalUser);
    for (const [at, user] of ids.entries()) {
      const before = places.get(user);
      if (before === undefined) places.set(user, `${field}[${at}]`);
      else twice.push({ pointer: `/${field}/${at}`, detail: `is the same user as ${before}` });
    }
    return [field, ids];
  });
  if (twice.length > 0) throw invalidRequest(twice);
  return Object.fromEntries(fields);
}
