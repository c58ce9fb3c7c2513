import type { FastifyRequest } from "fastify";
import type { IdempotencyKey } from "../../core/idempotency.ts";
import { bearerOf } from "../auth.ts";
import { invalidField } from "../errors.ts";

const maxCharacters = 255;

/**
 * The `Idempotency-Key` of a request, its API key's own; undefined without one. Throws `invalid_request`.
 *
 * A text in quotes, as draft-ietf-httpapi-idempotency-key-header-07 has it (RFC 8941, 3.3.3), or without them, as most
 * send it. Sent twice it reads `a, b`, which is neither.
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

function unquoted(text: string): string | undefined {
  const quoted = /^"((?:[ !#-[\]-~]|\\["\\])*)"$/.exec(text)?.[1];
  if (quoted !== undefined) return quoted.replace(/\\(.)/g, "$1");
  return /^[!#-~][!-~]*$/.test(text) ? text : undefined;
}
