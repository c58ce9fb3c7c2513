import { describe, expect, test } from "vitest";
import { chromiumMissing } from "../support/browser.ts";
import { eventually, startService } from "../support/service.ts";
import { inboxes } from "./support/inbox.ts";
import { tagOn } from "./support/tag.ts";

const { belfry, variables, user, notify, stored, visit } = inboxes();

/** A page with the tag that notes new items and counts. */
async function start(given: Parameters<typeof visit>[1] = {}) {
  const { url } = await startService(variables);
  const script = `globalThis.told = []; globalThis.counts = {};
    document.addEventListener("belfry-new", ({ detail }) => told.push(detail.item.title));
    document.addEventListener("belfry-count", ({ detail }) => { counts = detail; });`;
  const visited = await visit(url, { script, ...given });
  await visited.go();
  return visited;
}

describe.skipIf(chromiumMissing())("seen", () => {
  test("opening the list empties the bell in all tags and pages; the items stay unread", async () => {
    await notify("One");
    await notify("Two");
    const { site, page, tag } = await start({ body: (tag) => tag + tag });
    const elsewhere = await page.context().newPage();
    await elsewhere.goto(site.url);
    const other = tagOn(elsewhere);
    const all = [tag, tagOn(page, 1), other, tagOn(elsewhere, 1)];
    for (const one of all) await one.counts("2");
    await tag.open();
    for (const one of all) await one.counts("");
    await tag.unread("2 unread");
    await tag.listsUnseen("Two", "One");
    expect(await stored()).toMatchObject({ unread: 2, unseen: 0 });

    // An open list is looked at.
    await notify("Three");
    await tag.listsUnseen("Three", "Two", "One");
    await eventually(async () => (await stored()).unseen === 0, "it to be seen");
    for (const one of all) await one.counts("");

    await tag.part("close").click();
    await notify("Four");
    for (const one of all) await one.counts("1");
    await other.open();
    await other.listsUnseen("Four");
    await other.unread("4 unread");
    for (const one of all) await one.counts("");
    await other.choose("unread");
    await other.listsUnseen("Four");
    await other.part("close").click();
    await other.open();
    await other.lists("Four", "Three", "Two", "One");
    await other.listsUnseen();
    // Being seen is no news.
    for (const one of [page, elsewhere]) {
      const arrived = await one.evaluate<string[]>("told");
      expect([...new Set(arrived)]).toEqual(["Three", "Four"]);
    }
  });

  test("a later change of a seen item does not bring it back to the bell", async () => {
    const id = await notify("One");
    const { page, tag } = await start();
    await tag.open();
    await tag.counts("");
    await tag.part("close").click();
    await belfry.inbox.archive(user(), id);
    await belfry.inbox.unread(user(), id);
    await notify("Two");
    await tag.becomes("the counts", () => page.evaluate("counts"), { unread: 2, unseen: 1, total: 2 });
    await tag.counts("1");
    await tag.open();
    await tag.listsUnseen("Two");
  });

  test("reading an item that is unseen lowers the bell at once", async () => {
    const id = await notify("One");
    await notify("Two");
    const { tag } = await start();
    await tag.counts("2");
    await belfry.inbox.read(user(), id);
    await tag.counts("1");
  });

  test("a list in the page is seen once it is in sight, and the archive shows nothing new", async () => {
    await notify("One");
    const { page, tag } = await start({
      body: (tag) => `${tag}${"<p>A product</p>".repeat(100)}${tag.replace(" user", " inline user")}`,
    });
    const inline = tagOn(page, 1);
    await inline.lists("One");
    await tag.counts("1");
    expect(await stored()).toMatchObject({ unseen: 1 });
    await inline.item("One").scrollIntoViewIfNeeded();
    await tag.counts("");

    await inline.act("One", "archive");
    await inline.choose("archived");
    await inline.lists("One");
    await notify("Two");
    await tag.counts("1");
    expect(await stored()).toMatchObject({ unseen: 1 });
    await inline.choose("all");
    await inline.listsUnseen("Two");
    await tag.counts("");
  });

  test("a hidden page sees nothing until it is visible", async () => {
    const { context, site, page, tag } = await start();
    await context.addInitScript(`let hidden = false;
      Object.defineProperty(document, "hidden", { get: () => hidden });
      globalThis.hide = (value) => { hidden = value; document.dispatchEvent(new Event("visibilitychange")); };`);
    await page.goto(site.url);
    await tag.open();
    await tag.says("No notifications yet.");
    await page.evaluate("hide(true)");
    await notify("One");
    await tag.lists("One");
    await tag.counts("1");
    expect(await stored()).toMatchObject({ unseen: 1 });
    await page.evaluate("hide(false)");
    await tag.counts("");
    await eventually(async () => (await stored()).unseen === 0, "it to be seen");
  });

  test('badge="unread" counts unread items, and opening the list marks nothing as seen', async () => {
    await notify("One");
    await notify("Two");
    const { tag } = await start({ attributes: { badge: "unread" } });
    await tag.counts("2");
    expect(await tag.bell.getAttribute("aria-label")).toBe("Notifications, 2 unread");
    await tag.open();
    await tag.act("Two", "read");
    await tag.counts("1");
    await tag.listsUnseen();
    // The tag shows a change before it is stored.
    await eventually(async () => (await stored()).unread === 1, "the item to be stored as read");
    expect(await stored()).toMatchObject({ unread: 1, unseen: 1 });
  });
});
