import { describe, expect, test } from "vitest";
import { shortened } from "../../web/inbox/shortened.ts";
import { chromiumMissing } from "../support/browser.ts";
import { eventually } from "../support/eventually.ts";
import { startService } from "../support/service.ts";
import { inboxes } from "./support/inbox.ts";
import { focused } from "./support/tag.ts";

const { belfry, variables, user, notify, visit } = inboxes();

async function start(given: Parameters<typeof visit>[1] = {}) {
  const { url } = await startService(variables);
  const visited = await visit(url, given);
  await visited.go();
  return visited;
}
const several = async (count: number) => {
  for (let n = 0; n < count; n++) await notify(`No. ${n}`);
};

describe.skipIf(chromiumMissing())("the list", () => {
  test("a cut text has a button that shows the rest, in any script and width", async () => {
    await notify("Short", { body: "and sweet" });
    await notify("Lines", { body: "one\ntwo\nthree\nfour" });
    await notify("Body", { body: "word ".repeat(40) });
    await notify("Title ".repeat(30));
    const { page, tag } = await start({ attributes: { inline: "" } });
    const withButton = async () =>
      (
        await Promise.all((await tag.items.all()).map((one) => one.locator('[part~="more"]').isVisible()))
      ).join();
    await tag.becomes("the buttons on a desk", withButton, "false,false,true,false");
    await page.setViewportSize({ width: 390, height: 844 });
    await tag.becomes("the buttons on a phone", withButton, "true,true,true,false");
    const more = tag.item("four").locator('[part~="more"]');
    await more.click();
    const text = tag.item("four").locator('[part~="item-body"]');
    const isCut = () =>
      text.evaluate(
        (one: { scrollHeight: number; clientHeight: number }) => one.scrollHeight > one.clientHeight,
      );
    expect([await isCut(), await more.textContent()]).toEqual([false, "Show less"]);
    await more.click();
    expect([await isCut(), await more.textContent()]).toEqual([true, "Show more"]);
  });

  test("Tab reaches the first row of a reopened list, and a new item does not move the focus", async () => {
    await several(60);
    const { page, tag } = await start();
    await tag.open();
    await tag.items.first().waitFor();
    for (const key of ["ArrowDown", "End"]) await page.keyboard.press(key);
    const focusIs = (wanted: string) => tag.becomes("the focus", () => focused(page), wanted);
    await focusIs("item-title: No. 0");
    await notify("Arrived");
    await tag.item("Arrived").waitFor({ state: "attached" });
    await focusIs("item-title: No. 0");
    await page.keyboard.press("Escape");
    await tag.becomes("its state", () => tag.root.getAttribute("open"), null);
    await page.keyboard.press("Enter");
    await tag.items.first().waitFor();
    for (const wanted of ["read-all", "notify", "preferences", "close", "all", "item-title: Arrived"]) {
      await page.keyboard.press("Tab");
      await focusIs(wanted);
    }
  });

  test("keeps the scroll position when items arrive, and starts another filter at its top", async () => {
    await several(60);
    const { tag } = await start();
    await tag.open();
    await tag.items.first().waitFor();
    const body = tag.part("body");
    await body.evaluate((one: { scrollTo(x: number, y: number): void }) => one.scrollTo(0, 900));
    const top = async () => (await tag.item("No. 45").boundingBox())?.y;
    const before = (await top()) as number;
    await notify("Arrived");
    await tag.item("Arrived").waitFor({ state: "attached" });
    const hasMoved = async () => Math.abs(((await top()) as number) - before) > 2;
    await tag.becomes("whether it has moved", hasMoved, false);
    await tag.choose("unread");
    await tag.becomes("how far it is scrolled", () => body.evaluate((one) => one.scrollTop), 0);
  });

  test("items that come and go leave no nodes behind", async () => {
    await several(3);
    const { tag } = await start();
    await tag.open();
    await tag.lists("No. 2", "No. 1", "No. 0");
    const nodes = () => tag.part("list").evaluate((list): number => list.childNodes.length);
    const before = await nodes();
    for (let n = 0; n < 10; n++) {
      const id = await notify("Passing");
      await tag.lists("Passing", "No. 2", "No. 1", "No. 0");
      await belfry.inbox.remove(user(), id);
      await tag.lists("No. 2", "No. 1", "No. 0");
    }
    expect(await nodes()).toBeLessThan(before + 3);
  });

  test("a Ctrl-click anywhere in a row opens its link in another tab", async () => {
    await notify("One", { body: "Its body", data: { url: "/next" } });
    const { site, context, page, tag } = await start();
    await tag.open();
    await Promise.all([
      context.waitForEvent("page"),
      tag.part("item-body").click({ modifiers: ["Control"] }),
    ]);
    // The site tells: Chromium 150, driven from outside, often loses a background tab once its page has come.
    await eventually(() => site.pages.includes("/next"), "the site to be asked for the link's page");
    expect(page.url()).toBe(site.url);
    await tag.unread("");
  });

  test("shows the type instead of an invisible title", async () => {
    for (const title of ["\u202e", "\u200b\u2066", " \u00a0 "]) await notify(title);
    const { tag } = await start();
    await tag.open();
    await tag.lists("New message", "New message", "New message");
  });

  test("keeps the focus in the panel when the focused element goes", async () => {
    await notify("One");
    const { page, tag } = await start();
    await page.route("**/read", (route) => route.abort());
    await tag.open();
    await tag.act("One", "read");
    await tag.part("dismiss").focus();
    await page.keyboard.press("Enter");
    await tag.part("failure").waitFor({ state: "detached" });
    await tag.becomes("the focus", () => focused(page), "panel");
  });
});

test("shortens a text to a line without splitting characters", () => {
  for (const one of ["x", "😀", "👩‍👩‍👧"]) expect([...shortened(one.repeat(500))].length).toBe(120);
  expect(shortened("😀".repeat(120))).toBe("😀".repeat(120));
});
