/**
 * Every error a caller can meet, in one table: code → HTTP status and what to do.
 * The README's table of codes is checked against this one.
 */
export const errorCodes = {
  invalid_request: {
    status: 400,
    says: "A field is missing, unknown or of the wrong shape; `details` points at it.",
  },
  invalid_json: { status: 400, says: "The body is not JSON; send one JSON object in UTF-8." },
  unauthorized: {
    status: 401,
    says: "Send `Authorization: Bearer <key>` with one of the configured API keys, or, where it is about one user, a token of theirs.",
  },
  // 406 is how Mailgun is told not to repeat a webhook.
  callback_refused: {
    status: 406,
    says: "A provider's callback whose signature is missing, wrong, too old or was used before.",
  },
  foreign_host: {
    status: 403,
    says: "Without API_KEYS requests are answered under a loopback name only, and pages of other origins may change nothing: call 127.0.0.1 or localhost, name the page in ALLOWED_ORIGINS, or set API_KEYS.",
  },
  forbidden: {
    status: 403,
    says: "The token is another user's, or this is for programs with an API key alone.",
  },
  not_found: { status: 404, says: "Nothing has this path or id." },
  method_not_allowed: { status: 405, says: "The path exists; use a method named in the `Allow` header." },
  payload_too_large: {
    status: 413,
    says: "The body is over 64 KiB, or over 1 MiB for `POST /v1/notifications`.",
  },
  unsupported_media_type: { status: 415, says: "Send the body as `content-type: application/json`." },
  user_document_conflict: {
    status: 409,
    says: "The user's document cannot take the change: `notifications` is no array, `rev` is no number, a schema rule refuses it, or it is full (16 MB).",
  },
  idempotency_in_progress: {
    status: 409,
    says: "A request with this Idempotency-Key is being worked on; ask again after `Retry-After` seconds.",
  },
  idempotency_mismatch: {
    status: 422,
    says: "This Idempotency-Key came with another body within the last 24 hours; use a new one.",
  },
  tokens_off: { status: 409, says: "No token can be made: set TOKEN_SECRET." },
  too_many_connections: {
    status: 429,
    says: "The user, or the address, has too many connections open; close some, or try again after `Retry-After` seconds.",
  },
  delivery_not_retryable: {
    status: 409,
    says: "The delivery has been sent or is on its way; only one that ended otherwise can be tried again.",
  },
  overloaded: {
    status: 503,
    says: "Too much is waiting to be stored; try again after `Retry-After` seconds.",
  },
  database_unavailable: {
    status: 503,
    says: "MongoDB did not confirm in time; the request may or may not have been stored. Try again.",
  },
  internal: { status: 500, says: "A defect on our side; the log has the cause under the request id." },
} as const satisfies Record<string, { status: number; says: string }>;

export type ErrorCode = keyof typeof errorCodes;

/** One problem in the caller's input: a JSON pointer (`/data/a`) or `?name`, and a sentence. */
export interface ErrorDetail {
  pointer: string;
  detail: string;
}

/** An error meant for the caller. Anything else thrown is `internal` and stays opaque on the wire. */
export class BelfryError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetail[];
  /** When another try is worth it, where that is known. */
  retryAfterSeconds?: number;

  constructor(
    code: ErrorCode,
    message: string = errorCodes[code].says,
    details: ErrorDetail[] = [],
    cause?: unknown,
  ) {
    super(message, { cause });
    this.name = "BelfryError";
    this.code = code;
    this.details = details;
  }

  get status(): number {
    return errorCodes[this.code].status;
  }
}
