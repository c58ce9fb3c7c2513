import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Core } from "../../core/core.ts";
import type { Links } from "../../core/links.ts";
import type { Store } from "../../store/index.ts";
import { prepareErrorReply } from "../errors.ts";
import { createChangeLimit } from "./change-limit.ts";
import { createPageFrame, html, type Page } from "./page.ts";
import { preferencePageRoutes } from "./preference-page.ts";
import { type Language, languageFor, type Texts } from "./texts.ts";
import { unsubscribeRoutes } from "./unsubscribe.ts";

export interface LinkParts {
  links: Links;
  core: Pick<Core, "unsubscribe" | "preferences">;
  store: Pick<Store, "serverNow">;
}

/** The parts of the routes of each purpose. */
export interface LinkRouteParts {
  links: Links;
  pages: LinkPages;
  /** Throws `overloaded`. */
  countChange: (user: string) => void;
}

/** The pages that links in messages lead to. The token in the path replaces the API key. */
export async function linkRoutes(app: FastifyInstance, { links, core, store }: LinkParts): Promise<void> {
  await app.register(async (own) => {
    // A form, or whatever a mail program sends: it is never refused for its type.
    own.removeAllContentTypeParsers();
    own.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, done) =>
      done(null, new URLSearchParams(body.toString())),
    );
    const pages = createLinkPages();
    own.setErrorHandler((error: Error, request, reply) => {
      prepareErrorReply(error, request, reply);
      return pages.show(request, reply, undefined, ({ texts }) => messageOf(texts.failed));
    });
    const countChange = createChangeLimit(store.serverNow);
    unsubscribeRoutes(own, { links, pages, countChange, unsubscribe: core.unsubscribe });
    preferencePageRoutes(own, { links, pages, countChange, core });
  });
}

const messageOf = ({ title, text }: Texts["failed"]) => ({ title, body: html`<p>${text}</p>` });

function createLinkPages() {
  const frame = createPageFrame();
  const pages = {
    /** In the user's language, or that of the browser. */
    show(
      request: FastifyRequest,
      reply: FastifyReply,
      locale: string | undefined,
      make: (language: Language) => Omit<Page, "language">,
    ): FastifyReply {
      const language = languageFor(locale, request.headers["accept-language"]);
      return frame(reply, { language: language.tag, ...make(language) });
    },
    /** The same for every token that opens nothing: altered, cut off, of a removed secret, of an unknown or erased user. */
    invalid: (request: FastifyRequest, reply: FastifyReply): FastifyReply =>
      pages.show(request, reply.code(404), undefined, ({ texts }) => messageOf(texts.invalid)),
  };
  return pages;
}

export type LinkPages = ReturnType<typeof createLinkPages>;
