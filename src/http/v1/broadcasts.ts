import type { FastifyInstance } from "fastify";
import { type Static, Type } from "typebox";
import { AudienceBody } from "../../core/audience.ts";
import {
  BroadcastDetailsDto,
  BroadcastDto,
  BroadcastPreviewDto,
  broadcastDetailsDto,
  broadcastDto,
} from "../../core/broadcast-dto.ts";
import type { Core } from "../../core/core.ts";
import { type JobState, jobStates } from "../../model/job.ts";
import { canonicalUser, idPattern, maxIdCharacters } from "../../model/user-id.ts";
import { markReplayed } from "../idempotency-key.ts";
import { cursorIn, inQuery, linkNextPage, nextCursor } from "../next-page.ts";
import { Id, next_cursor } from "./delivery-schemas.ts";
import { largeBody } from "./large-body.ts";
import { Exactly, Hex24, notificationFields, UserId } from "./schemas.ts";

const State = Type.String({ enum: [...jobStates] });
const Key = Type.String({ minLength: 1, maxLength: maxIdCharacters, pattern: idPattern });
const Query = Exactly({
  dry_run: Type.Boolean({
    default: false,
    description:
      "Writes nothing. Answers how many users there are, and what would happen to the first 20 of them.",
  }),
});
const ListQuery = Exactly({
  status: Type.Optional(
    Type.Union([State, Type.Array(State, { maxItems: jobStates.length })], {
      description: "One state, or several: repeat the parameter.",
    }),
  ),
  key: Type.Optional(Key),
  limit: Type.Integer({ minimum: 1, maximum: 100, default: 20 }),
  cursor: Type.Optional(
    Type.String({
      maxLength: 512,
      description: "`next_cursor` of the previous page, with the same filters.",
    }),
  ),
});
const BroadcastPage = Type.Object(
  { data: Type.Array(BroadcastDto), next_cursor },
  { title: "BroadcastPage" },
);

const tags = ["broadcasts"];
const path = "/v1/broadcasts";

const changes = {
  pause: "Pause a broadcast",
  resume: "Go on with a paused broadcast",
  cancel: "Cancel a broadcast",
} as const;

/** One notification to many users: sent in the background, page by page. Needs an API key. */
export function broadcastRoutes(
  app: FastifyInstance,
  { registry, broadcasts }: Pick<Core, "registry" | "broadcasts">,
): void {
  // A page that is repeated after a crash would replace what it sent before.
  const { replace: _, ...content } = notificationFields(registry.keys);
  const Body = Exactly(
    {
      notification: Exactly(
        { ...content, target_id: Type.Optional(Hex24) },
        { title: "NotificationContent" },
      ),
      to: AudienceBody,
      actor_id: Type.Optional(
        Type.Unsafe<string>({ ...UserId, description: "Left out, such as who wrote the comment." }),
      ),
      key: Type.Optional(
        Type.Unsafe<string>({
          ...Key,
          description: "A name of your own: a repeated request with the same key finds the same broadcast.",
        }),
      ),
    },
    { title: "BroadcastBody" },
  );

  app.post<{ Body: Static<typeof Body>; Querystring: Static<typeof Query> }>(
    path,
    {
      ...largeBody(2),
      schema: {
        tags,
        summary: "Notify many users",
        description:
          "201: the broadcast is stored, and goes out in the background. With `Idempotent-Replayed: true` an equal request with this `key` came before. 200: a dry run.",
        querystring: Query,
        body: Body,
        response: { 200: BroadcastPreviewDto, 201: BroadcastDetailsDto },
      },
    },
    async (request, reply) => {
      const { notification, to, actor_id: actor, key } = request.body;
      const { target_id: targetId, ...rest } = notification;
      const wanted = {
        notification: { ...rest, ...(targetId !== undefined && { targetId }) },
        to,
        ...(actor !== undefined && { actor: canonicalUser(actor) }),
        ...(key !== undefined && { key }),
      };
      if (request.query.dry_run) return reply.send(await broadcasts.preview(wanted));
      const { broadcast, created } = await broadcasts.create(wanted);
      markReplayed(reply, !created);
      return reply.code(201).send(broadcastDetailsDto(broadcast));
    },
  );

  app.get<{ Querystring: Static<typeof ListQuery> }>(
    path,
    {
      schema: {
        tags,
        summary: "List broadcasts, newest first",
        querystring: ListQuery,
        response: { 200: BroadcastPage },
      },
    },
    async (request, reply) => {
      const { limit, cursor, status, key } = request.query;
      const filter = {
        ...(status !== undefined && { states: [status].flat() as JobState[] }),
        ...(key !== undefined && { key }),
      };
      const page = await broadcasts.list(filter, limit, cursorIn(cursor, inQuery));
      linkNextPage(request, reply, page.next);
      return { data: page.data.map(broadcastDto), ...nextCursor(page.next) };
    },
  );

  app.get<{ Params: { id: string } }>(
    `${path}/:id`,
    {
      schema: {
        tags,
        summary: "Show a broadcast, with its progress",
        params: Id,
        response: { 200: BroadcastDetailsDto },
      },
    },
    async ({ params }) => broadcastDetailsDto(await broadcasts.show(params.id.toLowerCase())),
  );

  for (const [change, summary] of Object.entries(changes) as Array<[keyof typeof changes, string]>)
    app.post<{ Params: { id: string } }>(
      `${path}/:id/${change}`,
      {
        config: { bodyOptional: true },
        schema: {
          tags,
          summary,
          ...(change !== "resume" && {
            description:
              "One that is running ends with the page that is under way, and has `stopping` until then.",
          }),
          params: Id,
          response: { 200: BroadcastDetailsDto },
        },
      },
      async ({ params }) => broadcastDetailsDto(await broadcasts[change](params.id.toLowerCase())),
    );
}
