import { describe, expect, test } from "vitest";
import { createCredentials } from "../../src/client/credentials.ts";
import { chromiumMissing, type Page } from "../support/browser.ts";
import { startService } from "../support/service.ts";
import { inboxes } from "./support/inbox.ts";

const { variables, user, sign, notify, visit } = inboxes();

const consoleOf = (page: Page) => {
  const said: string[] = [];
  page.on("console", (one) => void said.push(`${one.type()}: ${one.text()}`));
  return said;
};
const requestsOf = (page: Page, path: string) => {
  const seen: string[] = [];
  page.on("request", (one) => void (new URL(one.url()).pathname.endsWith(path) && seen.push(one.method())));
  return seen;
};

describe.skipIf(chromiumMissing())("token-url", () => {
  test("gets its token from the page's server, with cookies, before any other request", async () => {
    const { url } = await startService(variables);
    await notify("One");
    const { page, context, site, tag, go } = await visit(url, {
      attributes: { token: undefined, "token-url": "/token" },
    });
    await context.addCookies([{ name: "session", value: "abc", url: site.url }]);
    const said = consoleOf(page);
    const asked = page.waitForRequest("**/token");
    await go();
    await tag.counts("1");
    const request = await asked;
    expect([request.method(), (await request.allHeaders()).cookie]).toEqual(["POST", "session=abc"]);
    expect(said).toEqual([]);
  });

  test("accepts the JSON of POST /v1/users/{id}/token", async () => {
    const { url } = await startService(variables);
    await notify("One");
    const { page, tag, go } = await visit(url, { attributes: { token: undefined, "token-url": "/token" } });
    const token = await sign();
    await page.route("**/token", (route) => route.fulfill({ json: { token, expires_at: "2100-01-01" } }));
    await go();
    await tag.counts("1");
  });

  test("replaces an expiring token without an interruption", async () => {
    const { url } = await startService(variables);
    const old = await sign(user(), () => Date.now() - 897_000);
    const { page, tag, go } = await visit(url, { attributes: { token: old, "token-url": "/token" } });
    const asked = requestsOf(page, "/token");
    await go();
    await tag.becomes("how often it was asked for", async () => asked.length, 1);
    await notify("Later");
    await tag.counts("1");
    expect(await tag.part("notice").count()).toBe(0);
  });

  test.each([
    [401, "Your session has expired. Reload the page or sign in again."],
    [403, "You have no access to this inbox. Sign in as its owner."],
    [500, "Your sign-in could not be confirmed. Trying again…"],
  ])("an answer of %i is a sentence, and Try again gets the next one", async (status, sentence) => {
    const { url } = await startService(variables);
    await notify("One");
    const { page, tag, go } = await visit(url, { attributes: { token: undefined, "token-url": "/token" } });
    await page.route("**/token", (route) => route.fulfill({ status }));
    const asked = requestsOf(page, "/token");
    const lists = requestsOf(page, "/inbox");
    await go();
    await tag.open();
    await tag.says(sentence);
    expect(lists).toEqual([]);
    if (status !== 500) expect(asked.length).toBeLessThanOrEqual(2);
    await page.unroute("**/token");
    await tag.part("retry").click();
    await tag.lists("One");
  });
});

describe.skipIf(chromiumMissing())("before there is a token", () => {
  test("waits for the page's script to set getToken", async () => {
    const { url } = await startService(variables);
    await notify("One");
    const { page, tag, go } = await visit(url, {
      attributes: { token: undefined },
      script: `document.querySelector("belfry-inbox").getToken = async () => (await fetch("/token")).text();`,
    });
    const said = consoleOf(page);
    await go();
    await tag.counts("1");
    expect(said).toEqual([]);
  });
});

describe.skipIf(chromiumMissing())("a page of an origin that the service refuses", () => {
  test("shows a sentence, logs one warning, and stops", async () => {
    const { url } = await startService({ ...variables, ALLOWED_ORIGINS: "https://elsewhere.example" });
    const { page, site, tag, go } = await visit(url);
    const said = consoleOf(page);
    const asked = requestsOf(page, "/inbox");
    await go();
    await tag.open();
    await tag.says("The notification service does not accept this site. Contact the site’s owner.");
    const origin = new URL(site.url).origin;
    expect(said.filter((one) => one.startsWith("warning"))).toEqual([
      `warning: belfry-inbox: ${url} refuses pages of ${origin}. Add it to the service's ALLOWED_ORIGINS.`,
    ]);
    const before = asked.length;
    expect(before).toBeLessThanOrEqual(4);
    await tag.part("retry").click();
    await tag.says("The notification service does not accept this site.");
    expect(said.filter((one) => one.startsWith("warning"))).toHaveLength(1);
  });
});

test("renews a token before it expires, even with a wrong device clock", async () => {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  let made = 0;
  // Issued and expired long ago by this device's clock.
  const credentials = createCredentials(undefined, () => `${++made}.${part({ iat: 1_000, exp: 1_001 })}.x`);
  const first = await credentials.current();
  expect(await credentials.current()).toBe(first);
  await expect.poll(async () => (await credentials.current())?.slice(0, 1)).toBe("2");
});
