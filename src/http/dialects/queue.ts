import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { Type } from "typebox";
import { maxSmsCharacters } from "../../channels/index.ts";
import type { Core } from "../../core/core.ts";
import { directType } from "../../core/types.ts";
import { BelfryError, problemInText, sentenceOf } from "../../model/errors.ts";
import type { HistoryEntry } from "../../model/history.ts";
import { userInPath } from "../auth.ts";
import { invalidField, prepareErrorReply } from "../errors.ts";
import { IdempotencyHeaders, keyedRequest, markReplayed } from "../idempotency-key.ts";

/** The dialect's names for our channels. It has none for webhooks, so they are not shown. */
const channelOf = { "in-app": "inbox", sms: "sms", email: "email" } as const;
type Kind = keyof typeof channelOf;
const kinds = Object.keys(channelOf) as Kind[];

const statusOf: Record<HistoryEntry["state"], "pending" | "sent" | "failed"> = {
  pending: "pending",
  sending: "pending",
  sent: "sent",
  delivered: "sent",
  failed: "failed",
  skipped: "failed",
  canceled: "failed",
  uncertain: "failed",
  held: "pending",
  digested: "sent",
  recalled: "failed",
};

const maxCharacters = 10_000;
const Failure = Type.Object({ error: Type.String() }, { title: "QueueCompatibilityError" });
const failures = { "4xx": Failure, "5xx": Failure };
const UserId = Type.Integer({ minimum: -Number.MAX_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER });

const PostRequest = Type.Object(
  {
    user_id: UserId,
    notification_type: Type.String({ enum: kinds }),
    content: Type.String({
      minLength: 1,
      maxLength: maxCharacters,
      description: "SMS: at most 1,600 characters.",
    }),
  },
  { additionalProperties: false },
);
const Row = Type.Object({
  user_id: UserId,
  notification_type: Type.String({ enum: kinds }),
  content: Type.String(),
  status: Type.String({ enum: ["pending", "sent", "failed"] }),
  timestamp: Type.Object({ $date: Type.String({ description: "When the status last changed." }) }),
});

/** `POST /notifications` and `GET /users/{id}/notifications`: the contract of the old queue's clients. */
export async function queueDialect(
  app: FastifyInstance,
  { history, notify }: Pick<Core, "history" | "notify">,
): Promise<void> {
  // Its clients expect one text, so it names the fields too.
  app.setErrorHandler((error: FastifyError, request: FastifyRequest, reply: FastifyReply) => {
    const { message, details } = prepareErrorReply(error, request, reply);
    return reply.send({ error: [message, ...details.slice(1).map(sentenceOf)].join(" ") });
  });
  const tags = ["Compatibility"];

  app.post<{ Body: { user_id: number; notification_type: Kind; content: string } }>(
    "/notifications",
    {
      schema: {
        tags,
        summary: "Queue a notification for one channel",
        headers: IdempotencyHeaders,
        body: PostRequest,
        response: { 201: Type.Object({ message: Type.String(), id: Type.String() }), ...failures },
      },
    },
    async (request, reply) => {
      const { user_id, notification_type, content } = request.body;
      const problem = problemInText(content, "/content");
      if (problem) throw invalidField(problem.pointer, problem.detail);
      if (notification_type === "sms" && content.length > maxSmsCharacters)
        throw invalidField(
          "/content",
          `has ${content.length} characters; an SMS takes at most ${maxSmsCharacters}`,
        );
      const command = {
        user: String(user_id),
        type: directType,
        body: content,
        channels: [channelOf[notification_type]],
      };
      const { id, replayed } = await notify(command, keyedRequest(request));
      markReplayed(reply, replayed);
      return reply.code(201).send({ message: "Notification queued", id });
    },
  );

  app.get<{ Params: { id: number } }>(
    "/users/:id/notifications",
    {
      config: { user: userInPath("id") },
      schema: {
        tags,
        summary: "List a user's notifications with their current status, newest first",
        params: Type.Object({ id: UserId }),
        response: { 200: Type.Object({ data: Type.Array(Row) }), ...failures },
      },
    },
    async (request) => {
      const { id } = request.params;
      const entries = await history(String(id));
      const data = entries.flatMap(({ channel, content, state, changedAt }) => {
        const kind = kinds.find((one) => channelOf[one] === channel);
        if (!kind) return [];
        const timestamp = { $date: new Date(changedAt).toISOString() };
        return [{ user_id: id, notification_type: kind, content, status: statusOf[state], timestamp }];
      });
      if (data.length === 0)
        throw new BelfryError("invalid_request", `No notifications for user_id: ${id} found.`);
      return { data };
    },
  );
}
