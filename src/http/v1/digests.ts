import type { FastifyInstance } from "fastify";
import { type Static, Type } from "typebox";
import type { Core } from "../../core/core.ts";
import { DeliveryDto, deliveryDto } from "../../core/delivery-dto.ts";
import { canonicalUser } from "../../model/user-id.ts";
import * as schemas from "./delivery-schemas.ts";
import { Exactly, UserId } from "./schemas.ts";

const tags = ["operate"];

const Query = Exactly({
  user_id: Type.Optional(Type.Unsafe<string>({ ...UserId, description: "Only this user's." })),
  limit: Type.Integer({ minimum: 1, maximum: 1_000, default: 100 }),
});

const List = Type.Object({ data: Type.Array(DeliveryDto) }, { title: "DigestList" });

/** Digests that gather notifications. */
export function digestRoutes(app: FastifyInstance, { digests }: Pick<Core, "digests">): void {
  app.get<{ Querystring: Static<typeof Query> }>(
    "/v1/digests",
    {
      schema: {
        tags,
        summary: "List open digests, by user",
        description: "An open digest gathers notifications until it is due.",
        querystring: Query,
        response: { 200: List },
      },
    },
    async ({ query: { user_id: user, limit } }) => {
      const found = await digests.list(user === undefined ? undefined : canonicalUser(user), limit);
      return { data: found.map(deliveryDto) };
    },
  );

  app.post<{ Params: { id: string } }>(
    "/v1/digests/:id/release",
    {
      schema: {
        tags,
        summary: "Send an open digest now",
        description: "In the user's quiet hours it waits for their end.",
        params: schemas.Id,
        response: { 200: DeliveryDto },
      },
    },
    async (request) => deliveryDto(await digests.release(request.params.id.toLowerCase())),
  );
}
