import { describe, expect, test } from "vitest";
import { chromiumMissing, expectAccessible } from "../support/browser.ts";
import { startService } from "../support/service.ts";
import { inboxes } from "./support/inbox.ts";
import { focused } from "./support/tag.ts";

const { variables, notify, visit } = inboxes();

/** A page whose script has the tag as `tag`, and makes a row of its own with `row(item)`. */
async function start(script: string) {
  const { url } = await startService(variables);
  const visited = await visit(url, {
    script: `const tag = document.querySelector("belfry-inbox"); globalThis.told = [];
      const row = (item) => {
        const made = document.createElement("p");
        const reply = Object.assign(document.createElement("button"), { textContent: "Reply" });
        made.append("Mine: " + item.title + " ", reply, Object.assign(document.createElement("input"), { ariaLabel: "Note" }));
        return made;
      };
      ${script}`,
  });
  await visited.go();
  return {
    ...visited,
    told: () => visited.page.evaluate("told"),
    rows: (...wanted: string[]) =>
      visited.tag.becomes(
        "the page's rows",
        async () => {
          const texts = await visited.page.locator("belfry-inbox p:visible").allInnerTexts();
          return texts.map((one) => one.trim()).sort();
        },
        wanted.map((one) => `Mine: ${one} Reply`).sort(),
      ),
  };
}
/** As a page fills the slots itself. */
const inSlots = `tag.addEventListener("belfry-items", ({ detail: { items } }) => {
  for (const old of tag.querySelectorAll("p")) old.remove();
  for (const item of items) tag.append(Object.assign(row(item), { slot: "item-" + item.id }));
});`;
const listen = `for (const type of ["belfry-click", "belfry-items"])
  tag.addEventListener(type, ({ detail }) => told.push((detail.items ?? [detail.item]).map((one) => one.title).join()));`;

describe.skipIf(chromiumMissing())("rows that the page draws", () => {
  test.each([
    ["in slots", inSlots],
    ["with renderItem", "tag.renderItem = row;"],
  ])("%s: keys, focus, clicks and actions are the tag's", async (_, script) => {
    await notify("One", { body: "Its body" });
    await notify("Two", { data: { url: "#two" } });
    const { page, tag, rows } = await start(script);
    await tag.open();
    await rows("One", "Two");
    await expectAccessible(page, "rows of the page");
    const press = async (key: string, wanted: string) => {
      await page.keyboard.press(key);
      await tag.becomes(`the focus after ${key}`, () => focused(page), wanted);
    };
    await press("ArrowDown", "item-title");
    const name = () =>
      page.evaluate(`document.querySelector("belfry-inbox").shadowRoot.activeElement.ariaLabel`);
    expect(await name()).toBe("Unread: Two");
    await press("ArrowDown", "item-title");
    expect(await name()).toBe("Unread: One");
    await press("ArrowUp", "item-title");
    // The page's own button and field keep their keys; from the button the arrows go on through the list.
    await press("Tab", "button");
    await press("Tab", "input");
    await press("End", "input");
    await press("Shift+Tab", "button");
    await press("ArrowDown", "item-title");
    expect(await name()).toBe("Unread: One");
    for (const wanted of ["button", "input", "action read", "action archive"]) await press("Tab", wanted);
    await page.keyboard.press("Enter");
    await rows("Two");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await page.waitForURL("**/#two");
    await tag.counts("");
    await notify("Three");
    await tag.open();
    await rows("Two", "Three");
    await page.locator("belfry-inbox p", { hasText: "Three" }).click({ position: { x: 5, y: 5 } });
    await tag.unread("");
  });

  test("renderItem may return text or nothing, and an exception affects only its row", async () => {
    for (const title of ["Broken", "Ours", "<b>Text</b>"]) await notify(title);
    const { page, tag } = await start(`addEventListener("error", (event) => event.preventDefault());
      tag.renderItem = ({ title }) => {
        if (title === "Broken") throw new Error("a mistake of the page");
        return title === "Ours" ? undefined : title + "!";
      };`);
    await tag.open();
    await tag.lists("Ours", "Broken");
    expect(await page.locator("belfry-inbox > [slot]").allInnerTexts()).toEqual(["<b>Text</b>!"]);
    await page.keyboard.press("Escape");
    await tag.becomes("what is left of it", () => page.locator("belfry-inbox > [slot]").count(), 0);
    await page.evaluate(
      `Object.assign(document.querySelector("belfry-inbox"), { renderItem: undefined, open: true })`,
    );
    await tag.lists("<b>Text</b>", "Ours", "Broken");
  });

  test("items and belfry-items follow the filter, new items and deletions", async () => {
    await notify("One");
    await notify("Two");
    const { page, tag, told } = await start(listen);
    const items = () =>
      page.evaluate(`document.querySelector("belfry-inbox").items.map((one) => one.title).join()`);
    await tag.becomes("the items", items, "Two,One");
    await tag.open();
    await tag.act("One", "archive");
    await tag.becomes("the items", items, "Two");
    await tag.choose("archived");
    await tag.becomes("the items", items, "One");
    await tag.act("One", "remove");
    await tag.becomes("the items", items, "");
    await tag.part("undo").click();
    await tag.becomes("the items", items, "One");
    const lists = (await told()) as string[];
    expect(lists.filter((one, index) => one !== lists[index - 1])).toEqual([
      "Two,One",
      "Two",
      "One",
      "",
      "One",
    ]);
  });
});
