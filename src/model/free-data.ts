import type { ErrorDetail } from "./errors.ts";

export const maxDataBytes = 8 * 1024;
/** BSON allows 100 levels; what people mean by "some data" has a handful. */
export const maxDataDepth = 32;

/**
 * How many bytes a caller's free-form JSON has, or what in it cannot be stored to the letter, with its JSON pointer.
 * `$` and `.` in keys and strings like `"$email"` are fine: they are stored as they are.
 */
export function measureData(data: Record<string, unknown>, pointer: string): number | ErrorDetail {
  // Depth first: a stack overflow inside `JSON.stringify` would be our failure, not the caller's.
  const found = problemIn(data, pointer, 1);
  if (found) return found;
  const bytes = Buffer.byteLength(JSON.stringify(data));
  return bytes > maxDataBytes
    ? { pointer, detail: `has ${bytes} bytes as JSON; at most ${maxDataBytes} are kept` }
    : bytes;
}

function problemIn(value: unknown, pointer: string, depth: number): ErrorDetail | undefined {
  if (typeof value === "string") return problemInText(value, pointer);
  if (typeof value === "number" && !Number.isFinite(value))
    return { pointer, detail: "is a number too large for a double; send it as a string" };
  if (typeof value !== "object" || value === null) return undefined;
  if (depth > maxDataDepth) return { pointer, detail: `is nested deeper than ${maxDataDepth} levels` };
  if (Object.hasOwn(value, "$ref") && Object.hasOwn(value, "$id"))
    return {
      pointer: `${pointer}/$ref`,
      detail: "beside $id is a reference in MongoDB's wire format; rename it",
    };
  for (const [key, child] of Object.entries(value)) {
    const at = `${pointer}/${escapePointer(key)}`;
    const found = problemInKey(key, at) ?? problemIn(child, at, depth + 1);
    if (found) return found;
  }
  return undefined;
}

function problemInKey(key: string, pointer: string): ErrorDetail | undefined {
  if (key.includes("\0"))
    return { pointer, detail: "has a NUL character in its name, which MongoDB cannot store" };
  if (key === "_bsontype")
    return { pointer, detail: "is a name reserved by MongoDB's wire format; rename it" };
  return problemInText(key, pointer);
}

/** A lone surrogate has no UTF-8 form: stored, it would come back as U+FFFD. */
export function problemInText(text: string, pointer: string): ErrorDetail | undefined {
  return text.isWellFormed()
    ? undefined
    : { pointer, detail: "holds half of a surrogate pair, which is not text" };
}

/** RFC 6901, section 3. */
export const escapePointer = (key: string): string => key.replaceAll("~", "~0").replaceAll("/", "~1");
