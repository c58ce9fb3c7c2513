import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import { BelfryError, type ErrorCode, type ErrorDetail } from "../model/errors.ts";

/** Retry soon: what fills the queue is a burst, and a replica set elects a primary within seconds. */
const retryAfterSeconds = "2";
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
  if (error instanceof SyntaxError)
    return new BelfryError("invalid_json", `The body is not acceptable JSON: ${error.message}.`);
  if (statusCode !== undefined && statusCode < 500) return new BelfryError("invalid_request", error.message);
  return new BelfryError("internal", undefined, [], error);
}

/** `/data/a` in the body, `?limit` in the query, `{id}` in the path. */
function detailOf(
  error: { instancePath: string; message?: string; params: Record<string, unknown> },
  context: string,
): ErrorDetail {
  const { missingProperty, additionalProperty, allowedValues } = error.params;
  const field = missingProperty ?? additionalProperty;
  const path = field === undefined ? error.instancePath : `${error.instancePath}/${String(field)}`;
  const pointer = context === "querystring" ? `?${path.slice(1)}` : path;
  if (missingProperty !== undefined) return { pointer, detail: "is required" };
  if (additionalProperty !== undefined) return { pointer, detail: "is not a field of this request" };
  if (Array.isArray(allowedValues)) return { pointer, detail: `must be one of ${allowedValues.join(", ")}` };
  return { pointer, detail: error.message ?? "is not valid" };
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
  if (shown.status === 503) reply.header("retry-after", retryAfterSeconds);
  if (shown.status === 401) reply.header("www-authenticate", "Bearer");
  reply.code(shown.status);
  return shown;
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
