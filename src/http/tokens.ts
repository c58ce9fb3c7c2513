import type { FastifyInstance } from "fastify";
import { Type } from "typebox";
import type { Tokens } from "../core/tokens.ts";
import { UserPath } from "./v1/schemas.ts";

/** `POST /v1/users/{id}/token`: makes a token, so that a user's page needs no API key. */
export function tokenRoutes(app: FastifyInstance, { sign }: Pick<Tokens, "sign">): void {
  app.post<{ Params: { id: string }; Body: { ttl_seconds?: number } }>(
    "/v1/users/:id/token",
    {
      config: { bodyOptional: true },
      schema: {
        tags: ["users"],
        summary: "Make a token for a user's pages and apps",
        description:
          "The token gives access to this user's inbox and live connections, and to nothing else. Needs an API key.",
        params: UserPath,
        body: Type.Object(
          {
            ttl_seconds: Type.Optional(
              Type.Integer({
                minimum: 10,
                maximum: 86_400,
                description: "How long the token is valid. Default: `TOKEN_TTL_SECONDS`.",
              }),
            ),
          },
          { additionalProperties: false },
        ),
        response: {
          201: Type.Object(
            { token: Type.String(), expires_at: Type.String({ format: "date-time" }) },
            { title: "TokenAnswer" },
          ),
        },
      },
    },
    async (request, reply) => {
      const { token, expiresAt } = await sign(request.params.id, request.body.ttl_seconds);
      return reply.code(201).send({ token, expires_at: new Date(expiresAt).toISOString() });
    },
  );
}
