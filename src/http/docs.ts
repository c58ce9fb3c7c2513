import swagger from "@fastify/swagger";
import swaggerUi from "@fastify/swagger-ui";
import type { FastifyInstance, FastifyRequest, onRequestHookHandler } from "fastify";
import { type Documented, documentCommon } from "./documented-errors.ts";
import { asyncApiDocument } from "./live/asyncapi.ts";
import { policy } from "./pages.ts";

/** In this order in `/docs`. */
const tags = [
  { name: "notifications", description: "Notify users." },
  { name: "jobs", description: "What is sent later, or again and again." },
  { name: "inbox", description: "A user's inbox." },
  { name: "users", description: "Users: addresses, tokens, live events." },
  { name: "preferences", description: "The notifications that a user wants, and when." },
  { name: "broadcasts", description: "One notification to many users." },
  { name: "topics", description: "Lists of users, who may subscribe themselves." },
  { name: "operate", description: "Deliveries, providers, suppressions, health." },
  { name: "test", description: "The clock, for tests." },
  { name: "callbacks", description: "Receipts from providers." },
  { name: "Compatibility", description: "The APIs of older systems, for clients that stay as they are." },
];

/** The one inline style of Swagger UI: that of its own logo, which it draws before ours takes its place. */
const logoStyle = "'sha256-RL3ie0nH+Lzz2YNqQN83mnU0J1ot4QL7b99vMdIX99w='";

/** Our mark, as the console has it. */
const mark = (size: number) =>
  `<svg xmlns="http://www.w3.org/2000/svg" width="${size}" height="${size}" viewBox="0 0 32 32"><path fill="#d9a066" d="M16 3c-6 0-8 5-8 10 0 6-1 8-4 10h24c-3-2-4-4-4-10 0-5-2-10-8-10zm-4 22a4 4 0 0 0 8 0z"/></svg>`;

/** `/docs`, `/openapi.json` and `/asyncapi.json`. Register it before the routes that it describes. */
export async function apiDocs(app: FastifyInstance, version: string): Promise<void> {
  const addCommon = documentCommon(app);
  await app.register(swagger, {
    transformObject: (made) =>
      addCommon(("openapiObject" in made && made.openapiObject) as Documented) as object,
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Belfry",
        description: "Notifications on MongoDB: accepted, stored, delivered, accounted for.",
        version,
        license: { name: "MIT", identifier: "MIT" },
      },
      tags,
      components: {
        securitySchemes: {
          apiKey: { type: "http", scheme: "bearer" },
          userToken: { type: "http", scheme: "bearer", bearerFormat: "JWT" },
        },
      },
      security: [{ apiKey: [] }],
    },
  });
  app.addHook("onRoute", (route) => {
    if (route.url.startsWith("/docs")) route.config = { ...route.config, public: true, shared: true };
    if (route.config?.user) route.schema = { ...route.schema, security: [{ apiKey: [] }, { userToken: [] }] };
  });
  await app.register(swaggerUi, {
    routePrefix: "/docs",
    // Its own policy sends a browser to https wherever the host is not a loopback name.
    staticCSP: policy.replace("style-src 'self'", `style-src 'self' ${logoStyle}`),
    // A key stays in the page's memory.
    uiConfig: { url: "../openapi.json", persistAuthorization: false },
    uiHooks: { onRequest: toFolder },
    transformSpecification: (document, request) => ({
      ...document,
      // Beside the document, wherever a proxy puts it.
      servers: [{ url: request.basePath || ".." }],
    }),
    transformSpecificationClone: false,
    logo: { type: "image/svg+xml", content: Buffer.from(mark(40)), href: "..", target: "_self" },
    theme: {
      title: "Belfry API",
      favicon: [
        {
          filename: "favicon.svg",
          rel: "icon",
          type: "image/svg+xml",
          sizes: "any",
          content: Buffer.from(mark(32)),
        },
      ],
    },
  });
  const document = { config: { public: true, shared: true }, schema: { hide: true } };
  const withServer = ({ basePath }: FastifyRequest) => ({
    ...app.swagger(),
    ...(basePath !== "" && { servers: [{ url: basePath }] }),
  });
  app.get("/openapi.json", document, async (request) => withServer(request));
  app.get("/asyncapi.json", document, async () => asyncApiDocument(version));
}

/** The page's addresses are relative to its folder; so is the redirect, since a proxy may have taken off a prefix. */
const toFolder: onRequestHookHandler = (request, reply, done) => {
  const path = request.url.split("?", 1)[0] as string;
  if (path.endsWith("/docs")) return void reply.redirect("docs/");
  if (path.endsWith("/static/index.html")) return void reply.redirect("../");
  done();
};
