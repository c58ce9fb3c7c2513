import type { FastifyInstance } from "fastify";
import type { Static } from "typebox";
import type { FindUsers } from "../core/find-users.ts";
import type { Rendered, TypeDescription } from "../core/preview.ts";
import type { Pulse } from "../core/pulse.ts";
import type { SimulatorSwitch } from "../core/simulator-switch.ts";
import type { NotifyCommand } from "../model/notification.ts";
import * as schemas from "./console-schemas.ts";
import type { HealthPartners } from "./health.ts";
import { linkNextPage, nextCursor } from "./next-page.ts";

export interface ConsolePartners extends Pick<HealthPartners, "providers"> {
  types: TypeDescription[];
  preview: (command: Omit<NotifyCommand, "user">) => Rendered;
  findUsers: FindUsers;
  pulse: Pick<Pulse, "intervalSeconds" | "read">;
  simulator: Pick<SimulatorSwitch, "state" | "set">;
}

const tags = ["operate"];

/** What the page at `/` asks beside the routes for everybody; any program with a key may ask it, too. */
export function consoleRoutes(app: FastifyInstance, partners: ConsolePartners): void {
  const { types, preview, findUsers, pulse, providers, simulator } = partners;

  app.get(
    "/v1/types",
    { schema: { tags, summary: "The registry of notification types", response: { 200: schemas.TypeList } } },
    async () => ({ data: types }),
  );

  app.post<{ Params: { key: string }; Body: Static<typeof schemas.PreviewBody> }>(
    "/v1/types/:key/preview",
    {
      schema: {
        tags,
        summary: "What a type's templates make of a notification",
        description: "On the type's own channels. Nothing is stored.",
        params: schemas.TypePath,
        body: schemas.PreviewBody,
        response: { 200: schemas.PreviewReply },
      },
    },
    async (request) => {
      const { target_id: targetId, data, ...words } = request.body;
      return preview({
        type: request.params.key,
        ...words,
        ...(targetId !== undefined && { targetId }),
        ...(data !== undefined && { data: data as Record<string, unknown> }),
      });
    },
  );

  app.get<{ Querystring: Static<typeof schemas.UsersQuery> }>(
    "/v1/users",
    {
      schema: {
        tags: ["users"],
        summary: "Users, all or those that are looked for",
        querystring: schemas.UsersQuery,
        response: { 200: schemas.UserPage },
      },
    },
    async (request, reply) => {
      const { q, limit, cursor } = request.query;
      const { data, next } = await findUsers(q, limit, cursor);
      linkNextPage(request, reply, next);
      return { data, ...nextCursor(next) };
    },
  );

  app.get(
    "/v1/stats",
    {
      schema: {
        tags,
        summary: "What this process has done in the last 15 minutes",
        response: { 200: schemas.StatsReply },
      },
    },
    async () => ({
      interval_seconds: pulse.intervalSeconds,
      samples: pulse.read().map((one) => ({ ...one, at: iso(one.at) })),
      providers: Object.entries(providers?.() ?? {}).flatMap(([channel, lines]) =>
        Object.entries(lines).map(([name, { since, until, ...health }]) => ({
          channel,
          name,
          ...health,
          ...(since !== undefined && { since: iso(since) }),
          ...(until !== undefined && { until: iso(until) }),
        })),
      ),
    }),
  );

  app.get(
    "/v1/simulator",
    {
      schema: {
        tags,
        summary: "Whether this process simulates callers",
        response: { 200: schemas.SimulatorReply },
      },
    },
    async () => simulator.state(),
  );

  app.put<{ Body: Static<typeof schemas.SimulatorBody> }>(
    "/v1/simulator",
    {
      schema: {
        tags,
        summary: "Start, stop or pace the simulator of this process",
        body: schemas.SimulatorBody,
        response: { 200: schemas.SimulatorReply },
      },
    },
    async ({ body }) => simulator.set({ ...simulator.state(), ...body }),
  );
}

const iso = (ms: number): string => new Date(ms).toISOString();
