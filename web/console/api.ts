import { type ErrorDetail, errorOf } from "../../src/client/error.ts";
import { slotIn } from "./storage.ts";

/** Why a call came to nothing. `status` is 0 when there was no answer. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly details: ErrorDetail[];
  /** Seconds after which it may be tried again, when the service said so. */
  readonly retryAfter: number | undefined;
  /** Under which the server's log has the cause. */
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

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

const patienceMs = 20_000;

/** Of the window: what came to nothing for want of a key may be asked again. */
export const keyGiven = "belfry-key";
/** The API key, where one is asked for. It lives as long as the tab, and leaves it in a header alone. */
export const key = slotIn(() => sessionStorage, "belfry.api-key");

/** Asks the operator for a key, and says why; undefined: none is given. Set by whoever can ask. */
type Asker = (why: string) => Promise<string | undefined>;
let asker: Asker = async () => undefined;
let asking: Promise<string | undefined> | undefined;
/** Asked once and declined: calls fail at once instead of asking over and over. */
let declined = false;

export function setAsker(next: Asker): void {
  asker = next;
}

/** Asks for the key anew, also when it has been declined. */
export async function askForKey(refused = key.get()): Promise<boolean> {
  declined = false;
  const why = refused
    ? "The server does not know this key. It has those of API_KEYS; a user's token opens no console."
    : "This server answers to those alone who have one of its API keys (API_KEYS).";
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

/** One call of the service. Throws `ApiError`; when a key is wanted it is asked for first. */
export async function ask<Answer>(method: Method, path: string, call: Call = {}): Promise<Answer> {
  for (;;) {
    const bearer = key.get();
    const { response, text } = await reach(method, path, bearer, call);
    if (response.ok) return (response.status === 204 ? undefined : read(text)) as Answer;
    // Another call may have been given a key meanwhile.
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
    const response = await fetch(path + queryOf(query), {
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
    return { response, text: await response.text() };
  } catch (cause) {
    if (signal?.aborted) throw cause;
    throw late.aborted
      ? new ApiError("", { code: "timeout" })
      : new ApiError("", { code: navigator.onLine ? "unreachable" : "offline" });
  }
}

/** Every answer of the service's is an object. */
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
