import { isUtf8 } from "node:buffer";
import type { FastifyInstance } from "fastify";
import { BelfryError } from "../model/errors.ts";
import { escapePointer } from "../model/free-data.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** No body at all is an empty object. */
    bodyOptional?: boolean;
  }
}

/**
 * As Fastify reads JSON, with two differences: bytes that are no UTF-8 are refused instead of becoming U+FFFD, and a
 * refused `__proto__` or `constructor.prototype` is pointed at.
 */
export function readJsonExactly(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser("error", "error");
  app.removeContentTypeParser("application/json");
  app.addContentTypeParser("application/json", { parseAs: "buffer" }, (request, body: Buffer, done) => {
    if (body.length === 0 && request.routeOptions.config.bodyOptional) return done(null);
    if (!isUtf8(body)) return done(new BelfryError("invalid_json", "The body is not UTF-8."));
    const text = body.toString("utf8");
    parse(request, text, (error, value) => {
      const pointer = error ? pointerToPrototype(text) : undefined;
      if (pointer === undefined) return done(error, value);
      const detail = "is a name that can change a JavaScript program's objects; rename it";
      done(new BelfryError("invalid_request", `${pointer} ${detail}.`, [{ pointer, detail }]));
    });
  });
  app.addHook("preValidation", (request, _reply, done) => {
    if (request.body === undefined && request.routeOptions.config.bodyOptional) request.body = {};
    done();
  });
}

/** For calls that say everything in their path. Clients differ in what they send along; it is read by nobody. */
export function ignoreBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (_request, payload, done) => {
    payload.resume();
    done(null);
  });
}

/** Where the name stands that made the parser refuse; undefined when the text is no JSON at all. */
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
    // No JSON at all: that is what the caller is told.
  }
  return undefined;
}
