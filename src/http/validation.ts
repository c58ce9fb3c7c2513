import { isUtf8 } from "node:buffer";
import { Ajv, type ValidateFunction } from "ajv";
import type { FastifyInstance } from "fastify";
import {
  BelfryError,
  type ErrorDetail,
  escapePointer,
  invalidRequest,
  shortPointer,
} from "../model/errors.ts";
import { findInexactNumber } from "../model/exact-numbers.ts";
import { collectProblems, isNullable, isOptional, type Schema } from "./schema-problems.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** No body at all is an empty object. */
    bodyOptional?: boolean;
  }
}

/**
 * Checks the path, query, headers and body of every route against its schemas. Reads JSON as Fastify does, and refuses what would be stored as something else: bytes that are not UTF-8, integers that
 * JavaScript cannot hold exactly, and names that change a JavaScript program's objects, each with its pointer. Every
 * other content type is 415, as is a compressed body. A schema is compiled with its first use: all of them at every
 * start would take longer than the rest of it.
 */
export function checkInput(app: FastifyInstance): void {
  app.setValidatorCompiler(({ schema, httpPart }: { schema: Schema; httpPart?: string }) => {
    let check: Check | undefined;
    return (value: unknown) => {
      check ??= httpPart === "body" ? bodyCheck(schema) : textCheck(schema, httpPart === "querystring");
      const error = check(value);
      return error ? { error } : true;
    };
  });
  const parse = app.getDefaultJsonParser("error", "error");
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("application/json", { parseAs: "buffer" }, (request, body: Buffer, done) => {
    if (body.length === 0 && request.routeOptions.config.bodyOptional) return done(null);
    const encoding = request.headers["content-encoding"];
    if (encoding !== undefined && encoding.toLowerCase() !== "identity") return done(compressed(encoding));
    if (!isUtf8(body)) return done(new BelfryError("invalid_json", "The body is not UTF-8."));
    const text = body.toString("utf8");
    parse(request, text, (error, value) => {
      if (error) return done(prototypeError(text) ?? error);
      const pointer = findInexactNumber(text);
      return pointer === undefined ? done(null, value) : done(inexact(pointer));
    });
  });
  app.addHook("preValidation", (request, _reply, done) => {
    if (request.body === undefined && request.routeOptions.config.bodyOptional) request.body = {};
    done();
  });
}

const common = { removeAdditional: false, useDefaults: true, strict: false } as const;
/** Stops at the first problem: half a million wrong items cost as much as one. */
const exact = new Ajv({ ...common, allErrors: false, coerceTypes: false });
/** Goes on, since what it has not read yet is still text. A request's head bounds it. */
const reading = new Ajv({ ...common, allErrors: true, coerceTypes: true });

/** Undefined when the value is fine; it may be changed: defaults are filled in, and an optional `null` is removed. */
export type Check = (value: unknown) => BelfryError | undefined;

/** A body means what it says: no unknown field is dropped, and `"1"` is no number. An optional `null` is as if absent. */
export function bodyCheck(schema: Schema): Check {
  const validate = exact.compile(schema);
  const removeNulls = nullRemover(schema);
  return (value) => {
    removeNulls?.(value);
    return resultOf(validate, schema, value, "");
  };
}

/** A query, a path or headers: all of it is text, which is read as what the schema wants. */
export function textCheck(schema: Schema, isQuery: boolean): Check {
  const validate = reading.compile(schema);
  return (value) => resultOf(validate, schema, value, isQuery ? "?" : "");
}

function resultOf(validate: ValidateFunction, schema: Schema, value: unknown, start: "" | "?") {
  if (validate(value)) return undefined;
  const found: ErrorDetail[] = [];
  collectProblems(schema, value, "", found);
  if (found.length === 0) found.push({ pointer: "", detail: "is not valid" });
  return invalidRequest(
    found.map(({ pointer, detail }) => ({
      pointer: start && pointer ? `?${pointer.slice(1)}` : pointer,
      detail,
    })),
  );
}

/** Removes the nulls of optional fields; fields that have a meaning for null keep it. Undefined: nothing is optional. */
function nullRemover({ properties = {}, required = [] }: Schema): ((value: unknown) => void) | undefined {
  const optional = Object.keys(properties).filter(
    (name) =>
      isOptional(name, required, properties[name] as Schema) && !isNullable(properties[name] as Schema),
  );
  const inside = Object.entries(properties).flatMap(([name, schema]) => {
    const remove = nullRemover(schema);
    return remove ? [[name, remove] as const] : [];
  });
  if (optional.length + inside.length === 0) return undefined;
  return (value) => {
    if (typeof value !== "object" || value === null) return;
    const fields = value as Record<string, unknown>;
    for (const name of optional) if (fields[name] === null) delete fields[name];
    for (const [name, remove] of inside) remove(fields[name]);
  };
}

const compressed = (encoding: string) =>
  new BelfryError(
    "unsupported_media_type",
    `The body is sent with Content-Encoding ${JSON.stringify(encoding.slice(0, 40))}. Send it uncompressed.`,
  );

const inexact = (pointer: string) =>
  invalidRequest([
    {
      pointer: shortPointer(pointer),
      detail:
        "is a number that would lose digits (the largest exact integer is 9007199254740991); send it as a string",
    },
  ]);

/** For calls that say everything in their path or query. Some clients send a body along, which is not read. */
export function ignoreBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (_request, payload, done) => {
    payload.resume();
    done(null);
  });
}

/** Points at the name that made the parser refuse; undefined when the text is not JSON at all. */
function prototypeError(text: string): BelfryError | undefined {
  const pointer = pointerToPrototype(text);
  const detail = "is a name that can change a JavaScript program's objects; rename it";
  return pointer === undefined ? undefined : invalidRequest([{ pointer: shortPointer(pointer), detail }]);
}

function pointerToPrototype(text: string): string | undefined {
  try {
    // Breadth first, without recursion: the text may be nested as deep as it is long.
    const open: Array<[string, unknown]> = [["", JSON.parse(text)]];
    for (const [pointer, value] of open) {
      if (typeof value !== "object" || value === null) continue;
      for (const [name, child] of Object.entries(value)) {
        const at = `${pointer}/${escapePointer(name)}`;
        if (name === "__proto__") return at;
        if (name === "constructor" && Object.hasOwn(Object(child), "prototype")) return `${at}/prototype`;
        open.push([at, child]);
      }
    }
  } catch {
    // Not JSON at all: the parser's own error says so.
  }
  return undefined;
}
