import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import type { FastifyInstance } from "fastify";

/** Nothing from elsewhere, nothing inline: of every page that is ours. */
export const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const types = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
};

/** A page elsewhere may embed it: there it is held to that page's policy. */
const embedded = {
  "access-control-allow-origin": "*",
  "cross-origin-resource-policy": "cross-origin",
  // Each visit has it at once; a new version is everywhere by the visit after the next, five minutes later.
  "cache-control": "public, max-age=300, stale-while-revalidate=86400",
};
/** Around a captured message, which is framed in it: styles of its own and nothing else. */
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
  { path: "/console-live.js", file: "dist/web/console/console-live.js", headers: own },
  { path: "/inbox.js", file: "dist/web/inbox/inbox.js", headers: embedded },
];

/** What browsers get: read once, packed once. */
export async function pages(app: FastifyInstance): Promise<void> {
  for (const { path, file, headers } of files) {
    // Beside `src` and `dist` alike.
    const content = await readFile(new URL(`../../${file}`, import.meta.url)).catch(() => undefined);
    if (!content) {
      app.log.warn(`${path} is not served: ${file} is missing, \`npm run build\` makes it`);
      continue;
    }
    const packed = gzipSync(content, { level: 9 });
    const etag = `W/"${createHash("sha256").update(content).digest("base64url")}"`;
    const type = types[file.split(".").at(-1) as keyof typeof types];
    app.get(path, { config: { public: true }, schema: { hide: true } }, async (request, reply) => {
      reply.headers({ ...headers, etag, vary: "Accept-Encoding" });
      // The page itself may have been asked for without the slash that its relative addresses need.
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
      return reply.header("content-encoding", "gzip").send(packed);
    });
  }
}
