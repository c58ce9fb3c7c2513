import type { FastifyInstance } from "fastify";
import type { Static } from "typebox";
import { Type } from "typebox";
import type { Core } from "../core/core.ts";
import { readFilters, readPeriod, readSuppressionFilters, type WrittenFilters } from "../core/filters.ts";
import { BelfryError, type ErrorDetail, invalidRequest } from "../model/errors.ts";
import type { Channel } from "../model/notification.ts";
import { ledgerOnWire, recordOnWire, summaryOnWire, suppressionOnWire } from "../model/operate-wire.ts";
import { linkNextPage, nextCursor } from "./next-page.ts";
import * as schemas from "./operate-schemas.ts";

const tags = ["operate"];
const inQuery = (name: string) => `?${name}`;
const inBody = (name: string) => `/${name}`;

/** Deliveries, the ledger and suppressions. Times in responses are ISO 8601. */
export function operateRoutes(
  app: FastifyInstance,
  {
    deliveries,
    redrive,
    ledger,
    suppressions,
  }: Pick<Core, "deliveries" | "redrive" | "ledger" | "suppressions">,
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
      const page = await deliveries.list(readFilters(written, inQuery), limit, cursorOf(cursor, inQuery));
      linkNextPage(request, reply, page.next);
      return { data: page.data.map(summaryOnWire), ...nextCursor(page.next) };
    },
  );

  app.get<{ Params: { id: string } }>(
    "/v1/deliveries/:id",
    {
      schema: {
        tags,
        summary: "Show a delivery with its attempts",
        params: schemas.Id,
        response: { 200: schemas.Delivery },
      },
    },
    async (request) => recordOnWire(await deliveries.show(request.params.id.toLowerCase())),
  );

  app.post<{ Params: { id: string } }>(
    "/v1/deliveries/:id/retry",
    {
      schema: {
        tags,
        summary: "Resend a delivery, under the same id",
        params: schemas.Id,
        response: { 200: schemas.Delivery },
      },
    },
    async (request) => recordOnWire(await deliveries.retry(request.params.id.toLowerCase())),
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
      const from = cursorOf(cursor, inBody);
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

  app.get<{ Querystring: Static<typeof schemas.LedgerQuery> }>(
    "/v1/ledger",
    {
      schema: {
        tags,
        summary:
          "Count deliveries: accepted = sent + delivered + failed + skipped + canceled + uncertain + pending",
        querystring: schemas.LedgerQuery,
        response: { 200: schemas.LedgerReply },
      },
    },
    async (request) => {
      const problems: ErrorDetail[] = [];
      const period = readPeriod(request.query, (name, detail) =>
        problems.push({ pointer: inQuery(name), detail }),
      );
      if (problems.length > 0) throw invalidRequest(problems);
      return ledgerOnWire(await ledger(period.from, period.to));
    },
  );

  app.get<{ Querystring: Static<typeof schemas.SuppressionsQuery> }>(
    "/v1/suppressions",
    {
      schema: {
        tags,
        summary: "List suppressed addresses, to which nothing is sent",
        querystring: schemas.SuppressionsQuery,
        response: { 200: schemas.SuppressionPage },
      },
    },
    async (request, reply) => {
      const { limit, cursor, ...written } = request.query;
      const filter = readSuppressionFilters(written, inQuery);
      const page = await suppressions.list(filter, limit, cursorOf(cursor, inQuery));
      linkNextPage(request, reply, page.next);
      return { data: page.data.map(suppressionOnWire), ...nextCursor(page.next) };
    },
  );

  app.delete<{ Querystring: Static<typeof schemas.RemovalQuery> }>(
    "/v1/suppressions",
    {
      schema: {
        tags,
        summary: "Remove all suppressions that match",
        description:
          "For addresses that were suppressed by mistake, such as during one outage of a mail server. At least one filter is required. Opt-outs stay unless `reason=opt_out` is given.",
        querystring: schemas.RemovalQuery,
        response: { 200: schemas.RemovalReply },
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
        params: schemas.SuppressionPath,
        response: { 204: Type.Null() },
      },
    },
    async (request, reply) => {
      await suppressions.remove(request.params.user_id, request.params.channel);
      return reply.code(204).send();
    },
  );
}

function cursorOf(text: string | undefined, pointer: (name: string) => string) {
  return text === undefined ? undefined : { text, pointer: pointer("cursor") };
}
