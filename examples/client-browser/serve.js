// A product's own server: it knows who is signed in, and keeps the API key. The page gets a token for its user alone, and
// talks to Belfry itself. Belfry wants ALLOWED_ORIGINS=http://127.0.0.1:8080, API_KEYS and TOKEN_SECRET.
//
//   BELFRY_URL=http://127.0.0.1:3000 BELFRY_API_KEY=… PORT=8080 node examples/client-browser/serve.js

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { BelfryClient } from "belfry/client";

const {
  BELFRY_URL: server = "http://127.0.0.1:3000",
  BELFRY_API_KEY: apiKey = "",
  PORT = "8080",
} = process.env;
// Yours says by its session who asks.
const user = "alex";
const client = new BelfryClient({ server, apiKey, user });
/** The client is plain modules: a page can have them as they are, or through any bundler. */
const clientFolder = new URL(".", import.meta.resolve("belfry/client"));

/** @type {(path: string) => Promise<[type: string, body: string | Buffer]> | undefined} */
function answer(path) {
  if (path === "/me") return Promise.resolve(["application/json", JSON.stringify({ server, user })]);
  if (path === "/token") return client.createToken().then(({ token }) => ["text/plain", token]);
  const own = /^\/(index\.html|page\.js)$/.exec(path === "/" ? "/index.html" : path)?.[1];
  const ofClient = /^\/belfry\/([a-z-]+\.js)$/.exec(path)?.[1];
  const file = own ? new URL(own, import.meta.url) : ofClient && new URL(ofClient, clientFolder);
  if (!file) return undefined;
  const type = own === "index.html" ? "text/html; charset=utf-8" : "text/javascript; charset=utf-8";
  return readFile(file).then((content) => [type, content]);
}

const pages = createServer(async (request, response) => {
  try {
    const found = await answer(request.url ?? "/");
    if (!found) return void response.writeHead(404).end();
    const [type, body] = found;
    response.writeHead(200, { "content-type": type, "cache-control": "no-store" }).end(body);
  } catch (error) {
    console.error(error);
    response.writeHead(502).end();
  }
});
pages.listen(Number(PORT), "127.0.0.1", () => {
  const address = /** @type {import("node:net").AddressInfo} */ (pages.address());
  console.log(`http://127.0.0.1:${address.port}`);
});
