import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, expect, onTestFinished } from "vitest";
import { chromiumMissing, chromiumPath } from "./chromium.ts";

export type { Page };
export { chromiumMissing };

export interface TestBrowser {
  /** Pages of one context share storage, as the tabs of one browser do. Closed after the test. */
  context(options?: BrowserContextOptions): ReturnType<Browser["newContext"]>;
  /** One page in a context of its own, for a test that needs no other. */
  page(options?: BrowserContextOptions): Promise<Page>;
}

const complaints = new WeakMap<Page, string[]>();
const answers = new WeakMap<Page, string[]>();
/** What a page did that nobody wanted: errors, and what a Content-Security-Policy refused. */
export const complaintsOf = (page: Page): string[] => complaints.get(page) ?? [];
/** What its requests came to, for the message of a test that fails. */
export const answersOf = (page: Page): string[] => answers.get(page) ?? [];

/** A real Chromium for this test file. Call at the top of the file. */
export function freshBrowser(): TestBrowser {
  let browser: Browser;
  beforeAll(async () => {
    if (!chromiumMissing())
      browser = await chromium.launch({ executablePath: chromiumPath(), args: ["--no-sandbox"] });
  });
  afterAll(() => browser?.close());

  async function context(options?: BrowserContextOptions) {
    const made = await browser.newContext(options);
    onTestFinished(() => made.close());
    // Before the test's own time is up: so it says what it waited for.
    made.setDefaultTimeout(45_000);
    made.on("page", (page) => {
      const said: string[] = [];
      const got: string[] = [];
      complaints.set(page, said);
      answers.set(page, got);
      page.on("response", (one) => void got.push(`${one.status()} ${one.request().method()} ${one.url()}`));
      page.on("requestfailed", (one) => void got.push(`${one.failure()?.errorText} ${one.url()}`));
      page.on("websocket", (one) => void got.push(`WebSocket ${one.url()}`));
      page.on("pageerror", (error) => void said.push(String(error)));
      page.on("console", (message) => {
        if (/Content Security Policy/i.test(message.text())) said.push(message.text());
      });
    });
    return made;
  }
  return { context, page: async (options) => (await context(options)).newPage() };
}

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Holds the page against axe-core's rules (WCAG 2.2 A and AA, and its best practices). */
export async function expectAccessible(page: Page, what: string): Promise<void> {
  // Not by a script tag, which the page's own policy refuses.
  await page.evaluate(axe);
  const violations = await page.evaluate(`axe.run().then(({ violations }) => violations.map(
    ({ id, help, nodes }) => ({ id, help, where: nodes.map((one) => one.target.flat().join(" ") + ": " + one.failureSummary) }),
  ))`);
  expect(violations, what).toEqual([]);
}
