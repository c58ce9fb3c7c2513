import { describe, expect, test } from "vitest";
import { chromiumMissing } from "../support/browser.ts";
import { eventually, startService } from "../support/service.ts";
import { inboxes } from "./support/inbox.ts";
import { tagOn } from "./support/tag.ts";

const { belfry, variables, user, notify, stored, visit } = inboxes();
const undoTime = "00:09";

/** A page whose clock the test moves, with the list open. */
async function start(given: Parameters<typeof visit>[1] = {}) {
  const { url } = await startService(variables);
  await notify("One");
  await notify("Two");
  const visited = await visit(url, given);
  const deletes: string[] = [];
  visited.page.on("request", (one) => void (one.method() === "DELETE" && deletes.push(one.url())));
  await visited.page.clock.install();
  await visited.go();
  await visited.tag.open();
  await visited.tag.lists("Two", "One");
  // It came by the connection: while that is made, a leap in time would end it.
  await notify("Three");
  await visited.tag.lists("Three", "Two", "One");
  return { deletes, ...visited };
}
const titles = async () => (await stored()).items.map((one) => one.title);

describe.skipIf(chromiumMissing())("a delete can be undone for some seconds", () => {
  test("Undo brings the item back, and nothing is sent", async () => {
    const { deletes, page, tag } = await start();
    await tag.act("Two", "remove");
    await tag.lists("Three", "One");
    await tag.unread("2 unread");
    expect(await page.locator("belfry-inbox .notices[role=status]").innerText()).toMatch(
      /Deleted: Two\s+Undo/,
    );
    await tag.part("undo").click();
    await tag.lists("Three", "Two", "One");
    await tag.unread("3 unread");
    await page.clock.fastForward(undoTime);
    await tag.part("removed").waitFor({ state: "detached" });
    expect([await titles(), deletes]).toEqual([["Three", "Two", "One"], []]);
  });

  test("sends the delete after the time; Undo brings the last of several back first", async () => {
    const { deletes, page, tag } = await start();
    await tag.act("One", "remove");
    await tag.act("Two", "remove");
    await tag.part("undo").click();
    await tag.lists("Three", "Two");
    await tag.says("Deleted: One");
    // Nobody loses the button from under the pointer.
    await tag.part("undo").hover();
    await page.clock.fastForward(undoTime);
    await tag.says("Deleted: One");
    expect(deletes).toEqual([]);
    await tag.item("Three").hover();
    await page.clock.fastForward(undoTime);
    await tag.part("removed").waitFor({ state: "detached" });
    await tag.becomes("what is stored", titles, ["Three", "Two"]);
    await tag.lists("Three", "Two");
    expect(deletes).toHaveLength(1);
  });

  test("all tags of a page hide the item and can undo; another page shows it until the delete is sent", async () => {
    const { context, site, page, tag } = await start({
      body: (one) => one + one.replace(" user", " inline user"),
    });
    const inline = tagOn(page, 1);
    const elsewhere = tagOn(await context.newPage(), 1);
    await elsewhere.root.page().goto(site.url);
    await tag.act("Two", "remove");
    for (const one of [tag, inline]) await one.lists("Three", "One");
    await elsewhere.lists("Three", "Two", "One");
    await page.keyboard.press("Escape");
    await inline.part("undo").click();
    await inline.lists("Three", "Two", "One");
    await inline.act("One", "remove");
    await inline.item("Three").hover();
    await page.clock.fastForward(undoTime);
    await elsewhere.lists("Three", "Two");
    await inline.lists("Three", "Two");
  });

  test("leaving the page sends the delete at once", async () => {
    const { page, tag } = await start();
    await tag.act("Two", "remove");
    await tag.lists("Three", "One");
    await page.goto("about:blank");
    await eventually(async () => (await stored()).total === 2, "it to be deleted");
    expect(await titles()).toEqual(["Three", "One"]);
  });

  test("removing the tag sends the delete at once", async () => {
    const { page, tag } = await start();
    await tag.act("Two", "remove");
    await tag.lists("Three", "One");
    await page.evaluate(`document.querySelector("belfry-inbox").remove()`);
    await eventually(async () => (await stored()).total === 2, "it to be deleted");
  });

  test("a failed delete brings the item back, with a sentence", async () => {
    const { context, page, tag } = await start();
    await tag.act("Two", "remove");
    await tag.lists("Three", "One");
    await context.setOffline(true);
    await tag.says("You are offline.");
    await page.clock.fastForward(undoTime);
    await tag.says("That did not work. Try again in a moment.");
    await tag.lists("Three", "Two", "One");
    expect(await titles()).toEqual(["Three", "Two", "One"]);
  });

  test("Undo goes when another device deletes the item", async () => {
    const { deletes, page, tag } = await start();
    await tag.act("Two", "remove");
    await tag.says("Deleted: Two");
    const { items } = await stored();
    await belfry.inbox.remove(user(), items.find((one) => one.title === "Two")?.id as string);
    await tag.part("removed").waitFor({ state: "detached" });
    await page.clock.fastForward(undoTime);
    await tag.lists("Three", "One");
    expect(deletes).toEqual([]);
  });
});
