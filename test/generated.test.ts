import diagnostics from "node:diagnostics_channel";
import type { FastifyInstance, RouteOptions } from "fastify";
import { MongoClient } from "mongodb";
import { pino } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import { wireTypes } from "../scripts/wire-types.ts";
import { callbacksOf, channelNames } from "../src/channels/index.ts";
import { exampleFile } from "../src/config/example.ts";
import { createCore } from "../src/core/core.ts";
import { createLinks } from "../src/core/links.ts";
import { createTypeRegistry } from "../src/core/notification-types.ts";
import { createAuthorizer } from "../src/http/auth.ts";
import { asyncApiDocument } from "../src/http/live/asyncapi.ts";
import { buildServer } from "../src/http/server.ts";
import { createStore } from "../src/store/index.ts";
import { createUserWrites } from "../src/store/user-writes.ts";
import { version } from "../src/version.ts";

// The committed files that the code generates. `npm run generate` writes them anew.

interface Schema {
  type?: string;
  anyOf?: Schema[];
}
interface Operation {
  summary?: string;
  tags?: string[];
  parameters?: Array<{ name: string; in: string; required?: boolean; schema?: Schema }>;
  requestBody?: { content: Record<string, { schema?: object }> };
  responses?: Record<string, { description?: string; content?: Record<string, { schema?: object }> }>;
  security?: object[];
}
interface Document {
  openapi: string;
  info: { title: string; version: string };
  paths: Record<string, Record<string, Operation>>;
  components?: { securitySchemes?: Record<string, object>; schemas?: Record<string, object> };
}

let server: FastifyInstance;
let document: Document;
const routes: RouteOptions[] = [];

beforeAll(async () => {
  const unused = () => {
    throw new Error("the documents are made without calling a route");
  };
  // Fastify announces each instance that is made: early enough to hear of every route.
  const channel = diagnostics.channel("fastify.initialization");
  const listen = (message: unknown) => {
    const { fastify } = message as { fastify: FastifyInstance };
    fastify.addHook("onRoute", (route) => void routes.push(route));
  };
  channel.subscribe(listen);
  const { registry } = createTypeRegistry({ delayMs: 1, factor: 1, maxRetries: 0 });
  // It connects with the first command, and none is sent.
  const client = new MongoClient("mongodb://belfry.invalid");
  const db = client.db("unused");
  const connection = { client, db, transactions: true, routed: false, writes: createUserWrites(db, true) };
  const store = createStore(connection, {
    channels: channelNames(),
    inboxLimit: 100,
    newUser: {},
    retentionDays: 90,
  });
  server = await buildServer({
    api: {
      core: createCore(store, registry),
      store,
      tokens: { sign: unused },
      links: createLinks({ secrets: [] }),
      profiles: { show: unused, replace: unused, merge: unused },
      callbacks: callbacksOf({}),
      stats: { intervalSeconds: 5, start: unused, read: unused, stop: unused },
      simulator: { state: unused, set: unused, stop: unused },
    },
    live: {
      hub: {
        subscribe: unused,
        touch: unused,
        touchHashes: unused,
        touchAll: unused,
        connections: unused,
        size: { users: 0, connections: 0 },
        close() {},
      },
      heartbeatMs: 1_000,
      now: unused,
      addresses: { clientAddress: unused, noticeProxy: unused },
      connectionsPerUser: 1,
      connectionsPerAddress: 1,
    },
    isAllowedOrigin: () => true,
    allowedHosts: [],
    addresses: { isProxy: () => false, noticeProxy: () => {} },
    connections: { most: 1, mostPerAddress: 1, peerAddress: unused },
    health: { store, stopping: unused, metrics: { contentType: "text/plain", text: unused } },
    onRequestDone: () => {},
    authorizer: createAuthorizer({ apiKeys: [], tokens: { verify: unused }, ofPreferenceLink: unused }),
    allowedOrigins: [],
    version,
    log: pino({ level: "silent" }),
  });
  channel.unsubscribe(listen);
  await server.ready();
  document = server.swagger() as unknown as Document;
});
afterAll(() => server.close());

const operations = () =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      name: `${method.toUpperCase()} ${path}`,
      operation,
    })),
  );

test("config.example.env is what the table of variables says (else: npm run generate)", async () => {
  await expect(exampleFile()).toMatchFileSnapshot("../config.example.env");
});

test("openapi.json is what the routes say (else: npm run generate)", async () => {
  await expect(`${JSON.stringify(document, null, 2)}\n`).toMatchFileSnapshot("../openapi.json");
});

test("asyncapi.json is what the sockets' messages say (else: npm run generate)", async () => {
  await expect(`${JSON.stringify(asyncApiDocument(version), null, 2)}\n`).toMatchFileSnapshot(
    "../asyncapi.json",
  );
});

test("the wire types of the client and the console are those of openapi.json (else: npm run generate)", async () => {
  const { client, console } = wireTypes(document);
  await expect(client).toMatchFileSnapshot("../src/client/wire.ts");
  await expect(console).toMatchFileSnapshot("../web/console/wire.ts");
});

test("the documents that are served are those that are committed", async () => {
  for (const [path, committed] of [
    ["/openapi.json", document],
    ["/asyncapi.json", asyncApiDocument(version)],
  ] as const) {
    const { statusCode, body } = await server.inject(path);
    expect(statusCode).toBe(200);
    expect(JSON.parse(body)).toStrictEqual(JSON.parse(JSON.stringify(committed)));
  }
});

test("the document lists every route of the server but pages, sockets, links in messages and a second name, and no other", () => {
  const files = [
    "message.html",
    "console.css",
    "console.js",
    "console-broadcasts.js",
    "console-live.js",
    "inbox.js",
    "preferences.js",
  ];
  const pages = ["/", ...files.map((file) => `/${file}`), "/openapi.json", "/asyncapi.json"];
  // In asyncapi.json.
  const sockets = ["/v1/users/:id/live", "/ws/v1/notifications/:user_id", "/socket.io", "/socket.io/"];
  const links = ["/u/:token", "/p/:token"];
  const hidden = [...pages, ...sockets, ...links, "/notification"];
  expect(routes.map(({ url }) => url)).toEqual(expect.arrayContaining(hidden));
  const served = routes
    .filter(({ url }) => !url.startsWith("/docs") && !hidden.includes(url))
    .flatMap(({ method, url }) => [method].flat().map((one) => `${one} ${url.replace(/:(\w+)/g, "{$1}")}`))
    .filter((name) => !name.startsWith("HEAD "));
  expect(served).toContain("POST /create");
  expect(
    operations()
      .map(({ name }) => name)
      .sort(),
  ).toStrictEqual(served.sort());
});

test("every operation says what it does, under a heading, and what it answers", () => {
  for (const { name, operation } of operations()) {
    expect(operation.summary, name).toMatch(/^\S.*[^.\s]$/);
    expect(operation.tags, name).toHaveLength(1);
    const responses = Object.entries(operation.responses ?? {});
    expect(
      responses.some(([status]) => /^2\d\d$/.test(status)),
      name,
    ).toBe(true);
    for (const [status, response] of responses) {
      expect(status, name).toMatch(/^([1-5]\d\d|[1-5]XX|default)$/);
      expect(response.description, name).toEqual(expect.any(String));
    }
  }
});

test("its parts have the form that OpenAPI 3.1 asks for", () => {
  expect(document.openapi).toBe("3.1.0");
  expect(document.info).toMatchObject({ title: "Belfry", version });
  expect(document.components?.securitySchemes).toStrictEqual({
    apiKey: { type: "http", scheme: "bearer" },
    userToken: { type: "http", scheme: "bearer", bearerFormat: "JWT" },
  });
  for (const { name, operation } of operations()) {
    const inPath = [...name.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => parameter);
    const parameters = operation.parameters ?? [];
    expect(
      parameters.filter((one) => one.in === "path").map((one) => one.name),
      name,
    ).toStrictEqual(inPath);
    for (const parameter of parameters) {
      expect(["path", "query", "header"], name).toContain(parameter.in);
      // A text, or the same several times (`status=sent&status=failed`).
      const { schema } = parameter;
      const types = schema?.anyOf?.map((one) => one.type) ?? [schema?.type];
      if (schema?.anyOf) expect(types, `${name} ${parameter.name}`).toStrictEqual(["string", "array"]);
      else expect(types[0], `${name} ${parameter.name}`).toMatch(/^(string|integer|boolean)$/);
      if (parameter.in === "path") expect(parameter.required).toBe(true);
    }
    const bodies = [operation.requestBody, ...Object.values(operation.responses ?? {})];
    for (const [media, content] of bodies.flatMap((one) => Object.entries(one?.content ?? {}))) {
      const type = media === "text/event-stream" ? "string" : "object";
      const { $ref } = content.schema as { $ref?: string };
      const schema = $ref ? document.components?.schemas?.[$ref.split("/").at(-1) as string] : content.schema;
      expect(schema, name).toEqual(expect.objectContaining({ type }));
    }
  }
  // Every reference leads somewhere.
  for (const [, pointer] of JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)) {
    const steps = (pointer as string).split("/");
    expect(
      steps.reduce<unknown>((at, step) => (at as Record<string, unknown>)?.[step], document),
    ).toBeDefined();
  }
});

test("only health, and callbacks that bring a signature, need no key", () => {
  const open = operations().filter(({ operation }) => operation.security?.length === 0);
  expect(open.map(({ name }) => name).sort()).toStrictEqual([
    "GET /livez",
    "GET /readyz",
    "POST /v1/callbacks/mailgun",
    "POST /v1/callbacks/twilio",
  ]);
});
