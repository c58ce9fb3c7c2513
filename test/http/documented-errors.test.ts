import { Ajv } from "ajv";
import fc from "fast-check";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import document from "../../openapi.json" with { type: "json" };
import { startApp } from "../../src/app.ts";
import { loadConfig } from "../../src/config/load.ts";
import { freshDatabase } from "../support/database.ts";
import { type Answer, call } from "../support/http.ts";

// Every operation documents its errors, answers them in that shape, and says them in plain sentences.

interface Schema {
  type?: string | string[];
  properties?: Record<string, Schema>;
  required?: string[];
  enum?: unknown[];
  $ref?: string;
}
interface Operation {
  parameters?: Array<{ name: string; in: string; required?: boolean; schema: Schema }>;
  requestBody?: { content: Record<string, { schema: Schema }> };
  responses: Record<string, { content?: Record<string, { schema: Schema }> }>;
  security?: object[];
}
const operations = Object.entries(
  document.paths as unknown as Record<string, Record<string, Operation>>,
).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
);
const named = operations.map((one) => [`${one.method} ${one.path}`, one] as const);
const schemas = (document as unknown as { components: { schemas: Record<string, Schema> } }).components
  .schemas;
const ajv = new Ajv({
  strict: false,
  schemas: Object.entries(schemas).map(([name, schema]) => ({ ...schema, $id: name })),
});

const key = "a-key-of-enough-characters";
const { uri } = freshDatabase();
let url = "";
let close = async () => {};
beforeAll(async () => {
  const variables = { PORT: "0", DB_URI: uri, API_KEYS: key, MAX_RETRIES: "0" };
  const app = await startApp(loadConfig(variables).config, pino({ level: "silent" }));
  url = app.url ?? "";
  close = app.close;
});
afterAll(() => close());

/** An error is documented under its status, and has the documented shape. */
function isDocumented(operation: Operation, { status, body, headers }: Answer, what: string) {
  if (status < 400) return;
  const response = operation.responses[status];
  expect(response, `${what} ${status} ${JSON.stringify(body)}`).toBeDefined();
  const type = headers.get("content-type")?.split(";")[0] as string;
  const schema = response?.content?.[type]?.schema;
  expect(schema, `${what} ${status} ${type}`).toBeDefined();
  const name = schema?.$ref?.split("/").at(-1);
  expect(ajv.validate(name ?? (schema as object), body), `${what} ${ajv.errorsText()}`).toBe(true);
}

const jargon =
  /[Ss]chema|oneOf|anyOf|must NOT|additional propert|pattern|must match|must be (string|object|array|integer|boolean|null)\b|fewer than/;
/** Every sentence of an error's body. */
function textsOf(body: unknown): string[] {
  if (typeof body === "string") return [body];
  if (typeof body !== "object" || body === null) return [];
  return Object.entries(body).flatMap(([name, value]) =>
    ["instance", "pointer", "title"].includes(name) ? [] : textsOf(value),
  );
}

function pathOf(path: string, values: Record<string, string> = {}): string {
  const good: Record<string, string> = {
    id: "0".repeat(24),
    item: "0".repeat(24),
    user_id: "4",
    channel: "email",
    key: "new_post",
    receiver_user_id: "alex",
  };
  return path.replace(/\{(\w+)\}/g, (_all, name) => encodeURIComponent(values[name] ?? good[name] ?? "x"));
}
const authorized = { authorization: `Bearer ${key}` };
const isPublic = (operation: Operation) => operation.security?.length === 0;
/** Streams never end; these have tests of their own. */
const ends = ({ operation }: { operation: Operation }) =>
  !operation.responses[200]?.content?.["text/event-stream"];

test.each(named)(
  "%s documents the errors that follow from its access and input",
  (_name, { method, path, operation }) => {
    const statuses = Object.keys(operation.responses);
    expect(statuses).toEqual(expect.arrayContaining(["403", "500"]));
    if (!isPublic(operation)) expect(statuses).toContain("401");
    if (operation.parameters?.length || operation.requestBody) expect(statuses).toContain("400");
    if (operation.requestBody && method !== "DELETE")
      expect(statuses).toEqual(expect.arrayContaining(["413", "415"]));
    if (operation.parameters?.some((one) => one.name === "idempotency-key"))
      expect(statuses).toEqual(expect.arrayContaining(["409", "422", "503"]));
    for (const wide of ["4XX", "5XX"]) expect(statuses, path).not.toContain(wide);
  },
);

test.each(named.filter(([, one]) => !isPublic(one.operation)))(
  "%s without a key is a documented 401",
  async (name, { method, path, operation }) => {
    const answer = await call(url, method, pathOf(path));
    expect(answer.status).toBe(401);
    isDocumented(operation, answer, name);
  },
);

describe("wrong input", () => {
  const anything = fc.oneof(
    { weight: 3, arbitrary: fc.jsonValue({ maxDepth: 2 }) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        null,
        "",
        " ",
        "x".repeat(3_000),
        -1,
        1.5,
        1e9,
        true,
        [],
        {},
        ["a", "a"],
        [{}],
        { a: 1 },
        "\u0000",
      ),
    },
  );
  test.each(named.filter(([, one]) => ends(one)))(
    "%s: each answer is documented",
    async (name, { method, path, operation }) => {
      const schema = Object.values(operation.requestBody?.content ?? {})[0]?.schema;
      const fields = Object.keys(schema?.properties ?? {});
      const queries = operation.parameters?.filter((one) => one.in === "query").map((one) => one.name) ?? [];
      const inPath = operation.parameters?.filter((one) => one.in === "path").map((one) => one.name) ?? [];
      const request = fc.record({
        body: schema
          ? fc.oneof(
              {
                weight: 5,
                arbitrary: fc.record(
                  Object.fromEntries([...fields, "unknown"].map((field) => [field, anything])),
                  { requiredKeys: [] },
                ),
              },
              { weight: 1, arbitrary: anything },
            )
          : fc.constant(undefined),
        query: fc.record(
          Object.fromEntries(
            queries.map((one) => [
              one,
              fc.oneof(fc.string(), fc.constantFrom("-1", "x", "1.5", "999999999")),
            ]),
          ),
          { requiredKeys: [] },
        ),
        values: fc.record(
          Object.fromEntries(
            inPath.map((one) => [one, fc.constantFrom("x".repeat(200), " ", "\u0001", "0".repeat(24), "7")]),
          ),
          { requiredKeys: [] },
        ),
      });
      await fc.assert(
        fc.asyncProperty(request, async ({ body, query, values }) => {
          const search = new URLSearchParams(query as Record<string, string>).toString();
          const at = pathOf(path, values as Record<string, string>) + (search && `?${search}`);
          const answer = await call(
            url,
            method,
            at,
            body === undefined ? undefined : JSON.stringify(body),
            authorized,
          );
          expect(answer.status, JSON.stringify([at, body, answer.body])).toBeLessThan(500);
          isDocumented(operation, answer, name);
          if (answer.status < 400) return;
          for (const text of textsOf(answer.body))
            expect(text, JSON.stringify([at, body])).not.toMatch(jargon);
          const details = answer.body.errors ?? answer.body.details ?? answer.body.error?.details ?? [];
          expect(
            new Set(details.map((one: { pointer: string }) => one.pointer)).size,
            "each field once",
          ).toBe(details.length);
        }),
        { numRuns: 25 },
      );
    },
  );

  test.each(named.filter(([, one]) => one.operation.requestBody))(
    "%s: a body that is too long, not JSON, of another type or compressed",
    async (name, { method, path, operation }) => {
      const send = (body: string, headers: Record<string, string> = {}) =>
        call(url, method, pathOf(path), body, { ...authorized, ...headers });
      for (const [status, answer] of [
        [413, await send(JSON.stringify("x".repeat(5 * 1024 * 1024)))],
        [400, await send("{")],
        [415, await send("{}", { "content-type": "text/plain" })],
        [415, await send("{}", { "content-encoding": "gzip" })],
      ] as const) {
        expect(answer.status, JSON.stringify(answer.body)).toBe(status);
        isDocumented(operation, answer, name);
      }
    },
  );
});
