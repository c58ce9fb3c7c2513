import { afterAll, describe, expect, test } from "vitest";
import type { InboxItem } from "../../src/client/index.ts";
import { createBelfry } from "../../src/library.ts";
import { actorsOf, folded } from "../../web/inbox/groups.ts";
import { chromiumMissing, expectAccessible } from "../support/browser.ts";
import { startService } from "../support/service.ts";
import { inboxes } from "./support/inbox.ts";
import { focused, tagOn } from "./support/tag.ts";

const { belfry, variables, user, notify, stored, visit, client } = inboxes();
const grouping = createBelfry({
  client,
  types: {
    comment: { inbox: true, channels: {}, group: { by: "data.thread", actor: "data.author" } },
  },
});
afterAll(() => grouping.close());
const comment = async (title: string, author: string, thread = "t-1") =>
  (await grouping.notify({ user: user(), type: "comment", title, data: { thread, author } })).id;

const item = (id: string, group?: string, actor?: string) => ({ id, group, actor }) as unknown as InboxItem;

test("neighbours of one group are one row, whose id stays when newer ones come", () => {
  const items = [item("5"), item("4", "a", "Maria"), item("3", "a"), item("2", "b"), item("1", "a")];
  const ids = (open: string[] = [], list = items) =>
    folded(list, (id) => open.includes(id)).map(({ id }) => id);
  expect(ids()).toEqual(["5", "group-3", "2", "1"]);
  expect(ids(["group-3"])).toEqual(["5", "group-3", "4", "3", "2", "1"]);
  expect(ids([], [item("6", "a"), ...items.slice(1)])).toEqual(["group-3", "2", "1"]);
  expect(actorsOf([item("3", "a", "Paul"), item("2", "a", " "), item("1", "a", "Paul")])).toEqual(["Paul"]);
});

async function start(given: Parameters<typeof visit>[1] = {}) {
  const { url } = await startService(variables);
  const visited = await visit(url, given);
  await visited.go();
  return visited;
}

describe.skipIf(chromiumMissing())("groups in the tag", () => {
  test("neighbours of one group are one row that opens, and new ones join it", async () => {
    await notify("Before");
    for (const [at, author] of ["Ann", "Ben", "Ann", "Cleo", "Dan"].entries())
      await comment(`No. ${at}`, author);
    const { tag } = await start();
    await tag.counts("6");
    await tag.open();
    await tag.lists("No. 4", "Before");
    await tag.says("Dan and 3 others");
    await tag.says("5 notifications");
    await tag.unread("6 unread");
    await comment("No. 5", "Maria");
    await tag.lists("No. 5", "Before");
    await tag.says("Maria and 4 others");

    await tag.items.first().locator('[part~="item-title"]').click();
    await tag.lists("No. 5", "No. 5", "No. 4", "No. 3", "No. 2", "No. 1", "No. 0", "Before");
    await tag.act("No. 2", "read");
    await tag.unread("6 unread");
    await tag.items.first().locator('[part~="item-title"]').click();
    await tag.lists("No. 5", "Before");
    await tag.listsUnread("No. 5", "Before");
  });

  test("the buttons of a group's row act on all of its items", async () => {
    for (const title of ["One", "Two", "Three"]) await comment(title, "Maria");
    await notify("Last");
    const { tag } = await start();
    await tag.open();
    await tag.lists("Last", "Three");
    await tag.says("Maria");
    await tag.act("Three", "read");
    await tag.unread("1 unread");
    await tag.becomes("what is unread", async () => (await stored()).unread, 1);
    await tag.act("Three", "unread");
    await tag.unread("4 unread");
    await tag.act("Three", "archive");
    await tag.lists("Last");
    await tag.choose("archived");
    await tag.lists("Three");
    await tag.becomes(
      "what is archived",
      async () => (await stored()).items.filter(({ archived }) => archived).length,
      3,
    );
    await tag.act("Three", "unarchive");
    await tag.lists();
  });

  test("by keyboard: a group opens and closes, and the arrows go through its items", async () => {
    for (const title of ["One", "Two"]) await comment(title, "Maria");
    await notify("Last");
    const { page, tag } = await start();
    await tag.open();
    await tag.lists("Last", "Two");
    const press = async (key: string, wanted: string) => {
      await page.keyboard.press(key);
      await tag.becomes(`the focus after ${key}`, () => focused(page), wanted);
    };
    await press("ArrowDown", "item-title: Last");
    await press("ArrowDown", "item-title: Two");
    await press("ArrowDown", "item-title: Two");
    await press("Enter", "item-title: Two");
    await tag.lists("Last", "Two", "Two", "One");
    await press("End", "item-title: One");
    for (const wanted of ["read", "archive", "remove"]) await press("Tab", `action ${wanted}: One`);
    await press("Enter", "item-title: Two");
    await tag.lists("Last", "Two");
    await press("Control+z", "item-title: One");
    await press("Home", "item-title: Last");
  });

  test("a screen reader hears who, how many and whether it is open, in both languages", async () => {
    for (const author of ["Ann", "Ben", "Maria"]) await comment("A comment", author);
    const { page, tag } = await start({
      attributes: { inline: "" },
      body: (one) => `<h1>A product</h1>${one}`,
    });
    await tag.says("Maria and 2 others");
    const title = tag.items.first().locator('[part~="item-title"]');
    const about = () =>
      title.evaluate((one) =>
        one
          .getAttribute("aria-describedby")
          .split(" ")
          .map((id: string) => one.getRootNode().getElementById(id)?.textContent.trim()),
      );
    expect((await about()).slice(0, 3)).toEqual(["Maria and 2 others", "New", "3 notifications"]);
    expect(await title.getAttribute("aria-expanded")).toBe("false");
    await title.click();
    expect(await title.getAttribute("aria-expanded")).toBe("true");
    await expectAccessible(page, "an open group");
    await page.evaluate(`document.querySelector("belfry-inbox").locale = "ru"`);
    await tag.says("Maria и ещё 2 человека");
    await tag.says("3 уведомления");
  });

  test("a phone and a right-to-left page show it within their width", async () => {
    for (const author of ["Ann", "Ben", "W".repeat(200)]) await comment("A comment ".repeat(20), author);
    const { page, tag } = await start({
      attributes: { inline: "", locale: "ar" },
      context: { viewport: { width: 320, height: 640 } },
    });
    await tag.items.first().locator('[part~="item-title"]').click();
    await tag.becomes("the rows", () => tag.items.count(), 4);
    expect(await page.evaluate("document.documentElement.scrollWidth - innerWidth")).toBeLessThanOrEqual(0);
    const left = async (nth: number) =>
      (await tag.items.nth(nth).locator('[part~="item-title"]').boundingBox()) ?? { x: 0, width: 0 };
    const [row, member] = [await left(0), await left(1)];
    expect(member.x + member.width).toBeLessThan(row.x + row.width);
  });
});

describe.skipIf(chromiumMissing())("a notification that is taken back or replaced", () => {
  test("changes on every open page at once", async () => {
    await notify("Stays");
    const { id } = await belfry.notify({ user: user(), type: "new_message", title: "Mistake", key: "m-1" });
    const { site, context, tag } = await start();
    const elsewhere = await context.newPage();
    await elsewhere.goto(site.url);
    const other = tagOn(elsewhere);
    for (const one of [tag, other]) await one.counts("2");
    await tag.open();
    await tag.lists("Mistake", "Stays");
    await other.open();
    await other.lists("Mistake", "Stays");

    const update = { user: user(), type: "new_message", key: "m-1", replace: true };
    await notify("Newer");
    for (const one of [tag, other]) await one.lists("Newer", "Mistake", "Stays");
    expect(await belfry.notify({ ...update, title: "Correction" })).toEqual({ id, replaced: true });
    for (const one of [tag, other]) await one.lists("Correction", "Newer", "Stays");
    for (const one of [tag, other]) await one.unread("3 unread");

    await belfry.recall({ id, user: user() });
    for (const one of [tag, other]) await one.lists("Newer", "Stays");
    for (const one of [tag, other]) await one.unread("2 unread");
  });
});
