import { once } from "node:events";
import { createServer, type IncomingMessage, request } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { createBasePath, isBasePath } from "../../src/http/base-path.ts";
import { chromiumMissing, complaintsOf, freshBrowser } from "../support/browser.ts";
import { freshDatabase } from "../support/database.ts";
import { call } from "../support/http.ts";
import { eventually, startService } from "../support/service.ts";
import { openSocket } from "./live/clients.ts";

// A proxy that publishes the service under /belfry and takes that off, as nginx, Traefik and Caddy do.

const { uri } = freshDatabase();
const browser = freshBrowser();
const inBrowser = test.skipIf(chromiumMissing());
const prefix = "/belfry";
const closers: Array<() => unknown> = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** Passes what lies under the prefix on, without it unless `keeps`; everything else is 404. */
async function startProxy(target: string, { tells = false, keeps = false } = {}): Promise<string> {
  const { hostname, port } = new URL(target);
  const inner = (asked: IncomingMessage) => {
    const rest = asked.url?.startsWith(prefix) ? asked.url.slice(prefix.length) : undefined;
    if (rest === undefined || /^[^/?]/.test(rest)) return undefined;
    return keeps ? asked.url : rest.startsWith("/") ? rest : `/${rest}`;
  };
  const headersOf = (asked: IncomingMessage) => ({
    ...asked.headers,
    ...(tells && { "x-forwarded-prefix": prefix }),
  });
  const proxy = createServer((asked, answer) => {
    const path = inner(asked);
    if (path === undefined) return void answer.writeHead(404).end();
    const passed = request(
      { hostname, port, path, method: asked.method, headers: headersOf(asked) },
      (got) => {
        answer.writeHead(got.statusCode ?? 502, got.headers);
        got.pipe(answer);
      },
    );
    passed.on("error", () => answer.destroy());
    answer.on("close", () => passed.destroy());
    asked.pipe(passed);
  });
  proxy.on("upgrade", (asked, socket) => {
    const path = inner(asked);
    if (path === undefined) return void socket.destroy();
    const upstream = connect(Number(port), hostname, () => {
      const lines = Object.entries(headersOf(asked)).map(([name, value]) => `${name}: ${value}`);
      upstream.write(`GET ${path} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
      upstream.pipe(socket).pipe(upstream);
    });
    for (const one of [upstream, socket]) one.on("error", () => one.destroy());
    socket.on("close", () => upstream.destroy());
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  closers.push(() => {
    proxy.closeAllConnections();
    proxy.close();
  });
  return `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
}

describe.each([
  ["BASE_PATH", { BASE_PATH: `${prefix}/` }, {}],
  ["the path of PUBLIC_URL", { PUBLIC_URL: `https://notify.example${prefix}` }, {}],
  ["X-Forwarded-Prefix of a trusted proxy", { TRUST_PROXY: "127.0.0.1" }, { tells: true }],
  ["BASE_PATH, and a proxy that passes the path on", { BASE_PATH: prefix }, { keeps: true }],
])("behind a proxy, by %s", (_name, variables, how) => {
  test("addresses have the prefix: Link, servers, docs, and live connections work", async () => {
    const { url } = await startService({ DB_URI: uri, EMAIL: "a@example.com", ...variables });
    const proxy = await startProxy(url, how);
    for (let n = 0; n < 3; n++)
      await call(proxy, "POST", `${prefix}/v1/notifications`, { type: "new_login", recipients: ["alex"] });
    const page = await call(proxy, "GET", `${prefix}/v1/users/alex/inbox?limit=1`);
    const link = /<([^>]+)>; rel="next"/.exec(page.headers.get("link") ?? "")?.[1] ?? "";
    expect(link.startsWith(`${prefix}/v1/users/alex/inbox?`), link).toBe(true);
    expect((await call(proxy, "GET", link)).status).toBe(200);
    expect((await call(proxy, "GET", `${prefix}/openapi.json`)).body.servers).toEqual([{ url: prefix }]);
    expect((await call(proxy, "GET", `${prefix}/docs/json`)).body.servers).toEqual([{ url: prefix }]);
    for (const path of ["/docs", "/docs/", "/docs/static/index.html", "/docs/static/swagger-ui.css"])
      expect((await call(proxy, "GET", prefix + path)).status, path).toBe(200);
    const device = openSocket(proxy, `${prefix}/v1/users/alex/live`);
    await eventually(() => device.messages.length === 1, "a WebSocket listens");
  });

  test("the console's page names its files under the prefix, with and without the last slash", async () => {
    const { url } = await startService({ DB_URI: uri, ...variables });
    const proxy = await startProxy(url, how);
    const { body } = await call(proxy, "GET", prefix);
    expect((await call(proxy, "GET", `${prefix}/`)).body).toBe(body);
    const links = [...body.matchAll(/(?:href|src)="([^"]+)"/g)].map(([, link]) => link as string);
    const files = links.filter((link) => !link.startsWith("data:"));
    expect(files).toEqual([`${prefix}/console.css`, `${prefix}/console.js`, `${prefix}/docs/`]);
    for (const file of files) expect((await call(proxy, "GET", file)).status, file).toBe(200);
  });
});

// Every address in the browser comes from the page and its files, which are the same behind each of the proxies.
inBrowser(
  "under a prefix the console works, with and without the last slash, and so do the docs",
  async () => {
    const { url } = await startService({ DB_URI: uri, EMAIL: "a@example.com", TRUST_PROXY: "127.0.0.1" });
    const proxy = await startProxy(url, { tells: true });
    for (const path of [prefix, `${prefix}/`]) {
      const page = await browser.page();
      await page.goto(proxy + path);
      await page.getByRole("button", { name: "Send", exact: true }).click();
      await page
        .locator("belfry-inbox")
        .getByRole("button", { name: /New sign-in/ })
        .first()
        .waitFor();
      expect(await page.getByRole("link", { name: "API reference" }).getAttribute("href")).toBe(
        `${proxy}${prefix}/docs/`,
      );
      expect(complaintsOf(page)).toEqual([]);
    }
    const page = await browser.page();
    await page.goto(`${proxy}${prefix}/docs`);
    await page.locator(".opblock-tag").first().waitFor();
    await page.getByText("/livez").first().click();
    await page.getByRole("button", { name: "Try it out" }).click();
    await page.getByRole("button", { name: "Execute" }).click();
    await page.locator(".request-url").getByText(`${proxy}${prefix}/livez`).waitFor();
    await page.locator(".live-responses-table .response-col_status").getByText("200").waitFor();
    expect(complaintsOf(page)).toEqual([]);
  },
);

inBrowser("the docs show our API first and our own mark, and keep no key", async () => {
  const { url } = await startService({ DB_URI: uri, API_KEYS: "a-key-of-more-than-16-characters" });
  const page = await browser.page();
  await page.goto(`${url}/docs`);
  await page.locator(".opblock-tag").first().waitFor();
  const tags = await page
    .locator(".opblock-tag")
    .evaluateAll((all) => all.map((one) => one.getAttribute("data-tag")));
  expect(tags[0]).toBe("notifications");
  expect(tags.at(-1)).toBe("Compatibility");
  expect(await page.title()).toBe("Belfry API");
  await page.locator(".topbar img[src^='data:image/svg+xml']").waitFor();
  expect(await page.content()).not.toContain("Swagger UI");
  await page.getByRole("button", { name: "Authorize" }).first().click();
  await page.locator(".auth-container input").first().fill("a-key-of-more-than-16-characters");
  await page.locator(".auth-btn-wrapper .authorize").first().click();
  expect(await page.evaluate("JSON.stringify({ ...localStorage, ...sessionStorage })")).not.toContain(
    "a-key-of",
  );
  expect(complaintsOf(page)).toEqual([]);
});

describe("a prefix", () => {
  const from = (named: string, remoteAddress = "10.0.0.1") =>
    createBasePath("", (address) => address === "10.0.0.1").of({
      socket: { remoteAddress },
      headers: { "x-forwarded-prefix": named },
    } as unknown as IncomingMessage);

  test.each(["/belfry", "/a/b-c", "/a.b/c_d~e", "/Belfry2"])("%s is one", (path) => {
    expect(isBasePath(path)).toBe(true);
    expect(from(path)).toBe(path);
    expect(from(`${path}/`)).toBe(path);
    expect(from(path, "10.0.0.2")).toBe("");
  });

  test.each([
    "//evil.example",
    "/\\evil.example",
    "javascript:alert(1)",
    "https://evil.example",
    "belfry",
    "/a//b",
    "/../a",
    "/a/..",
    "/.",
    '/"><script>',
    "/a b",
    "/a?b",
    "/a#b",
    "/a%2f",
    "/a,/b",
    "/a>; rel=next",
    `/${"x".repeat(300)}`,
    "/ü",
  ])("%s is none", (path) => {
    expect(isBasePath(path)).toBe(false);
    expect(from(path)).toBe("");
  });

  test("only the whole prefix is taken off", () => {
    const { strip } = createBasePath("/belfry", () => false);
    expect(strip("/belfry")).toBe("/");
    expect(strip("/belfry?a=1")).toBe("/?a=1");
    expect(strip("/belfry/docs")).toBe("/docs");
    expect(strip("/belfryx")).toBe("/belfryx");
    expect(strip("/v1/belfry")).toBe("/v1/belfry");
  });
});
