import type { FastifyInstance } from "fastify";
import { type Static, Type } from "typebox";
import type { Core } from "../../core/core.ts";
import { RecallDto } from "../../core/recall.ts";
import { largeBody } from "./large-body.ts";
import { CallerKey, Exactly, Hex24, UserId } from "./schemas.ts";

export const RecallBody = Exactly(
  {
    id: Type.Optional(Type.Unsafe<string>({ ...Hex24, description: "The notification's id." })),
    key: Type.Optional(
      Type.Unsafe<string>({
        ...CallerKey,
        description: "In place of `id`: all notifications of the user that were sent with this `key`.",
      }),
    ),
    user_id: Type.Optional(
      Type.Unsafe<string>({
        ...UserId,
        description: "Whose it is. Needed with `key`. Without it Belfry searches for the user of the `id`.",
      }),
    ),
    user_ids: Type.Optional(
      Type.Array(UserId, { minItems: 1, maxItems: 1_000, description: "Several users, each once." }),
    ),
  },
  { title: "RecallBody" },
);

/** `POST /v1/notifications/recall`. Needs an API key. */
export function recallRoutes(app: FastifyInstance, { recall }: Pick<Core, "recall">): void {
  app.post<{ Body: Static<typeof RecallBody> }>(
    "/v1/notifications/recall",
    {
      ...largeBody(1),
      schema: {
        tags: ["notifications"],
        summary: "Take a notification back",
        description:
          "Removes it from the inbox, on every open page at once, and stops what has not been sent. The answer tells what it came to on each channel. It may be repeated, with the same receipts.",
        body: RecallBody,
        response: { 200: RecallDto },
      },
    },
    async ({ body: { user_id: user, user_ids: users, ...name } }) =>
      recall(
        { ...name, ...(user !== undefined && { user }), ...(users && { users }) },
        { user: "user_id", users: "user_ids" },
      ),
  );
}
