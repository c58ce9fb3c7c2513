import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { Type } from "typebox";
import type { Core } from "../../core/core.ts";
import type { Notifier } from "../../core/notify.ts";
import { directType } from "../../core/types.ts";
import { userInQuery } from "../auth.ts";
import { prepareErrorReply } from "../errors.ts";
import { IdempotencyHeaders, keyedRequest, markReplayed } from "../idempotency-key.ts";
import { hex24 } from "../patterns.ts";
import { ignoreBodies } from "../validation.ts";

const Hex24 = Type.String({ pattern: hex24 });
const Success = Type.Object({ success: Type.Literal(true) });
const Failure = Type.Object(
  {
    success: Type.Literal(false),
    error: Type.Object({
      code: Type.String(),
      message: Type.String(),
      details: Type.Optional(Type.Array(Type.Object({ pointer: Type.String(), detail: Type.String() }))),
    }),
  },
  { title: "InboxCompatibilityError" },
);
const failures = { "4xx": Failure, "5xx": Failure };

const ReadQuery = Type.Object({ user_id: Hex24, notification_id: Hex24 }, { additionalProperties: false });
const ListQuery = Type.Object(
  {
    user_id: Hex24,
    skip: Type.Integer({ minimum: 0, maximum: 1_000_000, default: 0 }),
    limit: Type.Integer({
      minimum: 0,
      maximum: 1_000,
      default: 10,
      description: "0 returns only the counts.",
    }),
  },
  { additionalProperties: false },
);
const Element = Type.Object({
  id: Type.String(),
  timestamp: Type.Integer({ description: "Unix seconds." }),
  is_new: Type.Boolean({ description: "True until read." }),
  user_id: Type.String(),
  key: Type.String(),
  target_id: Type.Optional(Type.String()),
  data: Type.Optional(Type.Object({}, { additionalProperties: true })),
});
const ListReply = Type.Object({
  success: Type.Literal(true),
  data: Type.Object({
    elements: Type.Integer({ description: "All notifications in the inbox." }),
    new: Type.Integer({ description: "Unread notifications." }),
    request: Type.Object({ user_id: Type.String(), skip: Type.Integer(), limit: Type.Integer() }),
    list: Type.Array(Element),
  }),
});

interface CreateBody {
  user_id: string;
  key: string;
  target_id?: string;
  data?: Record<string, unknown>;
}

/** `POST /create`, `GET /list`, `POST /read`: the contract of the oldest clients, on the same core as all routes. */
export async function inboxDialect(
  app: FastifyInstance,
  { registry, inbox, notify }: Pick<Core, "registry" | "inbox"> & Pick<Notifier, "notify">,
): Promise<void> {
  app.setErrorHandler((error: FastifyError, request: FastifyRequest, reply: FastifyReply) => {
    const { code, message, details } = prepareErrorReply(error, request, reply);
    return reply.send({ success: false, error: { code, message, ...(details.length > 0 && { details }) } });
  });

  const CreateRequest = Type.Object(
    {
      user_id: Hex24,
      key: Type.String({
        enum: registry.keys.filter((key) => key !== directType),
        description: "A notification type.",
      }),
      target_id: Type.Optional(Hex24),
      data: Type.Optional(
        Type.Object({}, { additionalProperties: true, description: "At most 8 KiB as JSON." }),
      ),
    },
    { additionalProperties: false },
  );
  const tags = ["Compatibility"];

  app.post<{ Body: CreateBody }>(
    "/create",
    {
      schema: {
        tags,
        summary: "Notify a user",
        headers: IdempotencyHeaders,
        body: CreateRequest,
        response: { 201: Success, ...failures },
      },
    },
    async (request, reply) => {
      const { user_id, key, target_id, data } = request.body;
      const command = {
        user: user_id.toLowerCase(),
        type: key,
        ...(target_id !== undefined && { targetId: target_id }),
        ...(data !== undefined && { data }),
      };
      const { replayed } = await notify(command, keyedRequest(request));
      markReplayed(reply, replayed);
      return reply.code(201).send({ success: true });
    },
  );

  app.get<{ Querystring: { user_id: string; skip: number; limit: number } }>(
    "/list",
    {
      config: { user: userInQuery("user_id") },
      schema: {
        tags,
        summary: "List a user's inbox",
        querystring: ListQuery,
        response: { 200: ListReply, ...failures },
      },
    },
    async (request) => {
      const { user_id, skip, limit } = request.query;
      const view = await inbox.page({ user: user_id.toLowerCase(), skip, limit });
      return {
        success: true as const,
        data: { elements: view.total, new: view.unread, request: { user_id, skip, limit }, list: view.items },
      };
    },
  );

  await app.register(async (read) => {
    ignoreBodies(read);
    read.post<{ Querystring: { user_id: string; notification_id: string } }>(
      "/read",
      {
        config: { user: userInQuery("user_id") },
        schema: {
          tags,
          summary: "Mark as read",
          querystring: ReadQuery,
          response: { 200: Success, ...failures },
        },
      },
      async (request) => {
        const { user_id, notification_id } = request.query;
        await inbox.change(user_id.toLowerCase(), notification_id.toLowerCase(), "read");
        return { success: true as const };
      },
    );
  });
}
