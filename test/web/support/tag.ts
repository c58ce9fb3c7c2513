import { isDeepStrictEqual } from "node:util";
import { answersOf, complaintsOf, type Page } from "../../support/browser.ts";
import { eventually } from "../../support/eventually.ts";

/** The tag as its reader meets it; `nth`: which of several. */
export function tagOn(page: Page, nth = 0) {
  const root = page.locator("belfry-inbox").nth(nth);
  const part = (name: string) => root.locator(`[part~="${name}"]`);
  const items = part("item");
  /** What is shown becomes this; when not, it is told what there was instead. */
  const becomes = async (what: string, read: () => Promise<unknown>, wanted: unknown) => {
    let seen: unknown;
    await eventually(async () => {
      seen = await read();
      return isDeepStrictEqual(seen, wanted);
    }, what).catch(({ message }) => {
      throw new Error(
        `${message}: wanted ${JSON.stringify(wanted)}, it is ${JSON.stringify(seen)}\n${[...complaintsOf(page), ...answersOf(page)].join("\n")}`,
      );
    });
  };
  return {
    root,
    part,
    items,
    becomes,
    bell: part("bell"),
    panel: part("panel"),
    item: (title: string) => items.filter({ hasText: title }),
    open: () => part("bell").click(),
    /** The bell says it; "" when there is nothing new. */
    counts: (wanted: string) =>
      becomes("the count", async () => (await part("count").allTextContents()).join(), wanted),
    /** The open list says it; "" when everything is read. */
    unread: (wanted: string) =>
      becomes("what is unread", () => root.locator('header [part="unread"]').innerText(), wanted),
    lists: (...wanted: string[]) =>
      becomes("the titles", () => root.locator('[part~="item-title"] bdi').allTextContents(), wanted),
    listsUnread: (...wanted: string[]) =>
      becomes(
        "the unread titles",
        () => root.locator('[part~="item-unread"] [part~="item-title"] bdi').allTextContents(),
        wanted,
      ),
    /** The items that are marked as new since the list was last open. */
    listsUnseen: (...wanted: string[]) =>
      becomes(
        "the unseen titles",
        () => root.locator('li:has([part="unseen"]) [part~="item-title"] bdi').allTextContents(),
        wanted,
      ),
    /** A sentence that is shown, somewhere in the tag. */
    says: (wanted: string) =>
      becomes(
        "the sentence",
        async () => {
          const text: string = await root.evaluate((tag) => tag.shadowRoot.textContent);
          return text.includes(wanted) ? wanted : text.replace(/\s+/g, " ");
        },
        wanted,
      ),
    choose: (filter: "all" | "unread" | "archived") => root.locator(`input[value="${filter}"]`).check(),
    act: async (title: string, action: "read" | "unread" | "archive" | "unarchive" | "remove") => {
      const item = items.filter({ hasText: title });
      await item.hover();
      await item.locator(`[part~="${action}"]`).click();
    },
  };
}

/** What the focus is on, in words. */
export const focused = (page: Page): Promise<string> =>
  page.evaluate(`(() => {
    let at = document.activeElement;
    while (at.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
    return [at.getAttribute("part") ?? (at.value || at.localName), at.closest("li")?.querySelector("bdi")?.textContent]
      .filter(Boolean).join(": ");
  })()`);
