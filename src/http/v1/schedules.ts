import type { FastifyInstance } from "fastify";
import { type Static, Type } from "typebox";
import type { Core } from "../../core/core.ts";
import { ScheduleDto, ScheduleRecordDto, scheduleDto, scheduleRecordDto } from "../../core/schedule-dto.ts";
import type { ScheduleRecord } from "../../model/schedule.ts";
import { cursorIn, inQuery, linkNextPage, nextCursor } from "../next-page.ts";
import { next_cursor } from "./delivery-schemas.ts";
import { ScheduleKey, scheduleBody } from "./schedule-schemas.ts";
import { Exactly } from "./schemas.ts";

/** 1,000 ids of 128 characters need more than other bodies. */
const maxBodyBytes = 1024 * 1024;

const Path = Type.Object({ key: ScheduleKey });
const ListQuery = Exactly({
  limit: Type.Integer({ minimum: 1, maximum: 100, default: 20 }),
  cursor: Type.Optional(Type.String({ maxLength: 512, description: "`next_cursor` of the previous page." })),
});
const SchedulePage = Type.Object({ data: Type.Array(ScheduleDto), next_cursor }, { title: "SchedulePage" });

const tags = ["jobs"];

/** Notifications that are sent again and again. */
export function scheduleRoutes(
  app: FastifyInstance,
  { registry, schedules }: Pick<Core, "registry" | "schedules">,
): void {
  const Body = scheduleBody(registry.keys);
  const answer = async (schedule: ScheduleRecord) =>
    scheduleRecordDto(schedule, await schedules.upcoming(schedule));

  app.put<{ Params: { key: string }; Body: Static<typeof Body> }>(
    "/v1/schedules/:key",
    {
      bodyLimit: maxBodyBytes,
      schema: {
        tags,
        summary: "Store a schedule",
        description:
          "201: it is new. 200: it is stored in place of the one with this key. The next occurrence stays unless `cron`, `time_zone`, `starts_at` or `ends_at` change, so the call may be repeated. A paused schedule stays paused.",
        params: Path,
        body: Body,
        response: { 200: ScheduleRecordDto, 201: ScheduleRecordDto },
      },
    },
    async ({ params, body }, reply) => {
      const { target_id: targetId, ...rest } = body.notification;
      const notification = { ...rest, ...(targetId !== undefined && { targetId }) };
      const { schedule, created } = await schedules.put(params.key, { ...body, notification });
      return reply.code(created ? 201 : 200).send(await answer(schedule));
    },
  );

  app.get<{ Querystring: Static<typeof ListQuery> }>(
    "/v1/schedules",
    {
      schema: {
        tags,
        summary: "List schedules, by key",
        querystring: ListQuery,
        response: { 200: SchedulePage },
      },
    },
    async (request, reply) => {
      const { limit, cursor } = request.query;
      const page = await schedules.list(limit, cursorIn(cursor, inQuery));
      linkNextPage(request, reply, page.next);
      return { data: page.data.map(scheduleDto), ...nextCursor(page.next) };
    },
  );

  app.get<{ Params: { key: string } }>(
    "/v1/schedules/:key",
    {
      schema: {
        tags,
        summary: "Show a schedule with its next occurrences",
        params: Path,
        response: { 200: ScheduleRecordDto },
      },
    },
    async ({ params }) => answer(await schedules.show(params.key)),
  );

  const summaries = {
    pause: "Pause a schedule: occurrences until it is resumed are left out",
    resume: "Go on with a paused schedule",
  };
  for (const action of ["pause", "resume"] as const)
    app.post<{ Params: { key: string } }>(
      `/v1/schedules/:key/${action}`,
      { schema: { tags, summary: summaries[action], params: Path, response: { 200: ScheduleRecordDto } } },
      async ({ params }) => answer(await schedules[action](params.key)),
    );

  app.delete<{ Params: { key: string } }>(
    "/v1/schedules/:key",
    { schema: { tags, summary: "Delete a schedule", params: Path, response: { 204: Type.Null() } } },
    async ({ params }, reply) => {
      await schedules.remove(params.key);
      return reply.code(204).send();
    },
  );
}
