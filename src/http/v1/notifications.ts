import type { FastifyInstance } from "fastify";
import type { Static } from "typebox";
import { Type } from "typebox";
import type { Core } from "../../core/core.ts";
import { distinctUsers } from "../../core/distinct-users.ts";
import { DryRunDto } from "../../core/dry-run.ts";
import { ExplanationDto } from "../../core/explain.ts";
import type { Outcome } from "../../core/notify.ts";
import { canonicalUser } from "../../model/user-id.ts";
import { IdempotencyHeaders, idempotencyKeyOf, markReplayed } from "../idempotency-key.ts";
import { largeBody } from "./large-body.ts";
import { Exactly, Hex24, notificationFields, UserId } from "./schemas.ts";

const Reply = Type.Object(
  {
    notifications: Type.Array(
      Type.Object({
        user_id: Type.String(),
        id: Type.Optional(Type.String({ description: "The notification's id, if it was stored." })),
        error: Type.Optional(Type.Object({ code: Type.String(), message: Type.String() })),
      }),
      { description: "One entry per recipient, in the order of the request." },
    ),
  },
  { title: "NotificationAnswer" },
);

const Query = Exactly({
  dry_run: Type.Boolean({
    default: false,
    description:
      "Writes nothing, and answers what would happen to each recipient on each channel, when, and by which rule.",
  }),
});
const Path = Exactly({ id: Hex24 });
const OfUser = Exactly({
  user_id: Type.Optional(
    Type.Unsafe<string>({
      ...UserId,
      description: "Whose it is. Without it a notification that has no delivery is searched in all inboxes.",
    }),
  ),
});

/** `/v1/notifications`: one notification for each of up to 1,000 users, and the story of one. Needs an API key. */
export function notificationRoutes(
  app: FastifyInstance,
  { registry, sendMany, dryRun, explain }: Pick<Core, "registry" | "sendMany" | "dryRun" | "explain">,
): void {
  const Body = Exactly(
    {
      recipients: Type.Array(UserId, {
        minItems: 1,
        maxItems: 1_000,
        description: "Users to notify, each once.",
      }),
      ...notificationFields(registry.keys),
      target_id: Type.Optional(Hex24),
    },
    { title: "NotificationBody" },
  );

  app.get<{ Params: Static<typeof Path>; Querystring: Static<typeof OfUser> }>(
    "/v1/notifications/:id",
    {
      schema: {
        tags: ["notifications"],
        summary: "Explain a notification: what became of it, and why",
        description:
          "The user's inbox item, each delivery with its decisions and attempts, and all of it in order.",
        params: Path,
        querystring: OfUser,
        response: { 200: ExplanationDto },
      },
    },
    async ({ params, query: { user_id: user } }) =>
      explain(params.id.toLowerCase(), user === undefined ? undefined : canonicalUser(user)),
  );

  app.post<{ Body: Static<typeof Body>; Querystring: Static<typeof Query> }>(
    "/v1/notifications",
    {
      ...largeBody(1),
      schema: {
        tags: ["notifications"],
        summary: "Notify one or many users",
        description:
          "201: all notifications are stored. 200: a dry run. 207: some are; the others have an `error`. If none could be stored for the same reason, the answer is that error.",
        headers: IdempotencyHeaders,
        querystring: Query,
        body: Body,
        response: { 200: DryRunDto, 201: Reply, 207: Reply },
      },
    },
    async (request, reply) => {
      const { recipients, target_id: targetId, ...rest } = request.body;
      const command = { ...rest, ...(targetId !== undefined && { targetId }) };
      const { recipients: users } = distinctUsers({ recipients });
      if (request.query.dry_run) return reply.send(await dryRun(command, users));
      const { outcomes, replayed } = await sendMany(command, users, idempotencyKeyOf(request));
      markReplayed(reply, replayed);
      const failed = outcomes.flatMap(({ error }) => error ?? []);
      const [first] = failed;
      if (first && failed.length === outcomes.length && failed.every((one) => one.code === first.code))
        throw first;
      const defect = failed.find((one) => one.status >= 500);
      if (defect)
        request.log.error(
          { err: defect.cause ?? defect, code: defect.code },
          "some notifications were not stored",
        );
      return reply.code(first ? 207 : 201).send({ notifications: outcomes.map(onWire) });
    },
  );
}

const onWire = ({ user, id, error }: Outcome) => ({
  user_id: user,
  ...(error ? { error: { code: error.code, message: error.message } } : { id }),
});
