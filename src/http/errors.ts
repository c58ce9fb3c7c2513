import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import { BelfryError, type ErrorCode, type ErrorDetail } from "../model/errors.ts";
import { escapePointer } from "../model/free-data.ts";
import { patternSays } from "./patterns.ts";

/** Retry soon: what fills the queue is a burst, and a replica set elects a primary within seconds. */
const soonSeconds = 2;
/** Retry later: a seat becomes free when somebody leaves. */
const laterSeconds = 10;
const maxDetails = 20;

/** Fastify's own codes that are the caller's doing. */
const fastifyCodes: Record<string, ErrorCode> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: "unsupported_media_type",
  FST_ERR_CTP_BODY_TOO_LARGE: "payload_too_large",
  FST_ERR_CTP_EMPTY_JSON_BODY: "invalid_json",
  FST_ERR_CTP_INVALID_JSON_BODY: "invalid_json",
};

/** What a caller may be told of an error. A defect of ours becomes `internal` and its cause stays in the log. */
export function publicError(error: FastifyError | Error): BelfryError {
  if (error instanceof BelfryError) return error;
  const { validation, validationContext, statusCode, code } = error as FastifyError;
  if (validation) {
    const details = validation.slice(0, maxDetails).map((one) => detailOf(one, validationContext ?? "body"));
    const [first] = details as [ErrorDetail];
    return new BelfryError("invalid_request", `${first.pointer || "The body"} ${first.detail}.`, details);
  }
  const mapped = fastifyCodes[code];
  if (mapped) return new BelfryError(mapped);
  if (statusCode !== undefined && statusCode < 500) return new BelfryError("invalid_request", error.message);
  return new BelfryError("internal", undefined, [], error);
}

/** What is wrong with one field, where no schema says it. */
export function invalidField(pointer: string, detail: string): BelfryError {
  return new BelfryError("invalid_request", `${pointer} ${detail}.`, [{ pointer, detail }]);
}

/** `/data/a` in the body, `?limit` in the query, `{id}` in the path. */
function detailOf(
  error: { keyword: string; instancePath: string; message?: string; params: Record<string, unknown> },
  context: string,
): ErrorDetail {
  const { missingProperty, additionalProperty, allowedValues, pattern } = error.params;
  const field = missingProperty ?? additionalProperty;
  const inQuery = context === "querystring";
  const name = field === undefined ? undefined : inQuery ? String(field) : escapePointer(String(field));
  const path = name === undefined ? error.instancePath : `${error.instancePath}/${name}`;
  const pointer = inQuery ? `?${path.slice(1)}` : path;
  if (missingProperty !== undefined) return { pointer, detail: "is required" };
  if (additionalProperty !== undefined) return { pointer, detail: "is not a field of this request" };
  if (Array.isArray(allowedValues)) return { pointer, detail: `must be one of ${allowedValues.join(", ")}` };
  if (error.keyword === "minLength" && error.params.limit === 1)
    return { pointer, detail: "must not be empty" };
  const says = patternSays[String(pattern)] ?? error.message;
  return { pointer, detail: says ?? "is not valid" };
}

/** Logs and prepares what every error shape has in common; answers with the error to show. */
export function prepareErrorReply(
  error: FastifyError | Error,
  request: FastifyRequest,
  reply: FastifyReply,
): BelfryError {
  const shown = publicError(error);
  if (shown.status >= 500)
    request.log.error({ err: shown.cause ?? shown, code: shown.code }, "request failed");
  else request.log.debug({ code: shown.code }, "request refused");
  const wait = retryAfterSeconds(shown);
  if (wait !== undefined) reply.header("retry-after", wait);
  if (shown.status === 401) reply.header("www-authenticate", "Bearer");
  reply.code(shown.status);
  return shown;
}

/** What `Retry-After` says; undefined: the same request will not fare better. */
function retryAfterSeconds({
  status,
  code,
  retryAfterSeconds,
}: Pick<BelfryError, "status" | "code" | "retryAfterSeconds">): number | undefined {
  if (status === 429) return laterSeconds;
  return status === 503 || code === "idempotency_in_progress"
    ? (retryAfterSeconds ?? soonSeconds)
    : undefined;
}

/** RFC 9457 problem details: the error shape of our own routes and of everything outside a dialect. */
export function sendProblem(
  error: FastifyError | Error,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const { code, status, message, details } = prepareErrorReply(error, request, reply);
  return reply
    .type("application/problem+json")
    .serializer(JSON.stringify)
    .send({
      type: "about:blank",
      title: code.replaceAll("_", " "),
      status,
      detail: message,
      instance: request.url.split("?", 1)[0],
      code,
      ...(details.length > 0 && { errors: details }),
    });
}

/** What no request came of: garbage, a head that is too large, a request that never ends. Node's parser names it. */
export function clientErrorHandler(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === "ECONNRESET" || !socket.writable) return void socket.destroy();
  const known: Record<string, [number, string]> = {
    ERR_HTTP_REQUEST_TIMEOUT: [408, "The request did not arrive in time."],
    HPE_HEADER_OVERFLOW: [431, "The request's head is over 16 KiB."],
  };
  const [status, detail] = known[error.code ?? ""] ?? [400, "This is not an HTTP request."];
  const title = STATUS_CODES[status] as string;
  endWithProblem(socket, { status, title, detail, code: "invalid_request" });
}

/** An answer where there is no reply to send it with; the connection ends. */
export function endWithProblem(
  socket: Duplex,
  problem: { status: number; title: string; detail: string; code: ErrorCode },
): void {
  const { status } = problem;
  const body = JSON.stringify({ type: "about:blank", ...problem });
  const wait = retryAfterSeconds(problem);
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nconnection: close\r\ncontent-type: application/problem+json`;
  const later = wait === undefined ? "" : `\r\nretry-after: ${wait}`;
  socket.end(`${head}${later}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
}
