import { randomUUID } from "node:crypto";
import swagger from "@fastify/swagger";
import swaggerUi from "@fastify/swagger-ui";
import { Ajv } from "ajv";
import fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from "fastify";
import { BelfryError } from "../model/errors.ts";
import type { CapturedMessage } from "../model/provider.ts";
import { refuseForeignHosts, requireKey } from "./auth.ts";
import { type CallbackPartners, callbackRoutes } from "./callbacks.ts";
import { capturedRoutes } from "./captured.ts";
import { type InboxDialectPartners, inboxDialect } from "./dialects/inbox.ts";
import { type QueueDialectPartners, queueDialect } from "./dialects/queue.ts";
import { clientErrorHandler, sendProblem } from "./errors.ts";
import { type HealthPartners, healthRoutes } from "./health.ts";
import { readJsonExactly } from "./json-body.ts";
import { type OperatePartners, operateRoutes } from "./operate.ts";
import { pages } from "./pages.ts";

/** What takes requests needs. */
export interface ApiPartners {
  inbox: InboxDialectPartners;
  queue: QueueDialectPartners;
  captured: (skip: number, limit: number) => Promise<CapturedMessage[]>;
  operate: OperatePartners;
  callbacks: CallbackPartners;
}

export interface ServerPartners {
  /** Absent in a process that only sends: then there are health and metrics alone. */
  api?: ApiPartners;
  health: HealthPartners;
  onRequestDone: (method: string, route: string, status: number, seconds: number) => void;
  /** Empty: nobody is asked for a key. */
  apiKeys: string[];
  /** Answers only under a loopback name: see `refuseForeignHosts`. */
  loopbackOnly: boolean;
  version: string;
  log: FastifyBaseLogger;
}

const maxBodyBytes = 64 * 1024;

/** The HTTP server with every route, not yet listening. */
export async function buildServer(partners: ServerPartners): Promise<FastifyInstance> {
  const app = fastify({
    loggerInstance: partners.log,
    // One line a request costs more than the request; `debug` shows them, failures are always logged.
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: maxBodyBytes,
    requestTimeout: 30_000,
    // While closing, requests on open connections are still answered, with `Connection: close`.
    return503OnClosing: false,
    clientErrorHandler,
    // What fails before a route is found (`/%zz`) is told in the same words as everything else.
    frameworkErrors(error, request, reply) {
      addCommonHeaders(request, reply);
      sendProblem(error, request, reply);
    },
    genReqId: (request) => {
      const given = request.headers["x-request-id"];
      return typeof given === "string" && /^[\w.:-]{1,128}$/.test(given) ? given : randomUUID();
    },
    routerOptions: { maxParamLength: 256 },
  });
  app.setValidatorCompiler(validatorCompiler());
  readJsonExactly(app);
  app.setErrorHandler(sendProblem);
  const allowedMethods = collectMethods(app);
  app.setNotFoundHandler((request, reply) => {
    const allowed = allowedMethods(request.url.split("?", 1)[0] as string);
    if (allowed.length === 0) return sendProblem(new BelfryError("not_found"), request, reply);
    reply.header("allow", allowed.join(", "));
    return sendProblem(new BelfryError("method_not_allowed"), request, reply);
  });
  if (partners.loopbackOnly) app.addHook("onRequest", refuseForeignHosts);
  if (partners.apiKeys.length > 0) app.addHook("onRequest", requireKey(partners.apiKeys));
  app.addHook("onSend", (request, reply, payload, done) => {
    addCommonHeaders(request, reply);
    done(null, payload);
  });
  app.addHook("onResponse", (request, reply, done) => {
    const route = request.routeOptions.url ?? "unknown";
    partners.onRequestDone(request.method, route, reply.statusCode, reply.elapsedTime / 1000);
    request.log.debug(
      { method: request.method, route, status: reply.statusCode, ms: reply.elapsedTime },
      "request",
    );
    done();
  });

  const { api, health } = partners;
  if (api) {
    await registerDocs(app, partners.version, partners.apiKeys.length > 0);
    await app.register(inboxDialect, api.inbox);
    await app.register(queueDialect, api.queue);
    await app.register(pages);
  }
  await app.register(async (own) => {
    healthRoutes(own, health);
    if (!api) return;
    capturedRoutes(own, api.captured);
    operateRoutes(own, api.operate);
    await callbackRoutes(own, api.callbacks);
  });
  return app;
}

/** Learns the routes as they are registered, for the `Allow` header of a 405. */
function collectMethods(app: FastifyInstance): (path: string) => string[] {
  const routes: Array<{ pattern: RegExp; methods: string[] }> = [];
  app.addHook("onRoute", ({ url, method }) => {
    const pattern = new RegExp(`^${url.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replace(/:\w+/g, "[^/]+")}$`);
    routes.push({ pattern, methods: [method].flat() });
  });
  return (path) => {
    const found = routes.filter(({ pattern }) => pattern.test(path)).flatMap(({ methods }) => methods);
    return [...new Set(found)].sort();
  };
}

function addCommonHeaders(request: FastifyRequest, reply: FastifyReply): void {
  reply.header("x-request-id", request.id);
  reply.header("x-content-type-options", "nosniff");
}

/**
 * Fastify's own validator would drop unknown fields and turn `"1"` into `1`. A body means what it says; only a query,
 * which is all text, is read as numbers.
 */
function validatorCompiler() {
  const common = { allErrors: true, removeAdditional: false, useDefaults: true, strict: false } as const;
  const exact = new Ajv({ ...common, coerceTypes: false });
  const reading = new Ajv({ ...common, coerceTypes: true });
  return ({ schema, httpPart }: { schema: unknown; httpPart?: string }) =>
    (httpPart === "body" ? exact : reading).compile(schema as object);
}

async function registerDocs(app: FastifyInstance, version: string, withKeys: boolean): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Belfry",
        description: "Notifications on MongoDB: accepted, stored, delivered, accounted for.",
        version,
        license: { name: "MIT", identifier: "MIT" },
      },
      components: { securitySchemes: { apiKey: { type: "http", scheme: "bearer" } } },
      security: [{ apiKey: [] }],
    },
  });
  app.addHook("onRoute", (route) => {
    if (route.url.startsWith("/docs")) route.config = { ...route.config, public: true };
  });
  await app.register(swaggerUi, {
    routePrefix: "/docs",
    staticCSP: true,
    uiConfig: { url: "/openapi.json", persistAuthorization: withKeys },
  });
  app.get("/openapi.json", { config: { public: true }, schema: { hide: true } }, async () => app.swagger());
}
