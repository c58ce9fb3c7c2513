import type { FastifyInstance } from "fastify";
import { Type } from "typebox";
import { channelNames } from "../channels/index.ts";
import type { Links } from "../core/links.ts";
import type { CapturedMessage } from "../model/channel.ts";
import { BelfryError } from "../model/errors.ts";
import type { Store } from "../store/index.ts";
import { Id } from "./v1/delivery-schemas.ts";

const Message = Type.Object(
  {
    id: Type.String({ description: "The delivery's id." }),
    user_id: Type.String(),
    channel: Type.String({ enum: channelNames() }),
    at: Type.Integer({ description: "Unix milliseconds." }),
    from: Type.Optional(Type.String()),
    reply_to: Type.Optional(Type.String()),
    to: Type.String(),
    subject: Type.Optional(Type.String()),
    text: Type.Optional(Type.String()),
    html: Type.Optional(Type.String()),
  },
  { title: "CapturedMessage" },
);

/** Messages that were captured because no provider is configured. Their links work, so they are not shown. */
export function capturedRoutes(
  app: FastifyInstance,
  { list, one }: Pick<Store["captured"], "list" | "one">,
  { hide }: Pick<Links, "hide">,
): void {
  const shown = ({ text, html, ...rest }: CapturedMessage): CapturedMessage => ({
    ...rest,
    ...(text !== undefined && { text: hide(text) }),
    ...(html !== undefined && { html: hide(html) }),
  });
  const schema = {
    tags: ["operate"],
    summary: "List captured messages, newest first",
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
    data: (await list(request.query.skip, request.query.limit)).map(shown),
  }));

  app.get<{ Params: { id: string } }>(
    "/v1/captured/:id",
    {
      schema: {
        tags: ["operate"],
        summary: "Show the captured message of a delivery",
        params: Id,
        response: { 200: Message },
      },
    },
    async ({ params: { id } }) => {
      const found = await one(id);
      if (!found) throw new BelfryError("not_found", `There is no captured message ${id}.`);
      return shown(found);
    },
  );
}
