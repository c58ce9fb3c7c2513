import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { type Static, Type } from "typebox";
import type { Core } from "../../core/core.ts";
import { directType } from "../../core/types.ts";
import { BelfryError, problemInText } from "../../model/errors.ts";
import { canonicalUser } from "../../model/user-id.ts";
import { userInPath } from "../auth.ts";
import { invalidField, prepareErrorReply } from "../errors.ts";
import { IdempotencyHeaders, keyedRequest, markReplayed } from "../idempotency-key.ts";
import { UserId } from "../v1/schemas.ts";
import { ignoreBodies } from "../validation.ts";
import { type Identifier, identifiers, notificationOnWire, readNotificationId } from "./live-wire.ts";

const Nullable = <T extends string>(values: readonly T[]) =>
  Type.Union([Type.String({ enum: [...values] }), Type.Null()]);

const PostRequest = Type.Object(
  {
    title: Type.String({ minLength: 1, maxLength: 1_000 }),
    description: Type.Optional(Type.String({ maxLength: 10_000 })),
    receiver_user_id: UserId,
    identifier: Type.Optional(Type.Unsafe<Identifier>(Type.String({ enum: [...identifiers] }))),
  },
  { additionalProperties: false },
);
export const Notification = Type.Object({
  notification_id: Type.String(),
  title: Type.String(),
  description: Type.Union([Type.String(), Type.Null()]),
  receiver_user_id: Type.String(),
  identifier: Nullable(identifiers),
  read_status: Type.String({ enum: ["unread", "read"] }),
  created_at: Type.Integer({ description: "Unix seconds." }),
  updated_at: Type.Integer({ description: "Unix seconds." }),
});
const ListQuery = Type.Object(
  {
    skip: Type.Integer({
      minimum: 0,
      maximum: 1_000_000,
      default: 0,
      description: "How many notifications to skip.",
    }),
    limit: Type.Integer({ minimum: 1, maximum: 1_000, default: 10 }),
  },
  { additionalProperties: false },
);
const ReadQuery = Type.Object(
  { notification_id: Type.String({ description: "A `notification_id` from an earlier response." }) },
  { additionalProperties: false },
);
const Failure = Type.Object(
  {
    message: Type.String(),
    code: Type.String(),
    details: Type.Optional(Type.Array(Type.Object({ pointer: Type.String(), detail: Type.String() }))),
  },
  { title: "LiveCompatibilityError" },
);
const failures = { "4xx": Failure, "5xx": Failure };

/** `/notification…`: the contract of the live service's clients. Their socket is in `http/live`. */
export async function liveDialect(
  app: FastifyInstance,
  { inbox, notify }: Pick<Core, "inbox" | "notify">,
): Promise<void> {
  app.setErrorHandler((error: FastifyError, request: FastifyRequest, reply: FastifyReply) => {
    const { code, message, details } = prepareErrorReply(error, request, reply);
    return reply.send({ message, code, ...(details.length > 0 && { details }) });
  });
  const tags = ["Compatibility"];

  // Clients call it with and without the trailing slash.
  for (const path of ["/notification/", "/notification"])
    app.post<{ Body: Static<typeof PostRequest> }>(
      path,
      {
        schema: {
          tags,
          summary: "Notify a user",
          hide: path === "/notification",
          headers: IdempotencyHeaders,
          body: PostRequest,
          response: { 201: Type.Object({ message: Type.String(), data: Notification }), ...failures },
        },
      },
      async (request, reply) => {
        const { title, description, receiver_user_id, identifier } = request.body;
        const problem = problemInText(description ?? "", "/description");
        if (problem) throw invalidField(problem.pointer, problem.detail);
        const user_id = canonicalUser(receiver_user_id);
        const key = identifier ?? directType;
        const command = {
          user: user_id,
          type: key,
          title,
          ...(description !== undefined && { body: description }),
          // A text without an identifier stays in the inbox.
          ...(identifier === undefined && { channels: ["inbox"] as const }),
        };
        const { id, timestamp, replayed } = await notify(command, keyedRequest(request));
        markReplayed(reply, replayed);
        const data = notificationOnWire({
          ...{ id, user_id, key, title, is_new: true, timestamp, changed: timestamp },
          ...(description !== undefined && { body: description }),
        });
        return reply.code(201).send({ message: "new notification created", data });
      },
    );

  app.get<{ Params: { receiver_user_id: string }; Querystring: { skip: number; limit: number } }>(
    "/notification/:receiver_user_id",
    {
      config: { user: userInPath("receiver_user_id") },
      schema: {
        tags,
        summary: "List a user's inbox, newest first",
        params: Type.Object({ receiver_user_id: UserId }),
        querystring: ListQuery,
        response: {
          200: Type.Object({ message: Type.String(), data: Type.Array(Notification) }),
          ...failures,
        },
      },
    },
    async (request) => {
      const user = canonicalUser(request.params.receiver_user_id);
      const { items } = await inbox.read({ user, ...request.query });
      return { message: "list of notifications", data: items.map(notificationOnWire) };
    },
  );

  await app.register(async (read) => {
    ignoreBodies(read);
    read.patch<{ Querystring: { notification_id: string } }>(
      "/notification/read",
      {
        // An id without a user belongs to nobody, so any caller may ask for it.
        config: { user: (request) => idIn(request)?.user ?? request.access?.user },
        schema: {
          tags,
          summary: "Mark as read",
          description: "`success` is false for an unknown id.",
          querystring: ReadQuery,
          response: { 200: Type.Object({ success: Type.Boolean() }), ...failures },
        },
      },
      async (request) => {
        const named = idIn(request);
        if (!named) return { success: false };
        try {
          await inbox.change(named.user, named.id, "read");
          return { success: true };
        } catch (error) {
          if (error instanceof BelfryError && error.code === "not_found") return { success: false };
          throw error;
        }
      },
    );
  });
}

const idIn = (request: FastifyRequest) =>
  readNotificationId((request.query as { notification_id: string }).notification_id);
