import type { FastifyInstance } from "fastify";
import { type Static, Type } from "typebox";
import { ChannelName } from "../../core/delivery-dto.ts";
import { readSuppressionFilters } from "../../core/filters.ts";
import { SuppressionDto, suppressionDto } from "../../core/suppression-dto.ts";
import type { Suppressions } from "../../core/suppressions.ts";
import { suppressionReasons } from "../../model/channel.ts";
import { BelfryError } from "../../model/errors.ts";
import type { Channel } from "../../model/notification.ts";
import { Count } from "../../model/schema.ts";
import { cursorIn, inQuery, linkNextPage, nextCursor } from "../next-page.ts";
import { next_cursor, time, when } from "./delivery-schemas.ts";
import { UserId } from "./schemas.ts";

const suppressionFilters = {
  user_id: Type.Optional(UserId),
  channel: Type.Optional(ChannelName),
  reason: Type.Optional(Type.String({ enum: [...suppressionReasons] })),
  from: Type.Optional(Type.String({ ...time, description: `Suppressed at this time or later. ${when}` })),
  to: Type.Optional(Type.String({ ...time, description: `Suppressed before this time. ${when}` })),
};

const RemovalQuery = Type.Object(
  {
    ...suppressionFilters,
    dry_run: Type.Boolean({ default: false, description: "Only count; nothing is removed." }),
  },
  { additionalProperties: false },
);

const RemovalReply = Type.Object({
  dry_run: Type.Boolean(),
  removed: Type.Optional(Count("Removed suppressions.")),
  would_remove: Type.Optional(Count("Dry run: would be removed.")),
  more: Type.Boolean({
    description: "A call checks at most 10,000 suppressions. Call again until this is false.",
  }),
});

const SuppressionsQuery = Type.Object(
  {
    ...suppressionFilters,
    limit: Type.Integer({ minimum: 1, maximum: 100, default: 20 }),
    cursor: Type.Optional(Type.String({ maxLength: 1_024 })),
  },
  { additionalProperties: false },
);

const SuppressionPage = Type.Object(
  {
    data: Type.Array(SuppressionDto),
    next_cursor,
  },
  { title: "SuppressionPage" },
);

const SuppressionPath = Type.Object({
  user_id: UserId,
  channel: ChannelName,
});

const tags = ["operate"];

/** Suppressed addresses. */
export function suppressionRoutes(app: FastifyInstance, suppressions: Suppressions): void {
  app.get<{ Querystring: Static<typeof SuppressionsQuery> }>(
    "/v1/suppressions",
    {
      schema: {
        tags,
        summary: "List suppressed addresses, to which nothing is sent",
        querystring: SuppressionsQuery,
        response: { 200: SuppressionPage },
      },
    },
    async (request, reply) => {
      const { limit, cursor, ...written } = request.query;
      const filter = readSuppressionFilters(written, inQuery);
      const page = await suppressions.list(filter, limit, cursorIn(cursor, inQuery));
      linkNextPage(request, reply, page.next);
      return { data: page.data.map(suppressionDto), ...nextCursor(page.next) };
    },
  );

  app.delete<{ Querystring: Static<typeof RemovalQuery> }>(
    "/v1/suppressions",
    {
      schema: {
        tags,
        summary: "Remove all suppressions that match",
        description:
          "For addresses that were suppressed by mistake, such as during one outage of a mail server. At least one filter is required. Opt-outs stay unless `reason=opt_out` is given.",
        querystring: RemovalQuery,
        response: { 200: RemovalReply },
      },
    },
    async (request) => {
      const { dry_run, ...written } = request.query;
      const filter = readSuppressionFilters(written, inQuery);
      if (Object.keys(filter).length === 0)
        throw new BelfryError(
          "invalid_request",
          "Give at least one filter: user_id, channel, reason, from or to.",
        );
      const { removed, more } = await suppressions.removeAll(filter, dry_run);
      return { dry_run, ...(dry_run ? { would_remove: removed } : { removed }), more };
    },
  );

  app.delete<{ Params: { user_id: string; channel: Channel } }>(
    "/v1/suppressions/:user_id/:channel",
    {
      schema: {
        tags,
        summary: "Remove one suppression: later deliveries are sent again",
        params: SuppressionPath,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      await suppressions.remove(request.params.user_id, request.params.channel);
      return reply.code(204).send();
    },
  );
}
