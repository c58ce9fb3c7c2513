import type { Page } from "playwright-core";
import { describe, expect, test } from "vitest";
import { chromiumMissing } from "../support/browser.ts";
import { eventually } from "../support/service.ts";
import { consoles, goTo } from "./support/console.ts";

const { open } = consoles();
const shown = { state: "visible" } as const;

/** What has the focus: its words, and whether it can be seen that it has it. An inbox's own focus lies within its tag. */
const focused = `(() => {
  let at = document.activeElement;
  while (at.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
  // The ring may be around what it stands for: an inbox's whole item, the words of a choice.
  const around = [at, at.nextElementSibling, at.parentElement, at.parentElement?.parentElement];
  const hasRing = (one) => one && getComputedStyle(one).outlineStyle !== "none";
  const { top, bottom, left, right, width, height } = at.getBoundingClientRect();
  const label = at.labels?.[0]?.textContent ?? at.getAttribute("aria-label") ?? at.textContent;
  return {
    says: label.replace(/\\s+/g, " ").trim(),
    isMarked: around.some(hasRing),
    isSeen: width * height > 0 && bottom > 0 && right > 0 && top < innerHeight && left < innerWidth,
    isBody: at === document.body,
  };
})()`;
interface Focus {
  says: string;
  isMarked: boolean;
  isSeen: boolean;
  isBody: boolean;
}

/** Tab after Tab until what begins so has the focus; each stop on the way is held to be seen. */
async function tabTo(page: Page, says: string): Promise<void> {
  const passed: string[] = [];
  for (let steps = 0; steps < 90; steps++) {
    await page.keyboard.press("Tab");
    const focus = await page.evaluate<Focus>(focused);
    if (focus.isBody) continue;
    expect(focus, `after ${passed.at(-1)}`).toMatchObject({ isMarked: true, isSeen: true });
    if (focus.says.startsWith(says)) return;
    passed.push(focus.says);
  }
  throw new Error(`“${says}” is not among what Tab reaches: ${passed.join(" | ")}`);
}

const press = (page: Page, ...keys: string[]) =>
  keys.reduce((before, key) => before.then(() => page.keyboard.press(key)), Promise.resolve());

describe.skipIf(chromiumMissing())("with the keyboard alone", () => {
  test("reaches every view and control, with visible focus", async () => {
    const { page, ask } = await open();
    await ask("POST", "/v1/notifications", {
      recipients: ["alex"],
      type: "direct",
      title: "Hello",
      body: "x",
    });
    await page.locator("belfry-inbox").getByText("Hello").first().waitFor(shown);
    for (const view of ["Users", "Deliveries", "Live", "Captured", "Types", "Simulator"]) {
      await goTo(page, "#/send");
      await page.getByRole("heading", { name: "Send", level: 1 }).waitFor(shown);
      await page.evaluate("document.activeElement.blur()");
      await tabTo(page, view);
      await press(page, "Enter");
      await page.getByRole("heading", { name: view, level: 1 }).waitFor(shown);
      // From the view's beginning on: past it all, and out of it at its end.
      await expect.poll(() => page.evaluate("document.activeElement.id")).toBe("main");
      await tabTo(page, "Skip to content");
    }
  });

  test("finds, opens, keeps and erases a user", async () => {
    const { page, ask } = await open({ at: "#/users" });
    for (const id of ["kim", "kit"]) await ask("PUT", `/v1/users/${id}`, { email: `${id}@example.com` });
    await tabTo(page, "User id");
    await page.keyboard.type("ki");
    await press(page, "Enter");
    await page.getByRole("link", { name: /^kim/ }).waitFor(shown);
    await tabTo(page, "kim");
    await press(page, "Enter");
    await page.getByRole("heading", { name: "kim", exact: true }).waitFor(shown);
    await page.locator("belfry-inbox").getByText("No notifications yet.").waitFor(shown);
    await page.getByText("Nothing has been sent to this user.").waitFor(shown);
    await tabTo(page, "Erase this user…");
    await press(page, "Enter");
    const dialog = page.getByRole("dialog", { name: "Erase kim?" });
    await dialog.waitFor(shown);
    expect((await page.evaluate<Focus>(focused)).says).toBe("Keep");
    await press(page, "Escape");
    await dialog.waitFor({ state: "hidden" });
    expect((await page.evaluate<Focus>(focused)).says).toBe("Erase this user…");
    await press(page, "Enter");
    await press(page, "Shift+Tab", "Enter");
    await page.getByRole("status").getByText("kim was erased.").waitFor(shown);
    await expect.poll(async () => (await page.evaluate<Focus>(focused)).says).toMatch(/^User id/);
    expect((await ask("GET", "/v1/users/kim")).status).toBe(404);
    expect((await ask("GET", "/v1/users/kit")).status).toBe(200);
    await page.getByRole("link", { name: /^kim/ }).waitFor({ state: "detached" });
  });

  test("filters, opens and closes a delivery; previews a redrive and leaves it", async () => {
    const { page, ask } = await open({ at: "#/deliveries" });
    for (const recipients of [["ann"], ["bob"]])
      await ask("POST", "/v1/notifications", { recipients, type: "registration" });
    await eventually(
      async () => (await ask("GET", "/v1/deliveries?type=registration&status=sent")).body.data.length === 2,
      "both to be sent",
    );
    await page.reload();
    await page.locator(".row").first().waitFor(shown);
    await tabTo(page, "sent");
    await press(page, " ");
    await expect.poll(() => page.url()).toMatch(/\?status=sent$/);
    await tabTo(page, "More filters");
    await press(page, "Enter");
    await tabTo(page, "Type");
    await page.keyboard.type("registration");
    await press(page, "Enter");
    await page.getByText("2 deliveries").waitFor(shown);
    await tabTo(page, "Deliveries, newest first");
    await press(page, "ArrowDown", "ArrowDown", "Enter");
    await page.getByText("registration by e-mail to ann").waitFor(shown);
    // Chromium passes a frame in which nothing takes the focus; its headless shell stops there, and Tab does not leave it.
    await page.evaluate(`(() => {
      const sheet = new CSSStyleSheet();
      sheet.replaceSync("iframe.mail { visibility: hidden; }");
      document.adoptedStyleSheets = [sheet];
    })()`);
    await tabTo(page, "Close");
    await press(page, "Enter");
    await page.getByRole("heading", { name: /^Delivery/ }).waitFor({ state: "detached" });
    // The list goes on from there.
    await expect
      .poll(async () => (await page.evaluate<Focus>(focused)).says)
      .toBe("Deliveries, newest first");
    await tabTo(page, "Redrive…");
    await press(page, "Enter");
    const dialog = page.getByRole("dialog", { name: /^Redrive/ });
    await dialog.getByText("0 deliveries would be sent again.").waitFor(shown);
    await press(page, "Escape");
    await dialog.waitFor({ state: "hidden" });
    expect((await page.evaluate<Focus>(focused)).says).toBe("Redrive…");
  });

  test("reads a captured mail, previews a template, runs the simulator", async () => {
    const { page, ask } = await open({ at: "#/captured" });
    await ask("POST", "/v1/notifications", { recipients: ["eve"], type: "new_login", title: "For Eve" });
    await page.getByRole("link", { name: /^For Eve/ }).waitFor(shown);
    await tabTo(page, "For Eve");
    await press(page, "Enter");
    await page.getByRole("heading", { name: "For Eve" }).waitFor(shown);
    await tabTo(page, "Text");
    await press(page, "Enter");
    await page.locator("pre.text").getByText("new_login").waitFor(shown);

    await goTo(page, "#/types");
    await page.getByRole("link", { name: /^direct/ }).waitFor(shown);
    await tabTo(page, "direct");
    await press(page, "Enter");
    await page.locator(".bubble").waitFor(shown);
    await tabTo(page, "Body");
    await press(page, "ControlOrMeta+a");
    await page.keyboard.type("Typed");
    await page.locator(".bubble").getByText("Typed").waitFor(shown);

    await goTo(page, "#/simulator");
    await page.getByText("Stopped.").waitFor(shown);
    await tabTo(page, "Speed");
    await press(page, "End");
    await tabTo(page, "Start");
    await press(page, "Enter");
    await page.getByText("Running: 10 notifications a second.").waitFor(shown);
    expect((await page.evaluate<Focus>(focused)).says).toBe("Stop");
    await press(page, "Enter");
    await page.getByText("Stopped.").waitFor(shown);
  });
});
