import type { FastifyInstance } from "fastify";
import { Type } from "typebox";

export interface Captured {
  id: string;
  user_id: string;
  channel: string;
  /** Unix milliseconds. */
  at: number;
  from: string;
  to: string;
  subject: string;
  text: string;
  html?: string;
}

const Message = Type.Object({
  id: Type.String({ description: "The delivery's id." }),
  user_id: Type.String(),
  channel: Type.Literal("email"),
  at: Type.Integer({ description: "Unix milliseconds." }),
  from: Type.String(),
  to: Type.String(),
  subject: Type.String(),
  text: Type.String(),
  html: Type.Optional(Type.String()),
});

/** Messages that were captured because no provider is configured. */
export function capturedRoutes(
  app: FastifyInstance,
  list: (skip: number, limit: number) => Promise<Captured[]>,
): void {
  const schema = {
    tags: ["operate"],
    summary: "Captured messages, newest first",
    querystring: Type.Object(
      {
        skip: Type.Integer({ minimum: 0, maximum: 1_000_000, default: 0 }),
        limit: Type.Integer({ minimum: 1, maximum: 100, default: 20 }),
      },
      { additionalProperties: false },
    ),
    response: { 200: Type.Object({ data: Type.Array(Message) }) },
  };
  app.get<{ Querystring: { skip: number; limit: number } }>("/v1/captured", { schema }, async (request) => ({
    data: await list(request.query.skip, request.query.limit),
  }));
}
