import { escapePointer } from "./errors.ts";

/** A number that may be too long, or have an exponent, somewhere behind a colon, a comma or a bracket. */
const suspicious = /[:,[\s]-?\d(?:[\d.]{15}|[\d.]*[eE])/;
/** Strings, numbers and what opens, closes or separates. */
const tokens = /"(?:[^"\\]|\\.)*"|-?\d[\d.]*(?:[eE][+-]?\d+)?|[{}[\],]/g;

/**
 * The JSON pointer of the first number that would be stored as another one: an integer beyond ±(2^53 − 1), or a number
 * beyond a double's range. Digits after the point are rounded, as everywhere. `text`: valid JSON.
 *
 * Most bodies have no such number and cost one regular expression.
 */
export function findInexactNumber(text: string): string | undefined {
  if (!suspicious.test(text)) return undefined;
  /** Where we are: an index in each open list, the newest name in each open object. */
  const path: Array<number | string> = [];
  let nameNext = false;
  tokens.lastIndex = 0;
  for (let match = tokens.exec(text); match; match = tokens.exec(text)) {
    const [token] = match;
    const at = path.length - 1;
    if (token === "{" || token === "[") {
      path.push(token === "{" ? "" : 0);
      nameNext = token === "{";
    } else if (token === "}" || token === "]") {
      path.pop();
      nameNext = false;
    } else if (token === ",") {
      const place = path[at];
      if (typeof place === "number") path[at] = place + 1;
      nameNext = typeof place === "string";
    } else if (token.startsWith('"')) {
      if (nameNext) path[at] = token;
      nameNext = false;
    } else if ((token.length > 15 || /[eE]/.test(token)) && !isExact(token))
      return path.map((place) => `/${nameOf(place)}`).join("");
  }
  return undefined;
}

const nameOf = (place: number | string): string | number =>
  typeof place === "number" ? place : escapePointer(JSON.parse(place) as string);

function isExact(token: string): boolean {
  const value = Number(token);
  if (!Number.isFinite(value)) return false;
  if (!/[eE.]/.test(token)) return Number.isSafeInteger(value);
  // `1e300` comes back as it was written; `9.007199254740993e15` does not.
  return !isInteger(token) || sameNumber(token, String(value));
}

/** Sign, digits without zeros around them, and the exponent of the last digit. */
function parts(token: string): { digits: string; exponent: number } {
  const [, whole = "", fraction = "", exponent = "0"] =
    /^-?(\d+)\.?(\d*)(?:[eE]([+-]?\d+))?$/.exec(token) ?? [];
  const all = (whole + fraction).replace(/^0+/, "");
  const digits = all.replace(/0+$/, "");
  return { digits, exponent: Number(exponent) - fraction.length + all.length - digits.length };
}

const isInteger = (token: string): boolean => {
  const { digits, exponent } = parts(token);
  return digits === "" || exponent >= 0;
};

function sameNumber(a: string, b: string): boolean {
  const [one, other] = [parts(a), parts(b)];
  return one.digits === other.digits && (one.digits === "" || one.exponent === other.exponent);
}
