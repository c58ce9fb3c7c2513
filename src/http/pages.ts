import { readFile } from "node:fs/promises";
import type { FastifyInstance } from "fastify";

/** Nothing from elsewhere, nothing inline. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const files = [
  { path: "/", file: "index.html", type: "text/html; charset=utf-8" },
  { path: "/start.css", file: "start.css", type: "text/css; charset=utf-8" },
  { path: "/start.js", file: "start.js", type: "text/javascript; charset=utf-8" },
];

/** The start page at `/`: three small files, read once. It asks for an API key itself when the server wants one. */
export async function pages(app: FastifyInstance): Promise<void> {
  // Beside `src` and `dist` alike.
  const folder = new URL("../../web/start/", import.meta.url);
  for (const { path, file, type } of files) {
    const content = await readFile(new URL(file, folder));
    app.get(path, { config: { public: true }, schema: { hide: true } }, async (_request, reply) =>
      reply
        .type(type)
        .header("content-security-policy", policy)
        .header("cache-control", "no-cache")
        .send(content),
    );
  }
}
