import type { BrowserContextOptions, FrameLocator, Locator } from "playwright-core";
import { expect, onTestFinished } from "vitest";
import { complaintsOf, freshBrowser, type Page } from "../../support/browser.ts";
import { freshDatabase } from "../../support/database.ts";
import { call } from "../../support/http.ts";
import { startService } from "../../support/service.ts";

export const desk = { viewport: { width: 1280, height: 800 } };
export const phone = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };

/** A database and a browser for the file. Call at its top. */
export function consoles() {
  const { uri, db, client } = freshDatabase();
  const browser = freshBrowser();

  /** A service, and its console in a page; what the page's policy refuses fails the test. */
  async function open(
    given: { variables?: Record<string, string>; at?: string; context?: BrowserContextOptions } = {},
  ) {
    const { variables = {}, at = "", context = {} } = given;
    const service = await startService({ DB_URI: uri, ...variables });
    const page = await browser.page({ ...desk, ...context });
    onTestFinished(() => expect(complaintsOf(page)).toEqual([]));
    await page.goto(`${service.url}/${at}`);
    const ask = (method: string, path: string, body?: unknown) => call(service.url, method, path, body);
    return { service, page, ask, url: service.url };
  }
  return { uri, db, client, open, browser };
}

/** The mail that is shown, in the frame within its frame. */
export const mailIn = (page: Page | Locator): FrameLocator =>
  page.frameLocator("iframe.mail").frameLocator("iframe");

/** Another view of the same page. */
export const goTo = (page: Page, hash: string): Promise<void> =>
  page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
