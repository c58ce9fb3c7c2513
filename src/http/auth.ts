import { createHash, timingSafeEqual } from "node:crypto";
import type { FastifyInstance, FastifyRequest, onRequestHookHandler } from "fastify";
import type { Tokens } from "../core/tokens.ts";
import { BelfryError } from "../model/errors.ts";
import { canonicalUser } from "../model/user-id.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** Health and docs: answered without a key. */
    public?: boolean;
    /**
     * Whose data this is about: a token of that user opens the route. Asked after the request has been checked against its
     * schema, so that it sees what the handler sees.
     */
    user?: (request: FastifyRequest) => string | undefined;
    /** Takes the bearer as `?token=`, too, since a browser's EventSource sends no headers. */
    tokenInQuery?: boolean;
  }
  interface FastifyRequest {
    /** Absent where nobody is asked. */
    access: Access | null;
  }
}

/** What a bearer opens. */
export interface Access {
  /** This user's data alone; absent: everything. */
  user?: string;
  /** Unix milliseconds; from then on it must be asked for again. */
  expiresAt?: number;
}

export interface Authorizer {
  /** Nobody is asked for anything. */
  open: boolean;
  /** Rejects with `unauthorized`. */
  authenticate(bearer: string | undefined): Promise<Access>;
  /** Rejects with `unauthorized`, and with `forbidden` when the bearer is another user's token. */
  authorize(bearer: string | undefined, user: string): Promise<Access>;
}

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();

/** A bearer is one of `apiKeys` or a user's token. Without `apiKeys` everything is open, whoever has tokens. */
export function createAuthorizer(options: { apiKeys: string[]; tokens: Pick<Tokens, "verify"> }): Authorizer {
  const known = options.apiKeys.map(digest);
  /** Compares digests of equal length, every key each time. */
  const isKey = (bearer: string): boolean => {
    const offered = digest(bearer);
    let matches = false;
    for (const key of known) matches = timingSafeEqual(key, offered) || matches;
    return matches;
  };
  const authenticate = async (bearer = ""): Promise<Access> => {
    if (known.length === 0 || isKey(bearer)) return {};
    return options.tokens.verify(bearer);
  };
  return {
    open: known.length === 0,
    authenticate,
    async authorize(bearer, user) {
      const access = await authenticate(bearer);
      if (!opens(access, user)) throw new BelfryError("forbidden");
      return access;
    },
  };
}

const opens = (access: Access, user: string | undefined): boolean =>
  access.user === undefined || (user !== undefined && canonicalUser(user) === access.user);

/** The token of an `Authorization: Bearer <token>` header. */
export const bearerOf = (authorization: string | undefined): string | undefined =>
  /^Bearer +(\S+)$/i.exec(authorization ?? "")?.[1];

/** Asks at every route that is not public: first who it is, before anything else is done, then whose data is meant. */
export function guardRoutes(app: FastifyInstance, authorizer: Authorizer): void {
  app.decorateRequest("access", null);
  if (authorizer.open) return;
  app.addHook("onRequest", async (request) => {
    const { public: open, user, tokenInQuery } = request.routeOptions.config;
    if (open) return;
    const inQuery = tokenInQuery ? (request.query as { token?: unknown }).token : undefined;
    const bearer =
      bearerOf(request.headers.authorization) ?? (typeof inQuery === "string" ? inQuery : undefined);
    request.access = await authorizer.authenticate(bearer);
    if (request.access.user !== undefined && !user) throw new BelfryError("forbidden");
  });
  app.addHook("preHandler", (request, _reply, done) => {
    const { access } = request;
    if (!access || opens(access, request.routeOptions.config.user?.(request))) done();
    else done(new BelfryError("forbidden"));
  });
}

/** For `config.user`: the user that the path or the query names. */
export const userInPath =
  (name: string) =>
  (request: FastifyRequest): string =>
    String((request.params as Record<string, unknown>)[name]);
export const userInQuery =
  (name: string) =>
  (request: FastifyRequest): string =>
    String((request.query as Record<string, unknown>)[name]);

/**
 * Without a key only programs of this machine may call, and a browser is one of them: a page from elsewhere whose name is
 * made to point to 127.0.0.1 (DNS rebinding) would be let in, but cannot hide its name.
 */
export const refuseForeignHosts: onRequestHookHandler = (request, _reply, done) => {
  if (isLoopbackName(request.headers.host)) done();
  else done(new BelfryError("foreign_host"));
};

/**
 * Where nobody is asked for a key every page that a browser of this network shows could change things: a form, or a `fetch`
 * that needs no preflight. A browser names its origin whenever it does; what has defences of its own is public.
 */
export function refuseForeignPages(
  isAllowedOrigin: (origin: string | undefined, host: string | undefined) => boolean,
): onRequestHookHandler {
  return ({ method, headers: { origin, host }, routeOptions }, _reply, done) => {
    if (harmless.has(method) || routeOptions.config.public || isAllowedOrigin(origin, host)) return done();
    const says = `Without API_KEYS pages of ${origin} may change nothing here: name it in ALLOWED_ORIGINS, or set API_KEYS.`;
    done(new BelfryError("foreign_host", says));
  };
}

const harmless = new Set(["GET", "HEAD", "OPTIONS"]);

/** Of a `Host` header; never of `X-Forwarded-Host`, which such a page may set as it likes. */
export function isLoopbackName(host = ""): boolean {
  const name = /^(?:\[([^\]]*)\]|([^:]*))(?::\d*)?$/.exec(host);
  const [, v6, other = ""] = name ?? [];
  return v6 === "::1" || other === "localhost" || /^127(\.\d{1,3}){3}$/.test(other);
}
