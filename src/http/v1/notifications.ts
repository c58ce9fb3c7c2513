import type { FastifyInstance } from "fastify";
import type { Static } from "typebox";
import { Type } from "typebox";
import type { Core } from "../../core/core.ts";
import { distinctUsers } from "../../core/distinct-users.ts";
import { DryRunDto } from "../../core/dry-run.ts";
import { ExplanationDto } from "../../core/explain.ts";
import type { Outcome } from "../../core/notify.ts";
import { iso, Time } from "../../model/schema.ts";
import { canonicalUser } from "../../model/user-id.ts";
import { IdempotencyHeaders, idempotencyKeyOf, markReplayed } from "../idempotency-key.ts";
import { time, when } from "./delivery-schemas.ts";
import { largeBody } from "./large-body.ts";
import { Exactly, Hex24, notificationFields, UserId } from "./schemas.ts";

const Reply = Type.Object(
  {
    notifications: Type.Array(
      Type.Object({
        user_id: Type.String(),
        id: Type.Optional(Type.String({ description: "The notification's id, if it was stored." })),
        replaced: Type.Optional(
          Type.Boolean({ description: "It has replaced an earlier notification, whose id this is." }),
        ),
        error: Type.Optional(Type.Object({ code: Type.String(), message: Type.String() })),
      }),
      { description: "One entry per recipient, in the order of the request." },
    ),
    job: Type.Optional(
      Type.Object(
        {
          id: Type.String(),
          due: Time("When it is sent."),
          past: Type.Boolean({ description: "`send_at` was past, so it is sent at once." }),
        },
        { title: "ScheduledJob", description: "The job that sends it, with `send_at` or `delay`." },
      ),
    ),
  },
  { title: "NotificationAnswer" },
);

const sendTimeFields = {
  send_at: Type.Optional(
    Type.Union([Type.String(time), Type.Integer({ minimum: 0 })], {
      description: `Sends it then, at most 366 days ahead; at once when the time is past. ${when}`,
    }),
  ),
  delay: Type.Optional(
    Type.String({
      maxLength: 16,
      description: "Sends it so much later, in place of `send_at`: a number and s, m, h, d or w, such as 2h.",
    }),
  ),
};

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
  {
    registry,
    sendMany,
    sendLater,
    sendTime,
    dryRun,
    explain,
  }: Pick<Core, "registry" | "sendMany" | "sendLater" | "sendTime" | "dryRun" | "explain">,
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
      ...sendTimeFields,
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
          "201: all notifications are stored. 202: they are sent later, by the `job` of the answer. 200: a dry run. 207: some are; the others have an `error`. If none could be stored for the same reason, the answer is that error.",
        headers: IdempotencyHeaders,
        querystring: Query,
        body: Body,
        response: { 200: DryRunDto, 201: Reply, 202: Reply, 207: Reply },
      },
    },
    async (request, reply) => {
      const { recipients, target_id: targetId, send_at, delay, ...rest } = request.body;
      const command = { ...rest, ...(targetId !== undefined && { targetId }) };
      const { recipients: users } = distinctUsers({ recipients });
      const written = { send_at, delay };
      const due = sendTime(written);
      if (request.query.dry_run) return reply.send(await dryRun(command, users, due));
      const key = idempotencyKeyOf(request);
      if (due !== undefined) {
        const { job, targets, ...later } = await sendLater(
          { notification: command, users, due, written },
          key,
        );
        markReplayed(reply, later.replayed);
        return reply.code(202).send({
          notifications: targets.map(onWire),
          job: { id: job, due: iso(later.due), past: later.past },
        });
      }
      const { outcomes, replayed } = await sendMany(command, users, key);
      markReplayed(reply, replayed);
      const failed = outcomes.flatMap(({ error }) => error ?? []);
      const [first] = failed;
      if (first && failed.length === outcomes.length && failed.every((one) => one.code === first.code))
        throw first;
      const defect = failed.find((one) => one.status >= 500);
      if (defect)
        request.log.error(
          { reqId: request.id, err: defect.cause ?? defect, code: defect.code },
          "some notifications were not stored",
        );
      return reply.code(first ? 207 : 201).send({ notifications: outcomes.map(onWire) });
    },
  );
}

const onWire = ({ user, id, error, replaced }: Outcome) => ({
  user_id: user,
  ...(error
    ? { error: { code: error.code, message: error.message } }
    : { id, ...(replaced && { replaced }) }),
});
