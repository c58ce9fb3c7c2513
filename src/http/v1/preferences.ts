import type { FastifyInstance } from "fastify";
import {
  PreferencesAnswer,
  PreferencesBody,
  type PreferencesPatch,
  PreferencesPatchBody,
} from "../../core/preference-schemas.ts";
import type { PreferenceService } from "../../core/preferences.ts";
import type { Preferences } from "../../model/preferences.ts";
import { canonicalUser } from "../../model/user-id.ts";
import { userInPath } from "../auth.ts";
import { UserPath } from "./schemas.ts";

type Params = { Params: { id: string } };

const path = "/v1/users/:id/preferences";

/** What a user wants, by category, type, channel and topic. Users may change their own. */
export function preferenceRoutes(app: FastifyInstance, preferences: PreferenceService): void {
  const common = { tags: ["preferences"], params: UserPath, response: { 200: PreferencesAnswer } };
  const config = { user: userInPath("id") };
  const onPage = { ...config, preferenceLink: true };

  app.get<Params>(
    path,
    {
      config: onPage,
      schema: { ...common, summary: "Show a user's preferences, and what follows from them" },
    },
    ({ params }) => preferences.show(canonicalUser(params.id)),
  );

  app.patch<Params & { Body: PreferencesPatch }>(
    path,
    {
      config: onPage,
      schema: {
        ...common,
        summary: "Change some of a user's preferences",
        description: "A JSON merge patch (RFC 7396): null removes a choice. Creates the user if necessary.",
        body: PreferencesPatchBody,
      },
    },
    ({ params, body }) => preferences.merge(canonicalUser(params.id), body),
  );

  app.put<Params & { Body: Preferences }>(
    path,
    {
      config,
      schema: {
        ...common,
        summary: "Replace a user's preferences",
        description: "Removes choices that the body does not have. Creates the user if necessary.",
        body: PreferencesBody,
      },
    },
    ({ params, body }) => preferences.replace(canonicalUser(params.id), body),
  );
}
