import { type ErrorDetail, errorOf } from "../../src/client/error.ts";
import { slotIn } from "./storage.ts";

/** Why a call failed. `status` is 0 without an answer. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly details: ErrorDetail[];
  /** Seconds to wait before trying again, when the service says so. */
  readonly retryAfter: number | undefined;
  /** Finds the cause in the server's log. */
  readonly requestId: string | undefined;

  constructor(message: string, about: Partial<ApiError> & { code: string }) {
    super(message);
    this.status = about.status ?? 0;
    this.code = about.code;
    this.details = about.details ?? [];
    this.retryAfter = about.retryAfter;
    this.requestId = about.requestId;
  }
}

export interface Call {
  query?: Record<string, string | number | undefined> | URLSearchParams;
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal | undefined;
}

/** The folder that this program came from: a proxy may publish the service under a path. */
const home = import.meta.url.replace(/[^/]*$/, "");
/** `path` begins with a slash. */
export const serviceUrl = (path: string): string => home + path.slice(1);

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

const patienceMs = 20_000;

let answeredAt: number | undefined;
let clockAhead = 0;
/** When the service last answered, on this device's clock. */
export const lastAnswer = (): number | undefined => answeredAt;
/** The time on the service's clock: this device's own may be wrong. */
export const serverNow = (): number => Date.now() + clockAhead;

function learnClock({ ok, headers }: Response): void {
  const now = Date.now();
  if (ok) answeredAt = now;
  const date = Date.parse(headers.get("date") ?? "");
  // The header has whole seconds: smaller differences say nothing.
  if (!Number.isNaN(date)) clockAhead = Math.abs(date - now) > 2_000 ? date - now : 0;
}

/** Window event: a key was given, so calls that failed without one may be repeated. */
export const keyGiven = "belfry-key";
/** The API key, if the service needs one. It lives as long as the tab, and is only ever sent in a header. */
export const key = slotIn(() => sessionStorage, "belfry.api-key");

/** Asks the operator for a key and says why. Resolves with undefined when they decline. */
type Asker = (why: string) => Promise<string | undefined>;
let asker: Asker = async () => undefined;
let asking: Promise<string | undefined> | undefined;
/** The operator declined once: calls fail at once instead of asking again. */
let declined = false;

export function setAsker(next: Asker): void {
  asker = next;
}

/** Asks for the key again, even after it was declined. */
export async function askForKey(refused = key.get()): Promise<boolean> {
  declined = false;
  const why = refused
    ? "The server does not accept this key. Use one of its API_KEYS; a user token does not work here."
    : "An API key is required: one of the server's API_KEYS.";
  asking ??= asker(why).finally(() => {
    asking = undefined;
  });
  const given = await asking;
  declined = !given;
  if (given) {
    key.set(given);
    dispatchEvent(new Event(keyGiven));
  }
  return !declined;
}

/** Calls the service. Throws `ApiError`; a 401 asks the operator for the key first. */
export async function ask<Answer>(method: Method, path: string, call: Call = {}): Promise<Answer> {
  for (;;) {
    const bearer = key.get();
    const { response, text } = await reach(method, path, bearer, call);
    if (response.ok) return (response.status === 204 ? undefined : read(text)) as Answer;
    // Another call may have got a key in the meantime.
    if (response.status === 401 && !declined && (key.get() !== bearer || (await askForKey(bearer)))) continue;
    const { message, status, code, details, retryAfter } = errorOf(response, text);
    const requestId = response.headers.get("x-request-id") ?? undefined;
    throw new ApiError(message, { status, code, details, retryAfter, requestId });
  }
}

async function reach(method: Method, path: string, bearer: string | undefined, call: Call) {
  const { query, body, headers, signal } = call;
  const late = AbortSignal.timeout(patienceMs);
  try {
    const response = await fetch(serviceUrl(path) + queryOf(query), {
      method,
      headers: {
        accept: "application/json",
        ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }),
        ...(body !== undefined && { "content-type": "application/json" }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: signal ? AbortSignal.any([late, signal]) : late,
    });
    learnClock(response);
    return { response, text: await response.text() };
  } catch (cause) {
    if (signal?.aborted) throw cause;
    throw late.aborted
      ? new ApiError("", { code: "timeout" })
      : new ApiError("", { code: navigator.onLine ? "unreachable" : "offline" });
  }
}

/** Every answer of the service is an object. */
function read(text: string): unknown {
  try {
    const answer: unknown = JSON.parse(text);
    if (typeof answer === "object" && answer !== null) return answer;
  } catch {}
  throw new ApiError("", { code: "not_belfry" });
}

function queryOf(query: Call["query"]): string {
  if (!query) return "";
  const given =
    query instanceof URLSearchParams
      ? query
      : new URLSearchParams(
          Object.entries(query).flatMap(([name, value]) =>
            value === undefined ? [] : [[name, String(value)]],
          ),
        );
  const written = given.toString();
  return written && `?${written}`;
}
