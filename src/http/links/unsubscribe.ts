import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Core } from "../../core/core.ts";
import type { Subscription } from "../../core/unsubscribe.ts";
import { type Choice, choiceFrom } from "../../model/preferences.ts";
import type { LinkRouteParts } from "./index.ts";
import { html } from "./page.ts";
import type { Texts } from "./texts.ts";

type Params = { Params: { token: string }; Body: URLSearchParams | null };

const path = "/u/:token";

/**
 * The page of `List-Unsubscribe` (RFC 2369, RFC 8058). `GET` changes nothing, since mail scanners follow every link. `POST`
 * acts at once and answers without a redirect: mail programs send it on their own, with the body
 * `List-Unsubscribe=One-Click`. Any other body does the same, except that of the page's own button `undo`.
 */
export function unsubscribeRoutes(
  app: FastifyInstance,
  { links, pages, countChange, unsubscribe }: LinkRouteParts & { unsubscribe: Core["unsubscribe"] },
): void {
  const options = { config: { public: true }, schema: { hide: true } };

  app.get<Params>(path, options, async (request, reply) => {
    const link = linkOf(request);
    const found = link && (await unsubscribe.show(link));
    if (!link || !found) return pages.invalid(request, reply);
    return show(request, reply, link.user, found, found.value === false ? "off" : "ask");
  });

  app.post<Params>(path, options, async (request, reply) => {
    const link = linkOf(request);
    if (!link) return pages.invalid(request, reply);
    countChange(link.user);
    const value = choiceFrom(request.body?.get("undo")) ?? false;
    const found = await unsubscribe.choose(link, value);
    if (!found) return pages.invalid(request, reply);
    if (found.locked) reply.code(409);
    return show(request, reply, link.user, found, value === false ? "off" : "on");
  });

  function linkOf({ params }: FastifyRequest<Params>) {
    const link = links.read(params.token);
    return link?.purpose === "unsubscribe" ? link : undefined;
  }

  function show(
    request: FastifyRequest,
    reply: FastifyReply,
    user: string,
    { label, value, locked, locale }: Subscription,
    state: keyof typeof buttons,
  ): FastifyReply {
    return pages.show(request, reply, locale, (language) => {
      const { texts } = language;
      const { title, text } = texts[locked ? "locked" : state];
      return {
        title,
        // The link is relative, so it works below any path.
        body: html`<p>${text.replace("{name}", () => language.label(label))}</p>
${locked ? undefined : buttons[state](texts, value)}
<p><a href="../p/${links.preferencesToken(user)}">${texts.preferences}</a></p>`,
      };
    });
  }
}

const buttons = {
  ask: ({ unsubscribe }: Texts) =>
    html`<form method="post"><button name="List-Unsubscribe" value="One-Click">${unsubscribe}</button></form>`,
  /** Brings back the choice before this one, such as a rhythm. */
  off: ({ undo }: Texts, before: Choice) =>
    html`<form method="post"><button class="quiet" name="undo" value="${String(before || true)}">${undo}</button></form>`,
  on: () => undefined,
};
