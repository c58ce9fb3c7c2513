import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

export interface Site {
  url: string;
  /** The paths of the pages that it has sent. */
  pages: string[];
  /** What its next visitors get: the body of its one page, what its own script does, and where the tag is from. */
  shows(body: string, script?: string, module?: string | null): void;
}

/** Plain, with something that the tag must not be touched by: `1rem` of 10 px. */
const css = `
  :root { color-scheme: light dark; font: 62.5%/1.5 Georgia, serif; }
  body { margin: 0; font-size: 1.7rem; background: light-dark(#fff, #14110e); }
  header { display: flex; align-items: center; gap: 2.4rem; padding: 0.6rem 2rem; border-bottom: 1px solid #8884; }
  header b { flex: 1; }
  article { padding: 2.4rem 2rem; max-width: 60rem; }`;

/**
 * A product's own page on an origin of its own, with the tag from the service. Its policy is as strict as one can be: nothing
 * but the service, and no text becomes HTML or code (Trusted Types). `token`: what its server answers to
 * `/token`; `inbox`: the service that is asked, if it is another than the one that the tag is from.
 */
export async function startSite(
  service: string,
  { token, inbox = service }: { token?: () => Promise<string>; inbox?: string } = {},
): Promise<Site> {
  let content: { body: string; script: string; module: string | null } = {
    body: "",
    script: "",
    module: `${service}/inbox.js`,
  };
  const policy = [
    "default-src 'none'",
    `script-src 'self' ${service}`,
    "style-src 'self'",
    `connect-src 'self' ${inbox} ${inbox.replace("http", "ws")}`,
    "img-src 'self'",
    "require-trusted-types-for 'script'",
    "trusted-types lit-html",
  ].join("; ");
  const page = () => `<!doctype html>
    <html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>A product</title>
    <link rel="icon" href="/icon.svg"><link rel="stylesheet" href="/page.css">
    ${content.module ? `<script type="module" src="${content.module}"></script>` : ""}<script type="module" src="/page.js"></script>
    <main>${content.body}</main></html>`;
  const pages: string[] = [];
  const server = createServer(async ({ url = "/" }, response) => {
    const send = (type: string, text: string) =>
      response.writeHead(200, { "content-type": type, "content-security-policy": policy }).end(text);
    if (url === "/page.js") send("text/javascript", content.script);
    else if (url === "/page.css") send("text/css", css);
    else if (url === "/icon.svg") send("image/svg+xml", "<svg xmlns='http://www.w3.org/2000/svg'/>");
    else if (url === "/token" && token)
      await token().then(
        (made) => send("text/plain", made),
        () => response.writeHead(500).end(),
      );
    else {
      pages.push(url);
      send("text/html", page());
    }
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    pages,
    shows: (body, script = "", module = `${service}/inbox.js`) => {
      content = { body, script, module };
    },
  };
}
