import { createHash, timingSafeEqual } from "node:crypto";
import type { FastifyInstance, FastifyRequest, onRequestHookHandler } from "fastify";
import type { Tokens } from "../core/tokens.ts";
import { BelfryError } from "../model/errors.ts";
import { canonicalUser } from "../model/user-id.ts";
import type { OriginRule } from "./origins.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** Answered without a key: health, docs, pages. */
    public?: boolean;
    /**
     * The user whose data the route is about: a token of that user opens it. Called after the request has been checked
     * against its schema, so it sees what the handler sees.
     */
    user?: (request: FastifyRequest) => string | undefined;
    /** The token of the user's preference page opens it, too. */
    preferenceLink?: boolean;
    /** Also takes the bearer as `?token=`, since a browser's EventSource sends no headers. */
    tokenInQuery?: boolean;
  }
  interface FastifyRequest {
    /** Null where no key is asked for. */
    access: Access | null;
  }
}

/** The access that a bearer gives. */
export interface Access {
  /** Only this user's data; absent: everything. */
  user?: string;
  /** Only the routes with `preferenceLink`. */
  preferencesOnly?: true;
  /** Unix milliseconds; from then on the bearer is refused. */
  expiresAt?: number;
}

export interface Authorizer {
  /** No key is configured, so none is asked for. */
  open: boolean;
  /** Rejects with `unauthorized`. */
  authenticate(bearer: string | undefined): Promise<Access>;
  /** Rejects with `unauthorized`, and with `forbidden` when the bearer is another user's token. */
  authorize(bearer: string | undefined, user: string): Promise<Access>;
}

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();

/**
 * A bearer is one of `apiKeys`, a user's token, or the token of a user's preference page. Without `apiKeys` everything is
 * open, with or without a token. `ofPreferenceLink`: the user of such a page's token; undefined for any other text.
 */
export function createAuthorizer(options: {
  apiKeys: string[];
  tokens: Pick<Tokens, "verify">;
  ofPreferenceLink: (bearer: string) => Promise<string | undefined>;
}): Authorizer {
  const known = options.apiKeys.map(digest);
  /** Compares digests of equal length, with every key each time, so that the time tells nothing. */
  const isKey = (bearer: string): boolean => {
    const offered = digest(bearer);
    let matches = false;
    for (const key of known) matches = timingSafeEqual(key, offered) || matches;
    return matches;
  };
  const authenticate = async (bearer = ""): Promise<Access> => {
    if (known.length === 0 || isKey(bearer)) return {};
    const user = await options.ofPreferenceLink(bearer);
    return user === undefined ? options.tokens.verify(bearer) : { user, preferencesOnly: true };
  };
  return {
    open: known.length === 0,
    authenticate,
    async authorize(bearer, user) {
      const access = await authenticate(bearer);
      if (access.preferencesOnly || !opens(access, user)) throw new BelfryError("forbidden");
      return access;
    },
  };
}

const isUnlimited = (access: Access): boolean => access.user === undefined;

const opens = (access: Access, user: string | undefined): boolean =>
  isUnlimited(access) || (user !== undefined && canonicalUser(user) === access.user);

/** The token of an `Authorization: Bearer <token>` header. */
export const bearerOf = (authorization: string | undefined): string | undefined =>
  /^Bearer +(\S+)$/i.exec(authorization ?? "")?.[1];

/** Guards every route that is not public: checks the bearer first, and later the user whose data the request is about. */
export function guardRoutes(app: FastifyInstance, authorizer: Authorizer): void {
  app.decorateRequest("access", null);
  if (authorizer.open) return;
  app.addHook("onRequest", async (request) => {
    const { public: open, user, tokenInQuery, preferenceLink } = request.routeOptions.config;
    if (open) return;
    const inQuery = tokenInQuery ? (request.query as { token?: unknown }).token : undefined;
    const bearer =
      bearerOf(request.headers.authorization) ?? (typeof inQuery === "string" ? inQuery : undefined);
    const access = await authorizer.authenticate(bearer);
    if (!isUnlimited(access) && !user) throw new BelfryError("forbidden");
    if (access.preferencesOnly && !preferenceLink) throw new BelfryError("forbidden");
    request.access = access;
  });
  app.addHook("preHandler", (request, _reply, done) => {
    const { access } = request;
    if (!access || opens(access, request.routeOptions.config.user?.(request))) done();
    else done(new BelfryError("forbidden"));
  });
}

/** For `config.user`: the user in the path, and the one in the query. */
export const userInPath =
  (name: string) =>
  (request: FastifyRequest): string =>
    String((request.params as Record<string, unknown>)[name]);
export const userInQuery =
  (name: string) =>
  (request: FastifyRequest): string =>
    String((request.query as Record<string, unknown>)[name]);

/**
 * A service that asks for no key could be changed by every page that a browser of this network shows: by a form, or a
 * `fetch` that needs no preflight. A browser names the page's origin whenever it changes something. Public routes have
 * defences of their own.
 */
export function refuseForeignPages(isAllowedOrigin: OriginRule): onRequestHookHandler {
  return ({ method, headers: { origin, host }, routeOptions }, _reply, done) => {
    if (harmless.has(method) || routeOptions.config.public || isAllowedOrigin(origin, host)) return done();
    const text = `Without API_KEYS pages of ${origin} may change nothing here: add the origin to ALLOWED_ORIGINS, or set API_KEYS.`;
    done(new BelfryError("foreign_host", text));
  };
}

const harmless = new Set(["GET", "HEAD", "OPTIONS"]);
