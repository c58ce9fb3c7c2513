/** One problem in the request: a JSON pointer (`/data/a`) or `?name`, and a sentence. */
export interface ErrorDetail {
  pointer: string;
  detail: string;
}

/** Why a call failed. */
export class BelfryClientError extends Error {
  /** The HTTP status; 0 when there was no answer. */
  readonly status: number;
  /** Belfry's code, such as `invalid_request`; `unreachable` and `timeout` when there was no answer. */
  readonly code: string;
  readonly details: ErrorDetail[];
  /** Seconds to wait before a retry, if the service said so. */
  readonly retryAfter: number | undefined;
  /** Finds the cause in the service's log. */
  readonly requestId: string | undefined;
  /** The key of a `notify` that failed. Repeating the call with it stores nothing twice. */
  idempotencyKey?: string;

  /** The same call would fail again. */
  get isFinal(): boolean {
    return this.status >= 400 && this.status < 500 && ![408, 409, 429].includes(this.status);
  }

  constructor(
    message: string,
    about: {
      status?: number;
      code: string;
      details?: ErrorDetail[];
      retryAfter?: number | undefined;
      requestId?: string | undefined;
      cause?: unknown;
    },
  ) {
    super(message, { cause: about.cause });
    this.name = "BelfryClientError";
    this.status = about.status ?? 0;
    this.code = about.code;
    this.details = about.details ?? [];
    this.retryAfter = about.retryAfter;
    this.requestId = about.requestId;
  }
}

/** Reads the service's problem details (RFC 9457), or whatever a proxy answered instead. */
export function errorOf({ status, headers }: Response, text: string): BelfryClientError {
  const problem = problemIn(text);
  return new BelfryClientError(
    typeof problem.detail === "string" ? problem.detail : `The service answered with status ${status}.`,
    {
      status,
      code: typeof problem.code === "string" ? problem.code : `http_${status}`,
      details: Array.isArray(problem.errors) ? problem.errors : [],
      retryAfter: readRetryAfter(headers.get("retry-after")),
      requestId: headers.get("x-request-id") ?? undefined,
    },
  );
}

function problemIn(text: string): { code?: unknown; detail?: unknown; errors?: unknown } {
  try {
    return Object(JSON.parse(text));
  } catch {
    return {};
  }
}

/** RFC 9110, 10.2.3: seconds, or a date. */
function readRetryAfter(text: string | null): number | undefined {
  if (text === null) return undefined;
  const seconds = /^\d+$/.test(text) ? Number(text) : (Date.parse(text) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, seconds) : undefined;
}
