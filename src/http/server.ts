import { randomUUID } from "node:crypto";
import fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
  type RouteOptions,
} from "fastify";
import type { Core } from "../core/core.ts";
import type { Links } from "../core/links.ts";
import type { Profiles } from "../core/profile.ts";
import type { Tokens } from "../core/tokens.ts";
import type { Moved, WrittenMove } from "../core/virtual-time.ts";
import { BelfryError } from "../model/errors.ts";
import type { Store } from "../store/index.ts";
import type { Addresses } from "./addresses.ts";
import { writeAnswers } from "./answers.ts";
import { type Authorizer, guardRoutes, refuseForeignPages } from "./auth.ts";
import { createBasePath } from "./base-path.ts";
import { type Callback, callbackRoutes } from "./callbacks.ts";
import { capturedRoutes } from "./captured.ts";
import { type ConnectionOptions, limitConnections } from "./connections.ts";
import { type ConsoleParts, consoleRoutes } from "./console.ts";
import { inboxDialect } from "./dialects/inbox.ts";
import { liveDialect } from "./dialects/live.ts";
import { queueDialect } from "./dialects/queue.ts";
import { apiDocs } from "./docs.ts";
import { clientErrorHandler, privateHeaders, sendProblem } from "./errors.ts";
import { type HealthParts, healthRoutes } from "./health.ts";
import { createHostCheck } from "./hosts.ts";
import { linkRoutes } from "./links/index.ts";
import { type LiveOptions, liveRoutes } from "./live/index.ts";
import { type OriginRule, shareWithOrigins } from "./origins.ts";
import { pages } from "./pages.ts";
import { tokenRoutes } from "./tokens.ts";
import { broadcastRoutes } from "./v1/broadcasts.ts";
import { deliveryRoutes } from "./v1/deliveries.ts";
import { digestRoutes } from "./v1/digests.ts";
import { inboxRoutes } from "./v1/inbox.ts";
import { jobRoutes } from "./v1/jobs.ts";
import { ledgerRoutes } from "./v1/ledger.ts";
import { notificationRoutes } from "./v1/notifications.ts";
import { preferenceRoutes } from "./v1/preferences.ts";
import { recallRoutes } from "./v1/recall.ts";
import { scheduleRoutes } from "./v1/schedules.ts";
import { suppressionRoutes } from "./v1/suppressions.ts";
import { testClockRoutes } from "./v1/test-clock.ts";
import { topicRoutes } from "./v1/topics.ts";
import { userRoutes } from "./v1/users.ts";
import { checkInput } from "./validation.ts";

/** The parts behind the API routes. */
export interface ApiParts extends ConsoleParts {
  core: Core;
  store: Store;
  profiles: Profiles;
  tokens: Pick<Tokens, "sign">;
  links: Links;
  callbacks: Callback[];
  /** In virtual time. */
  moveClock?: ((written: WrittenMove) => Promise<Moved>) | undefined;
}

export interface ServerOptions {
  /** Absent in a process that only sends. It serves only health and metrics. */
  api?: ApiParts;
  /** Absent in a process without the `realtime` role. */
  live?: LiveOptions;
  health: HealthParts;
  onRequestDone: (method: string, route: string, status: number, seconds: number) => void;
  authorizer: Authorizer;
  /** Origins whose pages may call a user's routes; `*`: all. */
  allowedOrigins: string[];
  isAllowedOrigin: OriginRule;
  /** Host names that are allowed without authentication, besides IP addresses and localhost. */
  allowedHosts: string[];
  addresses: Pick<Addresses, "isProxy" | "noticeProxy">;
  connections: Omit<ConnectionOptions, "log">;
  /** The path under which a proxy serves Belfry, such as `/belfry`; absent: the root. */
  basePath?: string;
  /** Milliseconds to receive a whole request, and without traffic while it is answered. */
  requestTimeoutMs?: number;
  idleTimeoutMs?: number;
  version: string;
  log: FastifyBaseLogger;
}

const maxBodyBytes = 64 * 1024;

/** The HTTP server with every route, not yet listening. */
export async function buildServer(options: ServerOptions): Promise<FastifyInstance> {
  const { requestTimeoutMs = 30_000, idleTimeoutMs = 60_000 } = options;
  const basePath = createBasePath(options.basePath ?? "", options.addresses.isProxy);
  const app = fastify({
    loggerInstance: options.log.child({}),
    // A logger for each request costs creates 4 % of their rate, so the lines about a request name it themselves.
    childLoggerFactory: (logger) => logger,
    // A log line costs more than the request. `debug` shows requests; failures are always logged.
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: maxBodyBytes,
    requestTimeout: requestTimeoutMs,
    // A client that does not read its answer.
    connectionTimeout: idleTimeoutMs,
    http: {
      headersTimeout: requestTimeoutMs,
      connectionsCheckingInterval: Math.min(5_000, Math.ceil(requestTimeoutMs / 4)),
    },
    // While closing, requests on open connections are still answered, with `Connection: close`.
    return503OnClosing: false,
    clientErrorHandler,
    // Errors before routing (`/%zz`) have the same shape as all others.
    frameworkErrors(error, request, reply) {
      addCommonHeaders(request, reply);
      sendProblem(error, request, reply);
    },
    genReqId: (request) => {
      const given = request.headers["x-request-id"];
      return typeof given === "string" && /^[\w.:-]{1,128}$/.test(given) ? given : randomUUID();
    },
    // The schemas limit parameters, with a better error.
    routerOptions: { maxParamLength: 16 * 1024 },
    trustProxy: options.addresses.isProxy,
    rewriteUrl: ({ url = "/" }) => basePath.strip(url),
  });
  const connections = limitConnections(app.server, { ...options.connections, log: options.log });
  checkInput(app);
  writeAnswers(app);
  app.setErrorHandler(sendProblem);
  const routesAt = collectRoutes(app);
  app.setNotFoundHandler((request, reply) => {
    const found = routesAt(request.url.split("?", 1)[0] as string);
    const allowed = [...new Set(found.flatMap(({ methods }) => methods))].sort();
    if (allowed.length === 0) return sendProblem(new BelfryError("not_found"), request, reply);
    reply.header("allow", allowed.join(", "));
    return sendProblem(new BelfryError("method_not_allowed"), request, reply);
  });
  const { authorizer, isAllowedOrigin, addresses } = options;
  app.decorateRequest("basePath", "");
  app.addHook("onRequest", (request, _reply, done) => {
    addresses.noticeProxy(request.raw);
    request.basePath = basePath.of(request.raw);
    done();
  });
  shareWithOrigins(app, options.allowedOrigins, isAllowedOrigin, routesAt);
  const checkHost = createHostCheck(options.allowedHosts);
  if (authorizer.open) {
    app.addHook("onRequest", async (request) => checkHost(request.raw));
    app.addHook("onRequest", refuseForeignPages(isAllowedOrigin));
  }
  guardRoutes(app, authorizer);
  const virtualNow = options.api?.moveClock && options.api.store.now;
  app.addHook("onSend", (request, reply, payload, done) => {
    addCommonHeaders(request, reply);
    // Pages correct their clocks by it.
    if (virtualNow) reply.header("date", new Date(virtualNow()).toUTCString());
    done(null, payload);
  });
  app.addHook("onResponse", (request, reply, done) => {
    const route = request.routeOptions.url ?? "unknown";
    if (request.routeOptions.config.stream && reply.statusCode < 400) return done();
    options.onRequestDone(request.method, route, reply.statusCode, reply.elapsedTime / 1000);
    request.log.debug(
      { reqId: request.id, method: request.method, route, status: reply.statusCode, ms: reply.elapsedTime },
      "request",
    );
    done();
  });

  const { api, live, health } = options;
  if (api) {
    await apiDocs(app, options.version);
    await app.register(inboxDialect, api.core);
    await app.register(queueDialect, api.core);
    await app.register(liveDialect, api.core);
    await app.register(pages);
    await linkRoutes(app, api);
  }
  if (live) {
    const { release } = connections;
    const edge = {
      authorizer,
      isAllowedOrigin,
      release,
      stripBasePath: basePath.strip,
      ...(authorizer.open && { checkHost }),
    };
    await liveRoutes(app, { ...live, ...edge });
  }
  await app.register(async (own) => {
    healthRoutes(own, health);
    if (!api) return;
    capturedRoutes(own, api.store.captured, api.links);
    deliveryRoutes(own, api.core);
    digestRoutes(own, api.core);
    ledgerRoutes(own, api.core);
    suppressionRoutes(own, api.core.suppressions);
    tokenRoutes(own, api.tokens);
    notificationRoutes(own, api.core);
    recallRoutes(own, api.core);
    jobRoutes(own, api.core);
    scheduleRoutes(own, api.core);
    broadcastRoutes(own, api.core);
    await userRoutes(own, api.profiles, api.core);
    await inboxRoutes(own, api.core.inbox);
    preferenceRoutes(own, api.core.preferences);
    await topicRoutes(own, api.core.topics);
    consoleRoutes(own, api);
    testClockRoutes(own, api.store, api.moveClock);
    await callbackRoutes(own, api.callbacks, api.core, api.store);
  });
  return app;
}

/** Collects the routes as they are registered, for the `Allow` header of a 405 and for CORS. */
function collectRoutes(app: FastifyInstance) {
  const routes: Array<{ pattern: RegExp; methods: string[]; options: RouteOptions }> = [];
  app.addHook("onRoute", (options) => {
    const { url, method } = options;
    const pattern = new RegExp(`^${url.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replace(/:\w+/g, "[^/]+")}$`);
    routes.push({ pattern, methods: [method].flat(), options });
  });
  return (path: string) =>
    routes.flatMap(({ pattern, methods, options }) =>
      pattern.test(path) ? [{ methods, config: options.config }] : [],
    );
}

function addCommonHeaders(request: FastifyRequest, reply: FastifyReply): void {
  reply.header("x-request-id", request.id);
  reply.header("x-content-type-options", "nosniff");
  // Responses are private unless the route sets other headers.
  for (const [name, value] of Object.entries(privateHeaders))
    if (!reply.hasHeader(name)) reply.header(name, value);
}
