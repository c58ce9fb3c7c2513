import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import { BelfryError, type ErrorCode, invalidRequest } from "../model/errors.ts";

/** A burst is over and a replica set has a new primary within seconds. */
const soonSeconds = 2;
/** A connection becomes free when a client disconnects. */
const laterSeconds = 10;

/** Fastify's codes for a caller's mistakes. */
const fastifyCodes: Record<string, ErrorCode> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: "unsupported_media_type",
  FST_ERR_CTP_BODY_TOO_LARGE: "payload_too_large",
  FST_ERR_CTP_EMPTY_JSON_BODY: "invalid_json",
  FST_ERR_CTP_INVALID_JSON_BODY: "invalid_json",
};

/** The error to show to the caller. A defect becomes `internal`, and only the log has its cause. */
export function publicError(error: FastifyError | Error): BelfryError {
  if (error instanceof BelfryError) return error;
  const { statusCode, code } = error as FastifyError;
  const mapped = fastifyCodes[code];
  if (mapped) return new BelfryError(mapped);
  if (statusCode !== undefined && statusCode < 500) return new BelfryError("invalid_request", error.message);
  return new BelfryError("internal", undefined, [], error);
}

/** A problem with one field that no schema expresses. */
export const invalidField = (pointer: string, detail: string): BelfryError =>
  invalidRequest([{ pointer, detail }]);

/** Logs the error, and sets the status and headers that every shape shares. Returns the error to show. */
export function prepareErrorReply(
  error: FastifyError | Error,
  request: FastifyRequest,
  reply: FastifyReply,
): BelfryError {
  const shown = publicError(error);
  if (shown.status >= 500)
    request.log.error({ reqId: request.id, err: shown.cause ?? shown, code: shown.code }, "request failed");
  else request.log.debug({ reqId: request.id, code: shown.code }, "request refused");
  const wait = retryAfterSeconds(shown);
  if (wait !== undefined) reply.header("retry-after", wait);
  if (shown.status === 401) reply.header("www-authenticate", "Bearer");
  reply.code(shown.status);
  return shown;
}

/** The value of `Retry-After`; undefined when the same request would fail again. */
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

/** RFC 9457 problem details: the error shape of all routes outside a dialect. */
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

/** Handles bytes that are not a complete request: garbage, a head that is too large, a request that never ends. */
export function clientErrorHandler(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === "ECONNRESET" || !socket.writable) return void socket.destroy();
  const known: Record<string, [number, string]> = {
    ERR_HTTP_REQUEST_TIMEOUT: [408, "The request did not arrive in time."],
    HPE_HEADER_OVERFLOW: [431, "The request line and headers are over 16 KiB."],
  };
  const [status, detail] = known[error.code ?? ""] ?? [400, "This is not an HTTP request."];
  const title = STATUS_CODES[status] as string;
  endWithProblem(socket, { status, title, detail, code: "invalid_request" });
}

/** For responses that no cache may store. Their links send no referrer. */
export const privateHeaders = { "cache-control": "no-store", "referrer-policy": "no-referrer" };

/** Answers on a socket without a reply object, and ends the connection. */
export function endWithProblem(
  socket: Duplex,
  problem: { status: number; title: string; detail: string; code: ErrorCode },
): void {
  const { status } = problem;
  const body = JSON.stringify({ type: "about:blank", ...problem });
  const wait = retryAfterSeconds(problem);
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nconnection: close\r\ncontent-type: application/problem+json`;
  const common = Object.entries(privateHeaders).map(([name, value]) => `\r\n${name}: ${value}`);
  const later = wait === undefined ? "" : `\r\nretry-after: ${wait}`;
  socket.end(
    `${head}${common.join("")}${later}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}
