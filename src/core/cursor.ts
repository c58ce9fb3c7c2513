import { createHash } from "node:crypto";
import { type BelfryError, invalidRequest } from "../model/errors.ts";

/**
 * A place in a list, for whoever asks for what follows: `v1.<digest of the question>.<position>`, opaque to callers.
 * It fits the question it was made for and no other, since the position means nothing elsewhere.
 */
export function encodeCursor(question: object, position: string): string {
  return Buffer.from(`v1.${digest(question)}.${position}`).toString("base64url");
}

/** The position, or `invalid_request` that points at `pointer`. `form`: how a position must look. */
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

/** A caller's cursor, and its place in the request. */
export interface CursorText {
  text: string;
  pointer: string;
}

export interface Page<T> {
  data: T[];
  /** The cursor of the next page; absent on the last page. */
  next?: string;
}

/** `found` has one more than the page when another follows. */
export function pageOf<T>(found: T[], limit: number, cursorAfter: (last: T) => string): Page<T> {
  const data = found.slice(0, limit);
  return { data, ...(found.length > limit && { next: cursorAfter(data.at(-1) as T) }) };
}

/** The same for equal questions, whatever the order of their fields. */
function digest(question: object): string {
  const fields = Object.entries(question)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => [name, Array.isArray(value) ? [...value].sort() : value])
    .sort(([a], [b]) => (String(a) < String(b) ? -1 : 1));
  return createHash("sha256").update(JSON.stringify(fields)).digest("base64url").slice(0, 16);
}
