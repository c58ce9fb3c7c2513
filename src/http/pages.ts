import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import type { FastifyInstance } from "fastify";

/** The policy of all our pages: nothing inline, nothing from other origins. */
export const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const types = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
};

/** Pages of other origins may embed it, under their own policy. */
const embedded = {
  "access-control-allow-origin": "*",
  "cross-origin-resource-policy": "cross-origin",
  // A cached copy loads at once, and a new version replaces it in the background after five minutes.
  "cache-control": "public, max-age=300, stale-while-revalidate=86400",
};
/** The frame of a captured message: inline styles are allowed, and nothing else. */
const framing = {
  "content-security-policy":
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
  "referrer-policy": "no-referrer",
  "cache-control": "no-cache",
};
const own = {
  "content-security-policy": policy,
  "referrer-policy": "no-referrer",
  "cache-control": "no-cache",
};

const files: Array<{ path: string; file: string; headers: Record<string, string> }> = [
  { path: "/", file: "web/console/index.html", headers: own },
  { path: "/message.html", file: "web/console/message.html", headers: framing },
  { path: "/console.css", file: "dist/web/console/console.css", headers: own },
  { path: "/console.js", file: "dist/web/console/console.js", headers: own },
  { path: "/console-broadcasts.js", file: "dist/web/console/console-broadcasts.js", headers: own },
  { path: "/console-live.js", file: "dist/web/console/console-live.js", headers: own },
  { path: "/inbox.js", file: "dist/web/inbox/inbox.js", headers: embedded },
  { path: "/preferences.js", file: "dist/web/preferences/preferences.js", headers: embedded },
];

/** The files for browsers, read once, and compressed with their first request. */
export async function pages(app: FastifyInstance): Promise<void> {
  for (const { path, file, headers } of files) {
    // The path is the same from `src` and from `dist`.
    const content = await readFile(new URL(`../../${file}`, import.meta.url)).catch(() => undefined);
    if (!content) {
      app.log.warn(`${path} is not served, because ${file} is missing: run \`npm run build\``);
      continue;
    }
    let packed: Buffer | undefined;
    const etag = `W/"${createHash("sha256").update(content).digest("base64url")}"`;
    const type = types[file.split(".").at(-1) as keyof typeof types];
    app.get(path, { config: { public: true }, schema: { hide: true } }, async (request, reply) => {
      reply.headers({ ...headers, etag, vary: "Accept-Encoding" });
      // Relative links need a trailing slash, which the request may lack.
      if (path === "/" && request.basePath !== "") {
        const page = content.toString().replace(/(href|src)="\.\//g, `$1="${request.basePath}/`);
        return reply
          .removeHeader("etag")
          .type(type as string)
          .send(page);
      }
      if (request.headers["if-none-match"]?.includes(etag)) return reply.code(304).send();
      reply.type(type);
      if (!/\bgzip\b/.test(request.headers["accept-encoding"] ?? "")) return reply.send(content);
      packed ??= gzipSync(content, { level: 9 });
      return reply.header("content-encoding", "gzip").send(packed);
    });
  }
}
