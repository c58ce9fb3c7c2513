import type { FastifyInstance } from "fastify";
import { type Static, Type } from "typebox";
import type { Core } from "../core/core.ts";
import { DeliveryMessageDto } from "../core/delivery-message.ts";
import { describeTypes, PreviewDto, TypeDto } from "../core/preview.ts";
import { readerOf } from "../core/profile.ts";
import { SimulatorDto, type SimulatorSwitch } from "../core/simulator-switch.ts";
import type { Stats } from "../core/stats.ts";
import type { Engine } from "../delivery/engine.ts";
import { iso } from "../model/schema.ts";
import * as schemas from "./console-schemas.ts";
import { linkNextPage, nextCursor } from "./next-page.ts";
import { Id } from "./v1/delivery-schemas.ts";

export interface ConsoleParts {
  core: Pick<Core, "registry" | "preview" | "findUsers" | "deliveryMessage">;
  /** The delivery engine, in a process that sends. */
  engine?: Engine | undefined;
  stats: Stats;
  simulator: SimulatorSwitch;
}

const tags = ["operate"];

/** Routes that the console adds. Any program with an API key may use them. */
export function consoleRoutes(app: FastifyInstance, { core, engine, stats, simulator }: ConsoleParts): void {
  const types = describeTypes(core.registry);

  app.get(
    "/v1/types",
    {
      schema: {
        tags,
        summary: "List the notification types",
        response: { 200: Type.Object({ data: Type.Array(TypeDto) }) },
      },
    },
    async () => ({ data: types }),
  );

  app.post<{ Params: { key: string }; Body: Static<typeof schemas.PreviewBody> }>(
    "/v1/types/:key/preview",
    {
      schema: {
        tags,
        summary: "Preview a type's messages",
        description:
          "Renders the templates of the type's channels for a user with this locale and time zone. Stores nothing.",
        params: schemas.TypePath,
        body: schemas.PreviewBody,
        response: { 200: PreviewDto },
      },
    },
    async (request) => {
      const { target_id: targetId, data, locale, time_zone, ...words } = request.body;
      const command = {
        type: request.params.key,
        ...words,
        ...(targetId !== undefined && { targetId }),
        ...(data !== undefined && { data: data as Record<string, unknown> }),
      };
      return core.preview(command, readerOf({ locale, time_zone }));
    },
  );

  app.get<{ Params: { id: string } }>(
    "/v1/deliveries/:id/message",
    {
      schema: {
        tags,
        summary: "Show a delivery's content and message",
        description: "The message is rendered with the current templates and the user's current profile.",
        params: Id,
        response: { 200: DeliveryMessageDto },
      },
    },
    async (request) => core.deliveryMessage(request.params.id.toLowerCase()),
  );

  app.get<{ Querystring: Static<typeof schemas.UsersQuery> }>(
    "/v1/users",
    {
      schema: {
        tags: ["users"],
        summary: "List or search users",
        querystring: schemas.UsersQuery,
        response: { 200: schemas.UserPage },
      },
    },
    async (request, reply) => {
      const { q, limit, cursor } = request.query;
      const { data, next } = await core.findUsers(q, limit, cursor);
      linkNextPage(request, reply, next);
      return { data, ...nextCursor(next) };
    },
  );

  app.get(
    "/v1/stats",
    {
      schema: {
        tags,
        summary: "Statistics of this process for the last 15 minutes",
        response: { 200: schemas.StatsReply },
      },
    },
    async () => ({
      interval_seconds: stats.intervalSeconds,
      samples: stats.read().map((one) => ({ ...one, at: iso(one.at) })),
      providers: Object.entries(engine?.health() ?? {}).flatMap(([channel, lines]) =>
        Object.entries(lines).map(([name, { since, until, ...health }]) => ({
          channel,
          name,
          ...health,
          ...(since !== undefined && { since: iso(since) }),
          ...(until !== undefined && { until: iso(until) }),
        })),
      ),
      overdue: engine?.overdue() ?? {},
    }),
  );

  app.get(
    "/v1/simulator",
    {
      schema: {
        tags,
        summary: "State of this process's simulator",
        response: { 200: SimulatorDto },
      },
    },
    async () => simulator.state(),
  );

  app.put<{ Body: Static<typeof schemas.SimulatorBody> }>(
    "/v1/simulator",
    {
      schema: {
        tags,
        summary: "Start or stop the simulator, or set its speed",
        body: schemas.SimulatorBody,
        response: { 200: SimulatorDto },
      },
    },
    async ({ body }) => simulator.set({ ...simulator.state(), ...body }),
  );
}
