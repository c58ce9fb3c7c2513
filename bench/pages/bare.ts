import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

/**
 * The reference: a server in its own process that answers as the service does (gzipped, with an `ETag`, and 304). Its pages
 * have the same bytes as Belfry's and only add one `<h1>`. It also serves a page with the tag in it.
 */
export async function startBare(service: string) {
  const child: ChildProcess = fork(fileURLToPath(import.meta.url), [service]);
  const ended = once(child, "exit");
  const port = await Promise.race([
    once(child, "message").then(([port]) => port as number),
    ended.then(() => Promise.reject(new Error("the server of the reference did not start"))),
  ]);
  const url = `http://127.0.0.1:${port}`;
  return {
    pid: child.pid as number,
    console: `${url}/console.html`,
    inbox: `${url}/inbox.html`,
    tagOf: (user: string) => `${url}/tag.html?user=${user}`,
    async stop() {
      child.disconnect();
      await ended;
    },
  };
}

export type Bare = Awaited<ReturnType<typeof startBare>>;

async function serve(service: string): Promise<void> {
  const [html, css, js, inbox] = await Promise.all(
    ["/", "/console.css", "/console.js", "/inbox.js"].map(async (path) =>
      (await fetch(service + path)).text(),
    ),
  );
  const server = createServer(({ url = "/", headers }, response) => {
    const { pathname, searchParams } = new URL(url, service);
    const page = pages[pathname]?.(searchParams, headers.host as string);
    const [type, text] = page ? ["text/html", page] : (files[pathname] ?? ["text/plain", ""]);
    send(response, headers["if-none-match"], type, text);
  });
  const files: Record<string, [type: string, text: string]> = {
    "/console.css": ["text/css", inert(css as string)],
    "/console.js": ["text/javascript", inert(js as string) + heading],
    "/inbox.js": ["text/javascript", inert(inbox as string) + heading],
  };
  const pages: Record<string, (query: URLSearchParams, host: string) => string> = {
    "/console.html": () => (html as string).replace("<bf-console></bf-console>", ""),
    // The script comes from another origin, as the tag's does.
    "/inbox.html": (_, host) => embedding(`http://${host.replace("127.0.0.1", "localhost")}`, ""),
    // With this badge a visit marks nothing as seen, and the next one is like it.
    "/tag.html": (query) =>
      embedding(service, `<belfry-inbox user="${query.get("user")}" badge="unread"></belfry-inbox>`),
  };
  server.listen(0, () => process.send?.((server.address() as AddressInfo).port));
  process.on("disconnect", () => {
    server.closeAllConnections();
    server.close();
  });
}

const packed = new Map<string, Buffer>();

function send(response: ServerResponse, known: string | undefined, type: string, text: string): void {
  const body = packed.get(text) ?? gzipSync(text, { level: 9 });
  packed.set(text, body);
  const etag = `"${body.length}"`;
  response.setHeader("cache-control", "no-cache").setHeader("etag", etag);
  response.setHeader("access-control-allow-origin", "*");
  if (known === etag) return void response.writeHead(304).end();
  response.setHeader("content-type", `${type}; charset=utf-8`).setHeader("content-encoding", "gzip");
  response.end(body);
}

/** The same bytes as one comment, so nothing runs. */
const inert = (text: string): string => `/*${text.replaceAll("*/", "* ")}*/\n`;

const heading = `
const heading = document.createElement("h1");
heading.textContent = "Belfry";
heading.onclick = () => heading.classList.add("clicked");
document.body.append(heading);`;

const head = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">`;

/** A page with nothing but the tag, so the first paint is the tag's. */
const embedding = (origin: string, tag: string): string =>
  `${head}<title>A product</title><script type="module" src="${origin}/inbox.js"></script>
  <body style="text-align: end">${tag}</body></html>`;

if (process.argv[1] === fileURLToPath(import.meta.url)) await serve(process.argv[2] as string);
