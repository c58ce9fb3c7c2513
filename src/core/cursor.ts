import { createHash } from "node:crypto";
import { type BelfryError, invalidRequest } from "../model/errors.ts";

/**
 * A position in a list, from which the next page continues: `v1.<digest of the query>.<position>`, opaque to callers.
 * It is valid only for the query it was made for, since the position means nothing in another.
 */
export function encodeCursor(question: object, position: string): string {
  return Buffer.from(`v1.${digest(question)}.${position}`).toString("base64url");
}

/** Returns the position, or throws `invalid_request` with `pointer`. `form`: the format of a position. */
export function decodeCursor(text: string, question: object, form: RegExp, pointer: string): string {
  const [, version, asked, position = ""] =
    /^(v\d+)\.([^.]*)\.(.*)$/s.exec(Buffer.from(text, "base64url").toString("utf8")) ?? [];
  if (version !== "v1" || !form.test(position)) throw wrong("is not a cursor of this service");
  if (asked !== digest(question))
    throw wrong("belongs to other filters or to another user; send it with the filters of the page before");
  return position;

  function wrong(detail: string): BelfryError {
    return invalidRequest([{ pointer, detail }]);
  }
}

/** A caller's cursor, and where it is in the request. */
export interface CursorText {
  text: string;
  pointer: string;
}

export interface Page<T> {
  data: T[];
  /** The cursor of the next page; absent on the last page. */
  next?: string;
}

/** Pages `found`, which has one entry more than the page when another page follows. */
export function pageOf<T>(found: T[], limit: number, cursorAfter: (last: T) => string): Page<T> {
  const data = found.slice(0, limit);
  return { data, ...(found.length > limit && { next: cursorAfter(data.at(-1) as T) }) };
}

/** Equal for equal queries, whatever the order of their fields. */
function digest(question: object): string {
  const fields = Object.entries(question)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => [name, Array.isArray(value) ? [...value].sort() : value])
    .sort(([a], [b]) => (String(a) < String(b) ? -1 : 1));
  return createHash("sha256").update(JSON.stringify(fields)).digest("base64url").slice(0, 16);
}
