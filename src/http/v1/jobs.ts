import type { FastifyInstance } from "fastify";
import { type Static, Type } from "typebox";
import type { Core } from "../../core/core.ts";
import { JobDto, JobRecordDto, jobDto, jobRecordDto } from "../../core/job-dto.ts";
import { type JobState, jobStates } from "../../model/job.ts";
import { canonicalUser } from "../../model/user-id.ts";
import { cursorIn, inQuery, linkNextPage, nextCursor } from "../next-page.ts";
import { Id, next_cursor } from "./delivery-schemas.ts";
import { Exactly, UserId } from "./schemas.ts";

const State = Type.String({ enum: [...jobStates] });

const ListQuery = Exactly({
  kind: Type.Optional(Type.String({ maxLength: 64, description: "A kind of job, such as `later`." })),
  status: Type.Optional(
    Type.Union([State, Type.Array(State, { maxItems: jobStates.length })], {
      description: "One state, or several: repeat the parameter.",
    }),
  ),
  key: Type.Optional(Type.String({ maxLength: 128, description: "The key of a schedule." })),
  user_id: Type.Optional(
    Type.Unsafe<string>({ ...UserId, description: "A user to whom a notification is sent later." }),
  ),
  limit: Type.Integer({ minimum: 1, maximum: 100, default: 20 }),
  cursor: Type.Optional(
    Type.String({
      maxLength: 512,
      description: "`next_cursor` of the previous page, with the same filters.",
    }),
  ),
});

const JobPage = Type.Object({ data: Type.Array(JobDto), next_cursor }, { title: "JobPage" });

const tags = ["jobs"];

/** What is done later, or takes a while. */
export function jobRoutes(app: FastifyInstance, { jobs }: Pick<Core, "jobs">): void {
  app.get<{ Querystring: Static<typeof ListQuery> }>(
    "/v1/jobs",
    {
      schema: {
        tags,
        summary: "List jobs, newest first",
        querystring: ListQuery,
        response: { 200: JobPage },
      },
    },
    async (request, reply) => {
      const { limit, cursor, kind, status, key, user_id: user } = request.query;
      const filter = {
        ...(kind !== undefined && { kind }),
        ...(status !== undefined && { states: [status].flat() as JobState[] }),
        ...(key !== undefined && { key }),
        ...(user !== undefined && { user: canonicalUser(user) }),
      };
      const page = await jobs.list(filter, limit, cursorIn(cursor, inQuery));
      linkNextPage(request, reply, page.next);
      return { data: page.data.map(jobDto), ...nextCursor(page.next) };
    },
  );

  app.get<{ Params: { id: string } }>(
    "/v1/jobs/:id",
    {
      schema: {
        tags,
        summary: "Show a job with what it sends, and to whom",
        params: Id,
        response: { 200: JobRecordDto },
      },
    },
    async ({ params }) => jobRecordDto(await jobs.show(params.id.toLowerCase())),
  );

  app.delete<{ Params: { id: string } }>(
    "/v1/jobs/:id",
    {
      schema: {
        tags,
        summary: "Cancel a job",
        description:
          "The job stays, with the status `canceled`. A job with checkpoints that is running stops at the next one, and has `stopping` until then. 409: it already ran, or it is running and has no checkpoints.",
        params: Id,
        response: { 200: JobRecordDto },
      },
    },
    async ({ params }) => jobRecordDto(await jobs.cancel(params.id.toLowerCase())),
  );

  const summaries = { pause: "Pause a job", resume: "Go on with a paused job" };
  for (const action of ["pause", "resume"] as const)
    app.post<{ Params: { id: string } }>(
      `/v1/jobs/:id/${action}`,
      { schema: { tags, summary: summaries[action], params: Id, response: { 200: JobRecordDto } } },
      async ({ params }) => jobRecordDto(await jobs[action](params.id.toLowerCase())),
    );
}
