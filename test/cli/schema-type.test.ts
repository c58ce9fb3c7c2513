import { expect, test } from "vitest";
import { typeOfSchema } from "../../src/cli/schema-type.ts";

/** On one line, with its declarations after it. */
const written = (schema: object) => {
  const { type, declarations } = typeOfSchema(schema, "X");
  return [type, ...declarations].map((one) => one.replace(/\s+/g, " "));
};
const typeOf = (schema: object) => written(schema)[0];

test.each<[object, string]>([
  [{ type: "string", minLength: 3 }, "string"],
  [{ type: "integer" }, "number"],
  [{ type: ["number", "null", "boolean"] }, "number | null | boolean"],
  [{ type: "string", nullable: true }, "string | null"],
  [{ enum: ["a", 1, null, true] }, '"a" | 1 | null | true'],
  [{ enum: ["a", { b: 1 }] }, "unknown"],
  [{ const: 'say "x"' }, '"say \\"x\\""'],
  [{ type: "array", items: { type: "string" } }, "string[]"],
  [{ type: "array", items: { enum: [1, 2] } }, "Array<1 | 2>"],
  [{ type: "array" }, "unknown[]"],
  [{ type: "array", items: [{ type: "string" }] }, "unknown[]"],
  [{ type: "array", prefixItems: [{}], items: { type: "string" } }, "unknown[]"],
  [{ type: "object" }, "{ [name: string]: unknown; }"],
  [{ type: "object", additionalProperties: false }, "{ [name: string]: never; }"],
  [{ type: "object", additionalProperties: { type: "number" } }, "{ [name: string]: number; }"],
  [{ properties: { a: { type: "string" } }, required: ["a", "b"] }, "{ a: string; b: unknown; }"],
  [
    { type: "object", properties: { "a-b": {}, c: false, d: true }, additionalProperties: true },
    '{ "a-b"?: unknown; c?: never; d?: unknown; [name: string]: unknown; }',
  ],
  [
    { type: "object", properties: { a: { type: "string" } }, additionalProperties: { type: "number" } },
    "{ a?: string; [name: string]: unknown; }",
  ],
  [
    { properties: { a: { type: "string", description: "One\n*/ line" } } },
    "{ /** One *\\/ line */ a?: string; }",
  ],
  [{ anyOf: [{ type: "string" }, { type: "null" }] }, "string | null"],
  [{ oneOf: [{ type: "string" }, {}] }, "unknown"],
  [{ properties: { a: {} }, anyOf: [{ required: ["a"] }, { required: ["b"] }] }, "{ a?: unknown; }"],
  [
    {
      properties: { a: {} },
      oneOf: [{ properties: { b: { const: 1 } } }, { properties: { b: { const: 2 } } }],
    },
    "{ a?: unknown; } & ({ b?: 1; } | { b?: 2; })",
  ],
  [{ allOf: [{ properties: { a: {} } }, { properties: { b: {} } }] }, "{ a?: unknown; } & { b?: unknown; }"],
  [{ not: { type: "string" } }, "unknown"],
  [{ if: {}, else: {} }, "unknown"],
  [{ type: "date" }, "unknown"],
  [{ $ref: "https://example.com/schema" }, "unknown"],
  [{ $ref: "#/$defs/none" }, "unknown"],
])("%j is %s", (schema, expected) => {
  expect(typeOf(schema)).toBe(expected);
});

test("each target of a $ref is declared once, even if it contains itself", () => {
  const schema = {
    properties: {
      a: { $ref: "#/$defs/tree" },
      b: { $ref: "#/$defs/tree" },
      c: { $ref: "#/definitions/a~1tree" },
    },
    $defs: { tree: { properties: { children: { type: "array", items: { $ref: "#/$defs/tree" } } } } },
    definitions: { "a/tree": { anyOf: [{ $ref: "#" }, { type: "null" }] } },
  };
  expect(written(schema)).toEqual([
    "{ a?: XTree; b?: XTree; c?: XTree2; }",
    "export type XTree = { children?: XTree[]; };",
    "export type XRoot = { a?: XTree; b?: XTree; c?: XTree2; };",
    "export type XTree2 = XRoot | null;",
  ]);
});

test("a $ref to itself alone says nothing", () => {
  const $defs = { a: { anyOf: [{ $ref: "#/$defs/b" }, { type: "string" }] }, b: { $ref: "#/$defs/a" } };
  expect(written({ $ref: "#/$defs/a", $defs })).toEqual([
    "XA",
    "export type XB = unknown;",
    "export type XA = XB | string;",
  ]);
});
