import type { FastifyInstance } from "fastify";
import type { Static } from "typebox";
import { Type } from "typebox";
import type { Core } from "../../core/core.ts";
import type { Profiles } from "../../core/profile.ts";
import type { Profile } from "../../model/profile.ts";
import { canonicalUser } from "../../model/user-id.ts";
import { ignoreBodies } from "../validation.ts";
import * as schemas from "./schemas.ts";

type Params = { Params: { id: string } };

const tags = ["users"];
const path = "/v1/users/:id";

/** A user's addresses, and erasing a user. Needs an API key. */
export async function userRoutes(
  app: FastifyInstance,
  profiles: Profiles,
  { erase }: Pick<Core, "erase">,
): Promise<void> {
  const params = schemas.UserPath;
  const response = { 200: schemas.ProfileReply };
  const written = { ...response, 201: schemas.ProfileReply };

  app.get<Params>(
    path,
    { schema: { tags, summary: "Show a user's profile", params, response } },
    async (request) => {
      const user = canonicalUser(request.params.id);
      return onWire(user, await profiles.show(user));
    },
  );

  app.put<Params & { Body: Static<typeof schemas.PutProfile> }>(
    path,
    {
      schema: {
        tags,
        summary: "Replace a user's profile, or create the user",
        description:
          "Removes fields that the body does not have. Other fields of the user's document are not changed.",
        params,
        body: schemas.PutProfile,
        response: written,
      },
    },
    async (request, reply) => {
      const user = canonicalUser(request.params.id);
      const { profile, created, webhookSecret } = await profiles.replace(user, request.body);
      return reply.code(created ? 201 : 200).send(onWire(user, profile, webhookSecret));
    },
  );

  app.patch<Params & { Body: Static<typeof schemas.PatchProfile> }>(
    path,
    {
      schema: {
        tags,
        summary: "Change a user's profile, or create the user",
        description:
          "Keeps fields that the body does not have; null removes a field. A webhook is replaced as a whole.",
        params,
        body: schemas.PatchProfile,
        response: written,
      },
    },
    async (request, reply) => {
      const user = canonicalUser(request.params.id);
      const { profile, created, webhookSecret } = await profiles.merge(user, request.body);
      return reply.code(created ? 201 : 200).send(onWire(user, profile, webhookSecret));
    },
  );

  await app.register(async (own) => {
    ignoreBodies(own);
    own.delete<Params>(
      path,
      {
        schema: {
          tags,
          summary: "Erase a user",
          description:
            "Deletes the profile, inbox, subscriptions and captured messages. Finished deliveries stay in the counts, without user, content " +
            "and provider answers; waiting deliveries are canceled. Other fields of the user's document are kept. Can be repeated.",
          params,
          response: { 204: Type.Null() },
        },
      },
      async (request, reply) => {
        await erase(canonicalUser(request.params.id));
        return reply.code(204).send();
      },
    );
  });
}

/** Without the secrets and the headers' values. */
function webhookOnWire({ url, headers, failingSince, disabled }: NonNullable<Profile["webhook"]>) {
  return {
    url,
    ...(headers && { header_names: Object.keys(headers) }),
    ...(failingSince && { failing_since: failingSince.toISOString() }),
    ...(disabled && { disabled: { since: disabled.since.toISOString(), reason: disabled.reason } }),
  };
}

/** Without secrets, but for the one that was made for this very request. */
function onWire(id: string, { timeZone, webhook, ...rest }: Profile, madeSecret?: string) {
  return {
    id,
    ...rest,
    ...(timeZone !== undefined && { time_zone: timeZone }),
    ...(webhook && { webhook: { ...webhookOnWire(webhook), ...(madeSecret && { secrets: [madeSecret] }) } }),
  };
}
