import type { ErrorDetail } from "./errors.ts";

export const maxDataBytes = 8 * 1024;
/** BSON allows 100 levels; real data has a handful. */
export const maxDataDepth = 32;

/**
 * The size of a caller's free-form JSON in bytes, or the first thing in it that cannot be stored exactly, with its JSON
 * pointer. `$` and `.` in keys and strings such as `"$email"` are fine: they are stored as they are.
 */
export function measureData(data: Record<string, unknown>, pointer: string): number | ErrorDetail {
  // The walk comes first: it is bounded, and a stack overflow inside `JSON.stringify` would be our failure.
  const found = problemIn(data, pointer, 1, { characters: 0 });
  if (found) return found === tooLarge ? { pointer, detail: sizeDetail } : found;
  const bytes = Buffer.byteLength(JSON.stringify(data));
  return bytes > maxDataBytes ? { pointer, detail: sizeDetail } : bytes;
}

const sizeDetail = "is over 8 KiB as JSON; send less, or a link to it";
const tooLarge: ErrorDetail = { pointer: "", detail: sizeDetail };

/** `walked`: characters seen so far, no more than the JSON text has. The walk ends where they are too many. */
function problemIn(
  value: unknown,
  pointer: string,
  depth: number,
  walked: { characters: number },
): ErrorDetail | undefined {
  walked.characters += typeof value === "string" ? value.length + 2 : 1;
  if (walked.characters > maxDataBytes) return tooLarge;
  if (typeof value === "string") return problemInText(value, pointer);
  if (typeof value === "number" && !Number.isFinite(value))
    return { pointer, detail: "is too large for a number; send it as a string" };
  if (typeof value !== "object" || value === null) return undefined;
  if (depth > maxDataDepth) return { pointer, detail: `is nested deeper than ${maxDataDepth} levels` };
  if (Object.hasOwn(value, "$ref") && Object.hasOwn(value, "$id"))
    return {
      pointer: `${pointer}/$ref`,
      detail: "together with `$id` is a reference in MongoDB's wire format; rename it",
    };
  for (const key of Object.keys(value)) {
    walked.characters += Array.isArray(value) ? 0 : key.length + 2;
    if (walked.characters > maxDataBytes) return tooLarge;
    const at = `${pointer}/${escapePointer(key)}`;
    const child = (value as Record<string, unknown>)[key];
    const found = problemInKey(key, at) ?? problemIn(child, at, depth + 1, walked);
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

/** A lone surrogate has no UTF-8 form: it would come back as U+FFFD. */
export function problemInText(text: string, pointer: string): ErrorDetail | undefined {
  return text.isWellFormed()
    ? undefined
    : { pointer, detail: "has half of a surrogate pair, which is not valid text" };
}

/** RFC 6901, section 3. */
export const escapePointer = (key: string): string => key.replaceAll("~", "~0").replaceAll("/", "~1");
