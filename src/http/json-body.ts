import { isUtf8 } from "node:buffer";
import type { FastifyInstance } from "fastify";
import { BelfryError, invalidRequest, shortPointer } from "../model/errors.ts";
import { findInexactNumber } from "../model/exact-numbers.ts";
import { escapePointer } from "../model/json-limits.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** No body at all is an empty object. */
    bodyOptional?: boolean;
  }
}

/**
 * Reads JSON as Fastify does, and refuses what would be stored as something else: bytes that are not UTF-8, integers that
 * JavaScript cannot hold exactly, and names that change a JavaScript program's objects, each with its pointer. Every
 * other content type is 415, as is a compressed body.
 */
export function readJsonExactly(app: FastifyInstance): void {
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
