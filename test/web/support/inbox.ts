import { afterAll, beforeEach, expect, onTestFinished } from "vitest";
import { createTokens } from "../../../src/core/tokens.ts";
import { createBelfry } from "../../../src/library.ts";
import { complaintsOf, freshBrowser } from "../../support/browser.ts";
import { freshDatabase } from "../../support/database.ts";
import { startSite } from "./site.ts";
import { tagOn } from "./tag.ts";

const secret = "s".repeat(32);

/** A database, a browser, and before each test a user whom nobody has told anything yet. Call at the top of the file. */
export function inboxes() {
  const { uri, client, db } = freshDatabase();
  const browser = freshBrowser();
  const belfry = createBelfry({ client });
  afterAll(() => belfry.close());
  let user = "";
  let users = 0;
  beforeEach(() => {
    user = `ann-${users++}`;
  });

  /** A user's token, made at `now`. */
  const sign = async (whose = user, now: () => number = Date.now) =>
    (await createTokens({ secrets: [secret], ttlSeconds: 900, now }).sign(whose)).token;

  return {
    client,
    db,
    browser,
    belfry,
    /** Of a service that wants to know who asks. */
    variables: {
      DB_URI: uri,
      API_KEYS: "key-of-sixteen-characters",
      TOKEN_SECRET: secret,
      ALLOWED_ORIGINS: "*",
    },
    user: () => user,
    sign,
    notify: async (
      title: string | undefined,
      more: { type?: string; body?: string; data?: Record<string, unknown> } = {},
    ) =>
      (await belfry.notify({ user, type: "new_message", ...(title !== undefined && { title }), ...more })).id,
    stored: () => belfry.inbox.list({ user, limit: 1_000, archived: "any" }),
    /**
     * A page elsewhere with the tag of that service, not gone to yet. `attributes` beside `user` and `token`; `body`: what is
     * made of the tag's HTML; `script`: the page's own.
     */
    async visit(
      service: string,
      given: {
        attributes?: Record<string, string | undefined>;
        body?: (tag: string) => string;
        script?: string;
        /** In place of the service's `/inbox.js`. */
        module?: string;
        context?: Parameters<typeof browser.context>[0];
      } = {},
    ) {
      const { body = (tag: string) => tag, script, module } = given;
      const attributes = { user, token: await sign(), ...given.attributes };
      const inbox = given.attributes?.server;
      const site = await startSite(service, { token: sign, ...(inbox && { inbox }) });
      const written = Object.entries(attributes).flatMap(([name, value]) =>
        value === undefined ? [] : [`${name}="${value.replaceAll("&", "&amp;").replaceAll('"', "&quot;")}"`],
      );
      site.shows(body(`<belfry-inbox ${written.join(" ")}></belfry-inbox>`), script, module);
      const context = await browser.context(given.context);
      const page = await context.newPage();
      onTestFinished(() => expect(complaintsOf(page)).toEqual([]));
      return { site, context, page, tag: tagOn(page), go: () => page.goto(site.url) };
    },
  };
}
