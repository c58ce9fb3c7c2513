import type { FastifyContextConfig, FastifyInstance } from "fastify";

declare module "fastify" {
  interface FastifyContextConfig {
    /** Pages of allowed origins may read it, as they may what has a `user`. */
    shared?: boolean;
  }
}

const requestHeaders = "Authorization, Content-Type, Idempotency-Key, Last-Event-ID";
const answerHeaders = "Date, Link, Retry-After, Idempotent-Replayed";
const preflightSeconds = "600";

/**
 * Whether a page may open a socket, by its `Origin` and the `Host` it asks for: those of `listed` (`*`: all) and the service's
 * own. What sends no `Origin` is no page.
 */
export function createOriginRule(
  listed: string[],
): (origin: string | undefined, host: string | undefined) => boolean {
  return (origin, host) =>
    origin === undefined ||
    listed.includes("*") ||
    listed.includes(origin) ||
    (host !== undefined && isSameOrigin(origin, host));
}

/** The scheme is the origin's own: behind a proxy that ends TLS nobody else knows it. */
function isSameOrigin(origin: string, host: string): boolean {
  if (!URL.canParse(origin)) return false;
  const { protocol, host: own } = new URL(origin);
  const asked = `${protocol}//${host}`;
  return own !== "" && URL.canParse(asked) && new URL(asked).host === own;
}

/**
 * CORS, for what belongs to a user and for the docs; without credentials, since there are no cookies. Comes before keys are
 * asked for, which a preflight does not bring. `routesAt`: what a path answers to.
 */
export function shareWithOrigins(
  app: FastifyInstance,
  listed: string[],
  routesAt: (path: string) => Array<{ methods: string[]; config: FastifyContextConfig | undefined }>,
): void {
  if (listed.length === 0) return;
  const anyone = listed.includes("*");
  app.addHook("onRequest", (request, reply, done) => {
    const { origin, "access-control-request-method": asked } = request.headers;
    const preflight = request.method === "OPTIONS" && asked !== undefined;
    const methods = preflight
      ? routesAt(request.url.split("?", 1)[0] as string).flatMap((one) =>
          isShared(one.config) ? one.methods : [],
        )
      : [];
    if (preflight ? methods.length === 0 : !isShared(request.routeOptions.config)) return done();
    if (!anyone) reply.header("vary", "Origin");
    if (origin === undefined || !(anyone || listed.includes(origin))) return done();
    reply.header("access-control-allow-origin", anyone ? "*" : origin);
    if (!preflight) {
      reply.header("access-control-expose-headers", answerHeaders);
      return done();
    }
    reply
      .code(204)
      .header("access-control-allow-methods", [...new Set(methods)].sort().join(", "))
      .header("access-control-allow-headers", requestHeaders)
      .header("access-control-max-age", preflightSeconds)
      .send();
  });
}

const isShared = (config: FastifyContextConfig | undefined): boolean =>
  config?.user !== undefined || config?.shared === true;
