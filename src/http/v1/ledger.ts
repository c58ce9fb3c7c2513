import type { FastifyInstance } from "fastify";
import { type Static, Type } from "typebox";
import type { Core } from "../../core/core.ts";
import { readPeriod } from "../../core/filters.ts";
import { LedgerDto, ledgerDto } from "../../core/ledger-dto.ts";
import { type ErrorDetail, invalidRequest } from "../../model/errors.ts";
import { inQuery } from "../next-page.ts";
import { time, when } from "./delivery-schemas.ts";

const LedgerQuery = Type.Object(
  {
    from: Type.Optional(Type.String({ ...time, description: `Default: 24 hours ago. ${when}` })),
    to: Type.Optional(Type.String({ ...time, description: `Default: now. ${when}` })),
  },
  { additionalProperties: false },
);

/** Counts of deliveries. */
export function ledgerRoutes(app: FastifyInstance, { ledger }: Pick<Core, "ledger">): void {
  app.get<{ Querystring: Static<typeof LedgerQuery> }>(
    "/v1/ledger",
    {
      schema: {
        tags: ["operate"],
        summary:
          "Count deliveries: accepted = sent + delivered + failed + skipped + canceled + uncertain + pending + held + digested + recalled",
        querystring: LedgerQuery,
        response: { 200: LedgerDto },
      },
    },
    async (request) => {
      const problems: ErrorDetail[] = [];
      const period = readPeriod(request.query, (name, detail) =>
        problems.push({ pointer: inQuery(name), detail }),
      );
      if (problems.length > 0) throw invalidRequest(problems);
      return ledgerDto(await ledger(period.from, period.to));
    },
  );
}
