// A product's own server: it knows who is signed in, keeps the API key, and gives the page a token for that user. Start Belfry with
// ALLOWED_ORIGINS=http://127.0.0.1:8080, API_KEYS and TOKEN_SECRET.
//
//   BELFRY_API_KEY=… node examples/inbox-html/serve.js
//
// To serve another folder: `npx vite build examples/inbox-react`, then … serve.js examples/inbox-react/dist

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, resolve, sep } from "node:path";
import { BelfryClient } from "belfry/client";

const {
  BELFRY_URL: server = "http://127.0.0.1:3000",
  BELFRY_API_KEY: apiKey = "",
  PORT = "8080",
} = process.env;
const folder = resolve(process.argv[2] ?? import.meta.dirname);
// Yours takes the user from the session.
const client = new BelfryClient({ server, apiKey, user: "alex" });

/** @type {Record<string, string>} */
const types = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css" };

const pages = createServer(async ({ method, url = "/" }, response) => {
  try {
    if (method === "POST" && url === "/token") {
      const { token } = await client.createToken();
      return void response.writeHead(200, { "cache-control": "no-store" }).end(token);
    }
    const file = resolve(folder, `.${url === "/" ? "/index.html" : url}`);
    const type = types[extname(file)];
    if (!type || !file.startsWith(folder + sep)) return void response.writeHead(404).end();
    response.writeHead(200, { "content-type": type, "cache-control": "no-cache" }).end(await readFile(file));
  } catch (error) {
    console.error(error);
    response.writeHead(502).end();
  }
});
pages.listen(Number(PORT), "127.0.0.1", () => {
  const address = /** @type {import("node:net").AddressInfo} */ (pages.address());
  console.log(`http://127.0.0.1:${address.port}`);
});
