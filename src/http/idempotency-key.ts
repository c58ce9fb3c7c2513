import type { FastifyReply, FastifyRequest } from "fastify";
import { Type } from "typebox";
import type { IdempotencyKey } from "../core/idempotency.ts";
import type { Keyed } from "../core/send-many.ts";
import { bearerOf } from "./auth.ts";
import { invalidField } from "./errors.ts";

const maxCharacters = 255;

/** The headers of every route that creates notifications. */
export const IdempotencyHeaders = Type.Object({
  "idempotency-key": Type.Optional(
    Type.String({
      description:
        "1 to 255 printable ASCII characters, for example a UUID. For 24 hours the same request with the same key gets the " +
        "first one's answer, with the header `Idempotent-Replayed: true`. Another request with it is refused (422), and " +
        "while the first one is running the answer is 409.",
    }),
  ),
});

/**
 * The request's `Idempotency-Key`, which belongs to its API key; undefined without one. Throws `invalid_request`.
 *
 * It may stand in quotes, as in draft-ietf-httpapi-idempotency-key-header-07 (RFC 8941, 3.3.3), or without them, as most
 * clients send it. A header sent twice reads `a, b`, which is neither.
 */
export function idempotencyKeyOf(request: FastifyRequest): IdempotencyKey | undefined {
  const given = request.headers["idempotency-key"];
  if (given === undefined) return undefined;
  const key = unquoted(String(given));
  if (key === undefined || key.length === 0 || key.length > maxCharacters)
    throw invalidField(
      "Idempotency-Key",
      `must be 1 to ${maxCharacters} printable ASCII characters without spaces, or such a text in quotes`,
    );
  return { owner: (request.access && bearerOf(request.headers.authorization)) ?? "open", key };
}

/** The same with the request's route. A trailing slash makes no difference. */
export function keyedRequest(request: FastifyRequest): Keyed | undefined {
  const key = idempotencyKeyOf(request);
  return key && { key, path: request.routeOptions.url?.replace(/\/$/, "") ?? "" };
}

/** Marks an answer that repeats the first one's. */
export function markReplayed(reply: FastifyReply, replayed: boolean): void {
  if (replayed) reply.header("idempotent-replayed", "true");
}

function unquoted(text: string): string | undefined {
  const quoted = /^"((?:[ !#-[\]-~]|\\["\\])*)"$/.exec(text)?.[1];
  if (quoted !== undefined) return quoted.replace(/\\(.)/g, "$1");
  return /^[!#-~][!-~]*$/.test(text) ? text : undefined;
}
