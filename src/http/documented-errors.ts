import type { FastifyInstance, RouteOptions } from "fastify";
import { Type } from "typebox";
import { type ErrorCode, errorCodes } from "../model/errors.ts";
import { isNullable, isOptional, type Schema } from "./schema-problems.ts";

/** The errors of every route outside a dialect (RFC 9457). A dialect's schema has a `title`: its name in the document. */
const Problem = Type.Object({
  type: Type.String(),
  title: Type.String(),
  status: Type.Integer(),
  detail: Type.String({ description: "What happened and what to do, in a sentence." }),
  instance: Type.Optional(Type.String({ description: "The request's path." })),
  code: Type.String({ enum: Object.keys(errorCodes) }),
  errors: Type.Optional(
    Type.Array(Type.Object({ pointer: Type.String(), detail: Type.String() }), {
      description:
        "Every problem of the request, up to 20. `pointer` is a JSON pointer, or `?name` for a query parameter.",
    }),
  ),
});

/** Error codes of an operation that do not follow from its schemas and its access. */
const more: Record<string, ErrorCode[]> = {
  "POST /read": ["not_found", "user_document_conflict", "overloaded"],
  "GET /list": ["overloaded"],
  "GET /users/:id/notifications": ["overloaded"],
  "PATCH /notification/read": ["user_document_conflict"],
  "GET /v1/users/:id": ["not_found"],
  "PUT /v1/users/:id": ["user_document_conflict"],
  "PATCH /v1/users/:id": ["user_document_conflict"],
  "DELETE /v1/users/:id": ["user_document_conflict"],
  "PUT /v1/users/:id/preferences": ["preference_locked", "user_document_conflict", "overloaded"],
  "PATCH /v1/users/:id/preferences": ["preference_locked", "user_document_conflict", "overloaded"],
  "POST /v1/users/:id/token": ["tokens_off"],
  "POST /v1/users/:id/inbox/read-all": ["user_document_conflict"],
  "POST /v1/users/:id/inbox/seen": ["user_document_conflict"],
  "GET /v1/users/:id/inbox/:item": ["not_found"],
  "DELETE /v1/users/:id/inbox/:item": ["not_found", "user_document_conflict"],
  ...Object.fromEntries(
    ["read", "unread", "archive", "unarchive"].map((change) => [
      `POST /v1/users/:id/inbox/:item/${change}`,
      ["not_found", "user_document_conflict"] satisfies ErrorCode[],
    ]),
  ),
  "GET /v1/captured/:id": ["not_found"],
  "GET /v1/deliveries/:id": ["not_found"],
  "GET /v1/deliveries/:id/message": ["not_found"],
  "GET /v1/notifications/:id": ["not_found"],
  "POST /v1/digests/:id/release": ["not_found", "digest_not_open"],
  "POST /v1/notifications/recall": ["user_document_conflict"],
  "POST /v1/deliveries/:id/retry": ["not_found", "delivery_not_retryable"],
  "DELETE /v1/suppressions/:user_id/:channel": ["not_found"],
  "POST /v1/types/:key/preview": ["not_found"],
  "GET /v1/jobs/:id": ["not_found"],
  "DELETE /v1/jobs/:id": ["not_found", "job_not_changeable"],
  "POST /v1/jobs/:id/pause": ["not_found", "job_not_changeable"],
  "POST /v1/jobs/:id/resume": ["not_found", "job_not_changeable"],
  "GET /v1/schedules/:key": ["not_found"],
  "POST /v1/schedules/:key/pause": ["not_found"],
  "POST /v1/schedules/:key/resume": ["not_found"],
  "DELETE /v1/schedules/:key": ["not_found"],
  "POST /v1/broadcasts": ["idempotency_mismatch"],
  "GET /v1/broadcasts/:id": ["not_found"],
  ...Object.fromEntries(
    ["pause", "resume", "cancel"].map((change) => [
      `POST /v1/broadcasts/:id/${change}`,
      ["not_found", "job_not_changeable"] satisfies ErrorCode[],
    ]),
  ),
  "GET /v1/topics/:key": ["not_found"],
  "PUT /v1/topics/:key": ["topic_deleting"],
  "DELETE /v1/topics/:key": ["not_found"],
  "GET /v1/topics/:key/subscribers": ["not_found"],
  "POST /v1/topics/:key/subscribers": ["not_found"],
  "PUT /v1/topics/:key/subscribers/:user": ["not_found"],
  "DELETE /v1/topics/:key/subscribers/:user": ["not_found"],
  "POST /v1/test/clock": ["clock_real", "clock_stuck"],
};
/** The errors of every provider's callback. */
const ofCallbacks: ErrorCode[] = [
  "callback_refused",
  "not_found",
  "payload_too_large",
  "unsupported_media_type",
];
const withoutDatabase = new Set([
  "/livez",
  "/readyz",
  "/metrics",
  "/v1/types",
  "/v1/types/:key/preview",
  "/v1/simulator",
]);

export interface Documented {
  paths?: Record<string, Record<string, unknown>>;
  components?: { schemas?: Record<string, unknown> };
}
interface Operation {
  responses: Record<string, unknown>;
  requestBody?: { content: Record<string, { schema: Schema }> };
}

/** Completes the OpenAPI document: each operation gets its errors, and an optional field may be null. */
export function documentCommon(app: FastifyInstance) {
  const routes = new Map<string, RouteOptions>();
  app.addHook("onRoute", (route) => {
    for (const method of [route.method].flat()) routes.set(`${method} ${route.url}`, route);
  });

  return (document: Documented): Documented => {
    const schemas: Record<string, unknown> = { ...document.components?.schemas, Problem };
    for (const [name, route] of routes) {
      const [method, url] = name.split(" ") as [string, string];
      const path = url.replace(/:(\w+)/g, "{$1}");
      const operation = document.paths?.[path]?.[method.toLowerCase()] as Operation | undefined;
      if (!operation) continue;
      Object.assign(operation.responses, errorResponses(name, route, schemas));
      for (const wide of ["4XX", "5XX"]) delete operation.responses[wide];
      for (const content of Object.values(operation.requestBody?.content ?? {}))
        content.schema = withNulls(content.schema);
    }
    return { ...document, components: { ...document.components, schemas } };
  };
}

function errorResponses(name: string, route: RouteOptions, schemas: Record<string, unknown>) {
  const response = (route.schema?.response ?? {}) as Record<string, unknown>;
  const dialect = response["4xx"] as { title: string } | undefined;
  const shape = dialect?.title ?? "Problem";
  if (dialect) schemas[shape] = dialect;
  const type = dialect ? "application/json" : "application/problem+json";
  const codes = codesOf(name, route);
  const statuses = [...new Set(codes.map((code) => errorCodes[code].status))];
  return Object.fromEntries(
    statuses
      .filter((status) => response[status] === undefined)
      .map((status) => [
        status,
        {
          description: codes
            .filter((code) => errorCodes[code].status === status)
            .map((code) => `\`${code}\`: ${errorCodes[code].description}`)
            .join("\n\n"),
          content: { [type]: { schema: { $ref: `#/components/schemas/${shape}` } } },
        },
      ]),
  );
}

function codesOf(name: string, { url, config, schema = {} }: RouteOptions): ErrorCode[] {
  const { body, querystring, params, headers } = schema as Record<
    string,
    { properties?: object } | undefined
  >;
  const creates = Object.hasOwn(headers?.properties ?? {}, "idempotency-key");
  const codes: Array<ErrorCode | false> = [
    (body ?? querystring ?? params ?? headers) !== undefined && "invalid_request",
    ...(body ? (["invalid_json", "payload_too_large", "unsupported_media_type"] as const) : []),
    ...(config?.public ? [] : (["unauthorized", "forbidden"] as const)),
    "foreign_host",
    ...(creates
      ? (["user_document_conflict", "idempotency_in_progress", "idempotency_mismatch", "overloaded"] as const)
      : []),
    config?.stream === true && "too_many_connections",
    ...(more[name] ?? []),
    ...(url.startsWith("/v1/callbacks/") ? ofCallbacks : []),
    !withoutDatabase.has(url) && "database_unavailable",
    "internal",
  ];
  return [...new Set(codes.filter((code) => code !== false))].sort(
    (a, b) => errorCodes[a].status - errorCodes[b].status,
  );
}

/** A request may send `null` for an optional field; it counts as absent. */
function withNulls(schema: Schema): Schema {
  const { properties, required = [] } = schema;
  if (!properties) return schema;
  return {
    ...schema,
    properties: Object.fromEntries(
      Object.entries(properties).map(([name, field]) => {
        const inside = withNulls(field);
        return [name, isOptional(name, required, field) && !isNullable(field) ? orNull(inside) : inside];
      }),
    ),
  };
}

function orNull(schema: Schema): Schema {
  const { type, anyOf, enum: values } = schema;
  return {
    ...schema,
    ...(type !== undefined && { type: [type, "null"].flat() }),
    ...(anyOf && { anyOf: [...anyOf, { type: "null" }] }),
    ...(values && { enum: [...values, null] }),
  };
}
