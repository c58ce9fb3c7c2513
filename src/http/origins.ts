import type { FastifyContextConfig, FastifyInstance } from "fastify";

declare module "fastify" {
  interface FastifyContextConfig {
    /** Pages of allowed origins may read it, as they may every route that has a `user`. */
    shared?: boolean;
  }
}

/** Whether a page may call and listen, by its `Origin` and the `Host` it requests. Without an `Origin` it is not a page. */
export type OriginRule = (origin: string | undefined, host: string | undefined) => boolean;

const requestHeaders = "Authorization, Content-Type, Idempotency-Key, Last-Event-ID";
const answerHeaders = "Date, Link, Retry-After, Idempotent-Replayed";
const preflightSeconds = "600";
/** Anybody can invent origins, so the log names at most this many. */
const maxLogged = 100;

/** Allows the origins of `listed` (`*`: all) and the service's own. `onRefused` is called once for each origin. */
export function createOriginRule(
  listed: string[],
  onRefused: (origin: string) => void = () => {},
): OriginRule {
  const refused = new Set<string>();
  return (origin, host) => {
    if (origin === undefined || listed.includes("*") || listed.includes(origin)) return true;
    if (host !== undefined && isSameOrigin(origin, host)) return true;
    const shown = origin.slice(0, 200);
    if (refused.size < maxLogged && !refused.has(shown)) {
      refused.add(shown);
      onRefused(shown);
    }
    return false;
  };
}

/** The reason why a text cannot be an item of `ALLOWED_ORIGINS`; undefined when it can. */
export function originProblem(text: string): string | undefined {
  if (text === "*") return undefined;
  if (text === "null")
    return "null is every sandboxed page and file: name the page's own origin, or * for all";
  if (text.includes("*"))
    return "a wildcard within an origin is not supported: name each origin, or * for all";
  const [, scheme = "", host = "", rest = ""] = /^([a-z][a-z0-9+.-]*):\/\/([^/?#]*)(.*)$/i.exec(text) ?? [];
  const canonical = `${scheme}://${host}`.toLowerCase();
  if (host === "" || /[\s@\\,"'<>]/.test(host) || !URL.canParse(canonical))
    return "must be scheme://host or scheme://host:port, such as https://app.example or capacitor://localhost";
  const { origin } = new URL(canonical);
  // Browsers write schemes of their own as they are, and leave out the port of http and https where it is the default.
  const right = origin === "null" ? canonical : origin;
  if (rest !== "") return `must be an origin without a path: write ${right}`;
  return text === right ? undefined : `must be written as browsers send it: ${right}`;
}

/** The scheme is the origin's own: only a proxy that ends TLS knows it. */
function isSameOrigin(origin: string, host: string): boolean {
  if (!URL.canParse(origin)) return false;
  const { protocol, host: own } = new URL(origin);
  if (!/^https?:$/.test(protocol)) return false;
  const asked = `${protocol}//${host}`;
  return own !== "" && URL.canParse(asked) && new URL(asked).host === own;
}

/**
 * CORS, for the routes about a user and for the docs; without credentials, since there are no cookies. Runs before keys are
 * asked for, because a preflight brings none. `routesAt`: the routes that a path has.
 */
export function shareWithOrigins(
  app: FastifyInstance,
  listed: string[],
  isAllowed: OriginRule,
  routesAt: (path: string) => Array<{ methods: string[]; config: FastifyContextConfig | undefined }>,
): void {
  const anyone = listed.includes("*");
  app.addHook("onRequest", (request, reply, done) => {
    const { origin, host, "access-control-request-method": asked } = request.headers;
    const preflight = request.method === "OPTIONS" && asked !== undefined;
    const methods = preflight
      ? routesAt(request.url.split("?", 1)[0] as string).flatMap((one) =>
          isShared(one.config) ? one.methods : [],
        )
      : [];
    if (preflight ? methods.length === 0 : !isShared(request.routeOptions.config)) return done();
    // Checked even when nothing is listed, because the log tells an operator why a page is refused.
    const allowed = isAllowed(origin, host);
    if (listed.length === 0) return done();
    if (!anyone) reply.header("vary", "Origin");
    if (origin === undefined || !allowed || !(anyone || listed.includes(origin))) return done();
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
