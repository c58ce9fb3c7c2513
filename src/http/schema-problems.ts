import { type ErrorDetail, escapePointer, shortPointer } from "../model/errors.ts";
import { didYouMean } from "../model/nearest.ts";
import { patternSentences } from "./patterns.ts";

/** The parts of JSON Schema that our schemas use. */
export interface Schema {
  type?: string | string[];
  enum?: unknown[];
  default?: unknown;
  anyOf?: Schema[];
  properties?: Record<string, Schema>;
  required?: string[] | undefined;
  patternProperties?: Record<string, Schema>;
  additionalProperties?: boolean | Schema;
  minProperties?: number;
  items?: Schema;
  minItems?: number;
  maxItems?: number;
  uniqueItems?: boolean;
  minLength?: number;
  maxLength?: number;
  pattern?: string;
  minimum?: number;
  maximum?: number;
}

const maxProblems = 20;

/** Each field's first problem, in a sentence about the field, up to twenty. Sizes are looked at before what is inside. */
export function collectProblems(schema: Schema, value: unknown, pointer: string, found: ErrorDetail[]): void {
  if (found.length >= maxProblems) return;
  const add = (detail: string) => void found.push({ pointer, detail });
  if (schema.anyOf) {
    const sameKind = schema.anyOf.find((branch) => isOfType(branch, value));
    if (sameKind) collectProblems(sameKind, value, pointer, found);
    else add(`must be ${schema.anyOf.map(kindOf).join(" or ")}`);
  } else if (pointer === "" && (value === undefined || value === null))
    add("is missing; send one JSON object");
  else if (!isOfType(schema, value)) add(`must be ${kindOf(schema)}, not ${kindOfValue(value)}`);
  else if (schema.enum && !schema.enum.includes(value)) add(`must be one of ${oneOf(schema.enum, value)}`);
  else if (typeof value === "string") collectText(schema, value, add);
  else if (typeof value === "number") collectNumber(schema, value, add);
  else if (Array.isArray(value)) collectList(schema, value, pointer, found);
  else if (typeof value === "object" && value !== null)
    collectObject(schema, value as Record<string, unknown>, pointer, found);
}

type Add = (detail: string) => void;

function collectText(
  { minLength = 0, maxLength = Number.POSITIVE_INFINITY, pattern }: Schema,
  text: string,
  add: Add,
) {
  // A character beyond 16 bits counts once.
  const length = text.length > 2 * maxLength ? text.length : [...text].length;
  if (length === 0 && minLength > 0) add("must not be empty");
  else if (length < minLength) add(`must have at least ${count(minLength)} characters`);
  else if (length > maxLength)
    add(`has ${count(length)} characters; at most ${count(maxLength)} are allowed`);
  else if (pattern !== undefined && !new RegExp(pattern, "u").test(text))
    add(patternSentences[pattern] ?? "has characters that are not allowed here");
}

function collectNumber({ minimum, maximum }: Schema, number: number, add: Add) {
  if (minimum !== undefined && number < minimum) add(`must be at least ${count(minimum)}`);
  else if (maximum !== undefined && number > maximum) add(`must be at most ${count(maximum)}`);
}

function collectList(schema: Schema, list: unknown[], pointer: string, found: ErrorDetail[]) {
  const { minItems = 0, maxItems = Number.POSITIVE_INFINITY, uniqueItems, items } = schema;
  const name = pointer.slice(pointer.lastIndexOf("/") + 1);
  const things = /[^s]s$/.test(name) && name !== "status" ? name : "values";
  const before = found.length;
  if (list.length === 0 && minItems > 0) found.push({ pointer, detail: "must not be empty" });
  else if (list.length > maxItems) {
    const most = `at most ${count(maxItems)} ${things}`;
    found.push({ pointer, detail: `has ${count(list.length)} ${things}; send ${most}` });
  } else if (items)
    for (const [index, item] of list.entries()) {
      if (found.length >= maxProblems) break;
      collectProblems(items, item, `${pointer}/${index}`, found);
    }
  if (!uniqueItems || found.length > before) return;
  if (new Set(list).size < list.length) found.push({ pointer, detail: "has a value twice" });
}

function collectObject(
  schema: Schema,
  value: Record<string, unknown>,
  pointer: string,
  found: ErrorDetail[],
) {
  const { properties = {}, required = [], minProperties = 0 } = schema;
  const at = (name: string) => shortPointer(`${pointer}/${escapePointer(name)}`);
  for (const name of required)
    if (value[name] === undefined) found.push({ pointer: at(name), detail: "is missing" });
  for (const name in value) {
    if (found.length >= maxProblems) break;
    const known = schemaOfProperty(schema, name);
    if (known) collectProblems(known, value[name], at(name), found);
    else if (schema.additionalProperties === false)
      found.push({
        pointer: at(name),
        detail: `is not a field of this request${didYouMean(name, Object.keys(properties))}`,
      });
  }
  found.splice(maxProblems);
  if (found.length === 0 && Object.keys(value).length < minProperties)
    found.push({ pointer, detail: `needs at least one of ${Object.keys(properties).join(", ")}` });
}

/** Undefined for a name that the schema says nothing about. */
function schemaOfProperty(
  { properties = {}, patternProperties = {}, additionalProperties }: Schema,
  name: string,
): Schema | undefined {
  if (Object.hasOwn(properties, name)) return properties[name];
  for (const [pattern, schema] of Object.entries(patternProperties))
    if (new RegExp(pattern, "u").test(name)) return schema;
  return typeof additionalProperties === "object" ? additionalProperties : undefined;
}

const oneOf = (values: unknown[], value: unknown): string => {
  const texts = values.filter((one) => typeof one === "string");
  return values.join(", ") + (typeof value === "string" ? didYouMean(value, texts) : "");
};

const count = (number: number): string => number.toLocaleString("en-US");

const kinds: Record<string, string> = {
  string: "text",
  integer: "a whole number",
  number: "a number",
  boolean: "true or false",
  object: "an object",
  array: "a list",
  null: "null",
};
const kindOf = ({ type, enum: values }: Schema): string =>
  type === undefined && values
    ? `one of ${values.join(", ")}`
    : typesOf(type)
        .map((one) => kinds[one])
        .join(" or ");

const typesOf = (type: Schema["type"]): string[] => (type === undefined ? [] : [type].flat());

function kindOfValue(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "boolean") return String(value);
  if (typeof value === "number") return Number.isInteger(value) ? "a number" : "a fraction";
  return kinds[typeof value] ?? typeof value;
}

function isOfType({ type }: Schema, value: unknown): boolean {
  const types = typesOf(type);
  if (types.length === 0) return true;
  return types.some((one) => {
    if (one === "integer") return Number.isInteger(value);
    if (one === "number") return typeof value === "number" && Number.isFinite(value);
    if (one === "array") return Array.isArray(value);
    if (one === "null") return value === null;
    if (one === "object") return typeof value === "object" && value !== null && !Array.isArray(value);
    return typeof value === one;
  });
}

export const isNullable = ({ type, anyOf = [] }: Schema): boolean =>
  typesOf(type).includes("null") || anyOf.some(isNullable);

export const isOptional = (name: string, required: string[], schema: Schema): boolean =>
  !required.includes(name) || schema.default !== undefined;
