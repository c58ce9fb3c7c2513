import { backoffMs, pause } from "./backoff.ts";
import type { Credentials } from "./credentials.ts";
import { BelfryClientError, errorOf } from "./error.ts";

export interface Call {
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** From `/v1` on, each part of it encoded. */
  path: string;
  query?: Record<string, string | number | boolean | undefined>;
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal | undefined;
  /** The longest pause before a retry; the call fails at once when the service asks for a longer one. 30 s by default. */
  patienceMs?: number;
}

export interface RequesterOptions {
  server: string;
  fetch: typeof fetch;
  credentials: Credentials;
  /** How often a call is retried after a temporary failure. */
  retries: number;
  /** Time limit of one try. */
  timeoutMs: number;
}

export type Requester = <Answer>(call: Call) => Promise<Answer>;

const defaultPatienceMs = 30_000;
/** The service notices after 10 s that the process working on an equal request has died. Until then it is no failure. */
const inProgressMs = 15_000;

/**
 * Calls the service, with retries. Every call of the client is safe to repeat: repeating a change has no further effect, and
 * a notification has its idempotency key.
 */
export function createRequester(options: RequesterOptions): Requester {
  const { credentials, retries } = options;

  return async <Answer>(call: Call): Promise<Answer> => {
    const { patienceMs = defaultPatienceMs } = call;
    let renewed = false;
    let inProgressSince = Number.POSITIVE_INFINITY;
    for (let failures = 0; ; ) {
      const bearer = await credentials.current();
      const found = await ask(call, bearer);
      if (!(found instanceof BelfryClientError)) return found as Answer;
      if (found.status === 401 && (await credentials.renew(bearer, renewed))) {
        renewed = true;
        continue;
      }
      const key = call.headers?.["idempotency-key"];
      if (key !== undefined) found.idempotencyKey = key;
      if (found.code === inProgress) inProgressSince = Math.min(inProgressSince, Date.now());
      if (found.code !== inProgress || Date.now() - inProgressSince > inProgressMs) failures++;
      const wait = Math.max((found.retryAfter ?? 0) * 1_000, backoffMs(failures || 1, 300, 5_000));
      const isEnough = failures > retries || retries === 0;
      if (call.signal?.aborted || isEnough || !passes(found) || wait > patienceMs) throw found;
      await pause(wait, call.signal);
    }
  };

  async function ask(call: Call, bearer: string | undefined): Promise<unknown> {
    const { method, body, signal } = call;
    const late = AbortSignal.timeout(options.timeoutMs);
    try {
      const response = await options.fetch(addressOf(options.server, call), {
        method,
        headers: {
          accept: "application/json",
          ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }),
          ...(body !== undefined && { "content-type": "application/json" }),
          ...call.headers,
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        signal: signal ? AbortSignal.any([late, signal]) : late,
      });
      const text = await response.text();
      if (!response.ok) return errorOf(response, text);
      return text === "" ? undefined : JSON.parse(text);
    } catch (cause) {
      if (late.aborted)
        return new BelfryClientError(`The service did not answer within ${options.timeoutMs} ms.`, {
          code: "timeout",
          cause,
        });
      return new BelfryClientError("The service cannot be reached, or its answer is not readable.", {
        code: "unreachable",
        cause,
      });
    }
  }
}

export function addressOf(server: string, { path, query = {} }: Pick<Call, "path" | "query">): string {
  const given = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) given.set(name, String(value));
  const written = given.toString();
  return server.replace(/\/+$/, "") + path + (written && `?${written}`);
}

const inProgress = "idempotency_in_progress";

/** Temporary failures. */
const passes = ({ status, code }: BelfryClientError): boolean =>
  [0, 408, 429, 502, 503, 504].includes(status) || code === inProgress;
