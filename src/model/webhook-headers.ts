import { type ErrorDetail, escapePointer } from "./errors.ts";

const maxHeaders = 10;
const maxValueCharacters = 2_048;

/** Headers that we or HTTP itself set: framing, routing, hop by hop (RFC 9110 7.6.1), and what the body is. */
const reserved = new Set([
  "accept-encoding",
  "connection",
  "content-encoding",
  "content-length",
  "content-type",
  "date",
  "expect",
  "host",
  "http2-settings",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "via",
]);

/** The problems with the headers of a webhook. An answer never repeats a value. */
export function webhookHeaderProblems(headers: Record<string, string>, pointer: string): ErrorDetail[] {
  const names = Object.keys(headers);
  const problems: ErrorDetail[] = [];
  if (names.length > maxHeaders)
    return [{ pointer, detail: `has ${names.length} headers; at most ${maxHeaders} are allowed` }];
  if (new Set(names.map((name) => name.toLowerCase())).size < names.length)
    problems.push({ pointer, detail: "names a header twice" });
  for (const [name, value] of Object.entries(headers)) {
    const detail = problemIn(name, value);
    if (detail) problems.push({ pointer: `${pointer}/${escapePointer(name)}`, detail });
  }
  return problems;
}

function problemIn(name: string, value: string): string | undefined {
  const lower = name.toLowerCase();
  // RFC 9110 5.6.2: a token.
  if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}$/.test(name))
    return "is not a header name: use at most 64 letters, digits and hyphens";
  if (reserved.has(lower) || /^(webhook-|sec-|proxy-|:)/.test(lower))
    return "is a header that Belfry or HTTP sets; leave it out";
  if (value.length > maxValueCharacters) return `has a value of more than ${maxValueCharacters} characters`;
  // Visible ASCII with single blanks or tabs inside: what every server reads in the same way.
  if (!/^[\x21-\x7e]([\x20-\x7e\t]*[\x21-\x7e])?$/.test(value))
    return "needs a value of printable ASCII characters that neither begins nor ends with a blank";
  return undefined;
}
