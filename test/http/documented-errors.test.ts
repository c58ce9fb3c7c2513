import { Ajv } from "ajv";
import { pino } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import document from "../../openapi.json" with { type: "json" };
import { startApp } from "../../src/app.ts";
import { loadConfig } from "../../src/config.ts";
import { freshDatabase } from "../support/database.ts";
import { type Answer, call } from "../support/http.ts";

// Every operation documents its errors, and answers them in that shape.

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
const isPublic = (operation: Operation) => operation.security?.length === 0;
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
