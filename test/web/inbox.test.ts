import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { chromiumMissing } from "../support/browser.ts";
import { eventually, startService } from "../support/service.ts";
import { inboxes } from "./support/inbox.ts";
import { tagOn } from "./support/tag.ts";

const { variables, user, sign, notify, stored, visit } = inboxes();

/** A service, and a page with the tag that writes down what it is told. */
async function start(given: Parameters<typeof visit>[1] = {}) {
  const service = await startService(variables);
  const script = `globalThis.told = [];
    for (const type of ["belfry-new", "belfry-click", "belfry-count"])
      document.addEventListener(type, ({ detail }) => told.push([type, detail.item?.title ?? detail]));`;
  const visited = await visit(service.url, { script, ...given });
  await visited.go();
  return { service, ...visited, told: () => visited.page.evaluate<unknown[]>("told") };
}

test("/inbox.js is one module of at most 33.3 kB gzipped, open to all origins, with an ETag", async () => {
  const { url } = await startService({ DB_URI: variables.DB_URI });
  const answer = await fetch(`${url}/inbox.js`, { headers: { origin: "https://elsewhere.example" } });
  const text = await answer.text();
  expect(answer.status).toBe(200);
  expect(Object.fromEntries(answer.headers)).toMatchObject({
    "content-type": "text/javascript; charset=utf-8",
    "content-encoding": "gzip",
    "access-control-allow-origin": "*",
    "cross-origin-resource-policy": "cross-origin",
    "x-content-type-options": "nosniff",
  });
  // 0.8 kB of them are the groups. The calls for programs are not in it (client/user-client.ts).
  expect(gzipSync(text, { level: 9 }).length).toBeLessThanOrEqual(33_300);
  expect(text).not.toMatch(/\bimport\s*["'{(]|\bfrom\s*["']/);
  const again = await fetch(`${url}/inbox.js`, {
    headers: { "if-none-match": answer.headers.get("etag") as string },
  });
  expect([again.status, await again.text()]).toEqual([304, ""]);
});

describe.skipIf(chromiumMissing())("the tag in a page", () => {
  test("shows the exact count and list in every tag and tab, as they change", async () => {
    await notify("One");
    const { site, page, tag } = await start({ body: (tag) => tag + tag });
    const second = await page.context().newPage();
    await second.goto(site.url);
    const all = [tag, tagOn(page, 1), tagOn(second)];
    for (const one of all) await one.counts("1");
    await notify("Two", { body: "Its body" });
    for (const one of all) await one.counts("2");
    const opened = [tag, tagOn(second)];
    for (const one of opened) {
      await one.open();
      await one.lists("Two", "One");
    }
    expect(await tag.part("item-body").allTextContents()).toEqual(["Its body"]);
    await tag.act("Two", "read");
    for (const one of opened) await one.unread("1 unread");
    await tagOn(second).listsUnread("One");
    expect((await stored()).items.map((one) => one.read)).toEqual([true, false]);
  });

  test("the tags of a page share one connection", async () => {
    await notify("One");
    const { url } = await startService(variables);
    const { page, go } = await visit(url, { body: (tag) => tag + tag });
    const sockets: string[] = [];
    page.on("websocket", (socket) => void sockets.push(socket.url()));
    await go();
    await notify("Two");
    for (const one of [tagOn(page), tagOn(page, 1)]) await one.counts("2");
    expect(sockets).toHaveLength(1);
  });

  test("reads, unreads, archives, unarchives, deletes and reads all", async () => {
    for (const title of ["One", "Two", "Three", "Four"]) await notify(title);
    const { page, tag } = await start();
    await tag.counts("4");
    await tag.open();
    await tag.act("Four", "read");
    await tag.listsUnread("Three", "Two", "One");
    await tag.act("Four", "unread");
    await tag.listsUnread("Four", "Three", "Two", "One");
    await tag.act("Three", "archive");
    await tag.lists("Four", "Two", "One");
    await tag.act("One", "remove");
    await tag.lists("Four", "Two");
    await tag.unread("2 unread");
    await tag.choose("archived");
    await tag.lists("Three");
    await tag.act("Three", "unarchive");
    await tag.says("The archive is empty.");
    await tag.choose("unread");
    await tag.lists("Four", "Two");
    await tag.part("read-all").click();
    await tag.says("You have read everything.");
    await tag.unread("");
    await tag.choose("all");
    await tag.lists("Four", "Three", "Two");
    await page.goto("about:blank");
    const kept = async () => (await stored()).items.map((one) => [one.title, one.read, one.archived]);
    await tag.becomes("what is stored", kept, [
      ["Four", true, false],
      ["Three", true, false],
      ["Two", true, false],
    ]);
  });

  test("a click marks as read, and keeps the item in the unread list for now", async () => {
    await notify("One");
    await notify("Two", { body: "A code: 4711" });
    const { page, tag, told } = await start();
    await tag.open();
    await tag.choose("unread");
    // Who selects something of the text means that.
    const body = tag.part("item-body");
    const { x, y } = (await body.boundingBox()) as { x: number; y: number };
    await page.mouse.move(x + 2, y + 8);
    await page.mouse.down();
    await page.mouse.move(x + 60, y + 8);
    await page.mouse.up();
    expect(await told()).not.toContainEqual(["belfry-click", "Two"]);
    await page.evaluate("getSelection().empty()");
    await body.click({ position: { x: 20, y: 8 } });
    await tag.unread("1 unread");
    await tag.lists("Two", "One");
    await tag.choose("all");
    await tag.choose("unread");
    await tag.lists("One");
    expect(await told()).toContainEqual(["belfry-click", "Two"]);
  });

  test('read-on="open" marks the shown items as read, and still marks them as new', async () => {
    await notify("One");
    const { tag } = await start({ attributes: { "read-on": "open" } });
    await tag.counts("1");
    await tag.open();
    await tag.unread("");
    await tag.counts("");
    await tag.listsUnread("One");
    await notify("Two");
    await tag.listsUnread("Two", "One");
    await eventually(async () => (await stored()).unread === 0, "both to be read");
    await tag.part("close").click();
    await tag.open();
    await tag.lists("Two", "One");
    await tag.listsUnread();
  });

  test("fires events for new items, clicks and counts", async () => {
    const { tag, told } = await start();
    await tag.becomes("the counts", told, [["belfry-count", { unread: 0, unseen: 0, total: 0 }]]);
    await notify("One");
    await tag.becomes("the news", told, [
      ["belfry-count", { unread: 0, unseen: 0, total: 0 }],
      ["belfry-count", { unread: 1, unseen: 1, total: 1 }],
      ["belfry-new", "One"],
    ]);
    await tag.open();
    await tag.counts("");
    await tag.item("One").locator("button").first().click();
    await tag.becomes("the click", async () => (await told()).slice(3), [
      ["belfry-count", { unread: 1, unseen: 0, total: 1 }],
      ["belfry-click", "One"],
      ["belfry-count", { unread: 0, unseen: 0, total: 1 }],
    ]);
  });

  test("follows a link unless the page prevents it, and only to the web", async () => {
    const links = {
      Relative: "/orders/7?a=b#c",
      Elsewhere: "https://elsewhere.example/x",
      Script: "javascript:document.title='owned'",
      Hidden: " \u0001jAvA\tscript:document.title='owned'",
      Data: "data:text/html,<script>document.title='owned'</script>",
      File: "file:///etc/passwd",
      Broken: "http://[",
      Number: 7,
    };
    for (const [title, url] of Object.entries(links)) await notify(title, { data: { url } });
    const { site, page, tag } = await start();
    await tag.open();
    await tag.lists(...Object.keys(links).reverse());
    const hrefs = await tag.root.locator("a[part~=item-title]").evaluateAll((all) => all.map(String));
    expect(hrefs).toEqual(["https://elsewhere.example/x", `${site.url}orders/7?a=b#c`]);
    for (const title of ["Script", "Hidden", "Data", "File", "Broken", "Number"])
      await tag.item(title).locator("button").first().click();
    expect([page.url(), await page.title()]).toEqual([site.url, "A product"]);

    await page.evaluate(
      `document.addEventListener("belfry-click", (event) => event.preventDefault(), { once: true })`,
    );
    await tag.item("Relative").locator("a").click();
    await eventually(async () => (await stored()).unread === 1, "all but one to be read");
    expect(page.url()).toBe(site.url);
    await tag.open();
    await tag.item("Relative").locator("a").click();
    await page.waitForURL("**/orders/7?a=b#c");
  });

  test("a click on a link marks as read even though the page unloads", async () => {
    await notify("One", { data: { url: "/next" } });
    const { tag, page } = await start();
    await tag.open();
    await tag.item("One").locator("a").click();
    await page.waitForURL("**/next");
    await eventually(async () => (await stored()).unread === 0, "it to be read");
  });

  test("scrolls a full inbox to its end, drawing it in parts", async () => {
    await Promise.all(Array.from({ length: 100 }, (_, n) => notify(`No. ${n}`)));
    const { tag } = await start();
    await tag.open();
    const drawn = () => tag.items.count();
    await eventually(async () => (await drawn()) > 0, "the list");
    expect(await drawn()).toBeLessThan(100);
    expect(await tag.items.first().getAttribute("aria-setsize")).toBe("100");
    await eventually(async () => {
      await tag
        .part("body")
        .evaluate((body: { scrollTo(x: number, y: number): void }) => body.scrollTo(0, 1e6));
      return (await drawn()) === 100;
    }, "the end of the list");
  });

  test("`inline` shows the list without a bell", async () => {
    await notify("One");
    const { tag } = await start({ attributes: { inline: "" } });
    await tag.lists("One");
    expect(await tag.bell.count()).toBe(0);
    await notify("Two");
    await tag.lists("Two", "One");
  });

  test("slots replace the tag's content with the page's", async () => {
    const id = await notify("One");
    const { tag, page } = await start({
      body: (tag) =>
        tag.replace(
          "></",
          `><b slot="bell">Post</b><b slot="title">Mail</b><b slot="item-${id}">Mine</b><a slot="footer" href="/all">Everything</a></`,
        ),
    });
    await tag.open();
    await tag.items.first().waitFor();
    for (const own of ["Post", "Mail", "Mine", "Everything"])
      expect(await page.getByText(own, { exact: true }).isVisible()).toBe(true);
    expect(await page.getByText("One").isVisible()).toBe(false);
  });

  test("switches to another user at once, and closes the connection when removed", async () => {
    await notify("Ann's");
    const { tag, page, service } = await start();
    await tag.open();
    await tag.lists("Ann's");
    const other = `${user()}-other`;
    const token = await sign(other);
    await tag.root.evaluate((element, given) => Object.assign(element, given), { user: other, token });
    await tag.says("No notifications yet.");
    await tag.counts("");
    await page.evaluate(`document.querySelector("belfry-inbox").remove()`);
    const connections = async () =>
      /^belfry_live_connections (\d+)/m.exec(
        await (
          await fetch(`${service.url}/metrics`, {
            headers: { authorization: `Bearer ${variables.API_KEYS}` },
          })
        ).text(),
      )?.[1];
    await eventually(async () => (await connections()) === "0", "no connection to be open");
  });
});
