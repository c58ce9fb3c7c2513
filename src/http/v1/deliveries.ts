import type { FastifyInstance } from "fastify";
import type { Static } from "typebox";
import type { Core } from "../../core/core.ts";
import { DeliveryRecordDto, deliveryDto, deliveryRecordDto } from "../../core/delivery-dto.ts";
import { readFilters, type WrittenFilters } from "../../core/filters.ts";
import { cursorIn, inBody, inQuery, linkNextPage, nextCursor } from "../next-page.ts";
import * as schemas from "./delivery-schemas.ts";

const tags = ["operate"];

/** Lookups of deliveries, and resending. */
export function deliveryRoutes(
  app: FastifyInstance,
  { deliveries, redrive }: Pick<Core, "deliveries" | "redrive">,
): void {
  app.get<{ Querystring: Static<typeof schemas.ListQuery> }>(
    "/v1/deliveries",
    {
      schema: {
        tags,
        summary: "List deliveries, newest first",
        querystring: schemas.ListQuery,
        response: { 200: schemas.DeliveryPage },
      },
    },
    async (request, reply) => {
      const { limit, cursor, ...written } = request.query;
      const page = await deliveries.list(readFilters(written, inQuery), limit, cursorIn(cursor, inQuery));
      linkNextPage(request, reply, page.next);
      return { data: page.data.map(deliveryDto), ...nextCursor(page.next) };
    },
  );

  app.get<{ Params: { id: string } }>(
    "/v1/deliveries/:id",
    {
      schema: {
        tags,
        summary: "Show a delivery with its attempts",
        params: schemas.Id,
        response: { 200: DeliveryRecordDto },
      },
    },
    async (request) => deliveryRecordDto(await deliveries.show(request.params.id.toLowerCase())),
  );

  app.post<{ Params: { id: string } }>(
    "/v1/deliveries/:id/retry",
    {
      schema: {
        tags,
        summary: "Resend a delivery, under the same id",
        params: schemas.Id,
        response: { 200: DeliveryRecordDto },
      },
    },
    async (request) => deliveryRecordDto(await deliveries.retry(request.params.id.toLowerCase())),
  );

  app.post<{ Body: Static<typeof schemas.RedriveBody> }>(
    "/v1/deliveries/redrive",
    {
      schema: {
        tags,
        summary: "Resend failed deliveries, under the same ids",
        body: schemas.RedriveBody,
        response: { 200: schemas.RedriveReply },
      },
    },
    async (request) => {
      const { dry_run, cursor, ...written } = request.body;
      const filter = readFilters(written as WrittenFilters, inBody);
      const from = cursorIn(cursor, inBody);
      const done = await redrive({ filter, dryRun: dry_run, ...(from && { cursor: from }) });
      const { redriven, next: after, ...counts } = done;
      return {
        dry_run,
        ...(dry_run ? { would_send: redriven } : { redriven }),
        ...counts,
        more: after !== undefined,
        ...nextCursor(after),
      };
    },
  );
}
