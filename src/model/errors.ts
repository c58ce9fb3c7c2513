/**
 * Every error a caller can get, in one table: code → HTTP status, and a sentence that says what to do.
 * A test compares the table in docs/errors.md with this one.
 */
export const errorCodes = {
  invalid_request: {
    status: 400,
    description: "A field is missing, unknown or has a wrong value. `details` (or `errors`) lists each one.",
  },
  invalid_json: { status: 400, description: "The body is not JSON. Send one JSON object in UTF-8." },
  unauthorized: {
    status: 401,
    description:
      "An API key is required: send `Authorization: Bearer <key>`. Routes about one user also accept that user's token.",
  },
  // Providers do not repeat a webhook that is answered with 406.
  callback_refused: {
    status: 406,
    description: "The callback's signature is missing, wrong, too old or was used before.",
  },
  foreign_host: {
    status: 403,
    description:
      "Without API_KEYS, requests must name an IP address, localhost or one of ALLOWED_HOSTS, and pages of other origins may change nothing: use one of these hosts, add the page's origin to ALLOWED_ORIGINS, or set API_KEYS.",
  },
  forbidden: {
    status: 403,
    description: "The token belongs to another user, or the route needs an API key.",
  },
  not_found: { status: 404, description: "Nothing was found at this path or under this id." },
  method_not_allowed: {
    status: 405,
    description: "The path exists, but not with this method. The `Allow` header lists its methods.",
  },
  payload_too_large: {
    status: 413,
    description:
      "The body is over 64 KiB, or over 1 MiB where it may name up to 1,000 users, or over 2 MiB for `POST /v1/broadcasts`.",
  },
  unsupported_media_type: {
    status: 415,
    description: "Send the body as `Content-Type: application/json`, uncompressed.",
  },
  user_document_conflict: {
    status: 409,
    description:
      "The user's document cannot be changed: `notifications` is not an array, `rev` is not a number, a schema rule of the collection refuses the change, or the document is full (16 MB).",
  },
  preference_locked: {
    status: 409,
    description: "The user cannot change this preference: the type is mandatory, or its category is locked.",
  },
  idempotency_in_progress: {
    status: 409,
    description:
      "A request with this Idempotency-Key is still running. Try again after `Retry-After` seconds.",
  },
  idempotency_mismatch: {
    status: 422,
    description: "This Idempotency-Key was used for another request in the last 24 hours. Use a new one.",
  },
  topic_deleting: {
    status: 409,
    description:
      "The topic is being deleted. Repeat the DELETE until it answers 204, then the topic can be created again.",
  },
  tokens_off: { status: 409, description: "Tokens are turned off. Set TOKEN_SECRET." },
  too_many_connections: {
    status: 429,
    description:
      "The user or the address has too many open connections. Close some, or try again after `Retry-After` seconds.",
  },
  delivery_not_retryable: {
    status: 409,
    description:
      "The delivery was sent, is being sent or was taken back. Only a delivery that ended in another way can be retried.",
  },
  job_not_changeable: {
    status: 409,
    description:
      "The job already ran, or is in a state in which this cannot be done. The message says which.",
  },
  digest_not_open: {
    status: 409,
    description:
      "The digest was sent or is being sent. Only an open digest, or one that waits, can be released.",
  },
  clock_real: {
    status: 409,
    description: "The clock is real and cannot be moved. Tests set CLOCK=virtual.",
  },
  clock_stuck: {
    status: 409,
    description:
      "The virtual clock stopped, because a delivery was put off again and again. The message names it.",
  },
  overloaded: {
    status: 503,
    description: "Too many requests are waiting to be stored. Try again after `Retry-After` seconds.",
  },
  database_unavailable: {
    status: 503,
    description: "MongoDB did not answer in time. The request may or may not have been stored. Try again.",
  },
  internal: {
    status: 500,
    description: "An error in the service. The log has the cause under the request id (`X-Request-Id`).",
  },
} as const satisfies Record<string, { status: number; description: string }>;

export type ErrorCode = keyof typeof errorCodes;

/** One problem in the caller's input: a JSON pointer (`/data/a`) or `?name`, and the end of a sentence about it. */
export interface ErrorDetail {
  pointer: string;
  detail: string;
}

/** An error that the caller is shown. Anything else that is thrown becomes `internal`, and its cause goes to the log only. */
export class BelfryError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetail[];
  /** When a retry may succeed, if that is known. */
  retryAfterSeconds?: number;

  constructor(
    code: ErrorCode,
    message: string = errorCodes[code].description,
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

/** A refused request: every problem, and the first one as a sentence. At least one. */
export function invalidRequest(details: ErrorDetail[]): BelfryError {
  const shown = details.slice(0, maxDetails);
  return new BelfryError("invalid_request", sentenceOf(shown[0] as ErrorDetail), shown);
}
const maxDetails = 20;

/** A problem as a sentence: "`recipients[3]` must not be empty." */
export const sentenceOf = ({ pointer, detail }: ErrorDetail): string => `${fieldName(pointer)} ${detail}.`;

/** A pointer as people write it; what is no pointer, such as an option or a header, stays as it is. */
function fieldName(pointer: string): string {
  if (pointer === "") return "The body";
  if (pointer.startsWith("?")) return `\`${pointer.slice(1)}\``;
  if (!pointer.startsWith("/")) return pointer;
  const path = pointer
    .slice(1)
    .replace(/\/(\d+)(?=\/|$)/g, "[$1]")
    .replaceAll("/", ".");
  return `\`${path.replaceAll("~1", "/").replaceAll("~0", "~")}\``;
}

const maxPointer = 256;
/** Callers choose their names: an answer must not be as long as their request. */
export const shortPointer = (pointer: string): string =>
  pointer.length > maxPointer ? `${pointer.slice(0, maxPointer)}…`.toWellFormed() : pointer;

/** A lone surrogate has no UTF-8 form: it would come back as U+FFFD. */
export function problemInText(text: string, pointer: string): ErrorDetail | undefined {
  return text.isWellFormed()
    ? undefined
    : { pointer, detail: "has half of a surrogate pair, which is not valid text" };
}

/** RFC 6901, section 3. */
export const escapePointer = (key: string): string => key.replaceAll("~", "~0").replaceAll("/", "~1");
