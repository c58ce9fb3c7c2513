import { describe, expect, test } from "vitest";
import { chromiumMissing, expectAccessible } from "../support/browser.ts";
import { eventually, startService } from "../support/service.ts";
import { inboxes } from "./support/inbox.ts";
import { focused, tagOn } from "./support/tag.ts";

const { db, belfry, variables, user, notify, stored, visit } = inboxes();

async function start(given: Parameters<typeof visit>[1] = {}) {
  const { url } = await startService(variables);
  const visited = await visit(url, given);
  await visited.go();
  return visited;
}

describe.skipIf(chromiumMissing())("the tag, for every reader", () => {
  test("opens, filters, moves, acts and closes by keyboard alone", async () => {
    for (const title of ["One", "Two", "Three"]) await notify(title, { data: { url: `#${title}` } });
    const { page, tag } = await start();
    await tag.counts("3");
    const press = async (key: string, wanted: string) => {
      await page.keyboard.press(key);
      await tag.becomes(`the focus after ${key}`, () => focused(page), wanted);
    };
    await press("Tab", "bell");
    await press("Enter", "panel");
    await press("Tab", "read-all");
    await press("Tab", "notify");
    await press("Tab", "preferences");
    await press("Tab", "close");
    await press("Tab", "all");
    await press("ArrowRight", "unread");
    await press("ArrowLeft", "all");
    // The list is one stop, and its row's buttons the next.
    await press("Tab", "item-title: Three");
    await press("ArrowDown", "item-title: Two");
    await press("End", "item-title: One");
    await press("ArrowDown", "item-title: One");
    await press("Home", "item-title: Three");
    await press("Tab", "action read: Three");
    await press("Enter", "action unread: Three");
    await tag.unread("2 unread");
    await press("Tab", "action archive: Three");
    await press("Space", "item-title: Two");
    await tag.lists("Two", "One");
    await press("ArrowDown", "item-title: One");
    await press("Tab", "action read: One");
    await press("Tab", "action archive: One");
    await press("Tab", "action remove: One");
    await press("Enter", "item-title: Two");
    await press("Shift+Tab", "undo");
    await press("Enter", "item-title: One");
    await tag.lists("Two", "One");
    await press("End", "item-title: One");
    for (const wanted of ["read", "archive", "remove"]) await press("Tab", `action ${wanted}: One`);
    await press("Enter", "item-title: Two");
    await press("Control+z", "item-title: One");
    for (const wanted of ["read", "archive", "remove"]) await press("Tab", `action ${wanted}: One`);
    await press("Enter", "item-title: Two");
    await press("Escape", "bell");
    expect(await tag.panel.isVisible()).toBe(false);
    await press("Enter", "panel");
    await press("ArrowDown", "item-title: Two");
    await page.keyboard.press("Enter");
    await page.waitForURL("**/#Two");
    await page.goto("about:blank");
    const kept = async () =>
      (await stored()).items.map(({ title, read, archived }) => [title, read, archived]);
    await tag.becomes("what is stored", kept, [
      ["Three", true, true],
      ["Two", true, false],
    ]);
  });

  test("keeps the focus in the panel when its only item goes", async () => {
    const id = await notify("One");
    const { page, tag } = await start();
    await tag.open();
    await tag.lists("One");
    await page.keyboard.press("ArrowDown");
    await tag.becomes("the focus", () => focused(page), "item-title: One");
    await belfry.inbox.remove(user(), id);
    await tag.says("No notifications yet.");
    await tag.becomes("the focus", () => focused(page), "panel");
  });

  test("has the names, roles and states that a screen reader needs", async () => {
    await notify("One", { body: "Its body" });
    const { tag } = await start();
    await tag.counts("1");
    expect(await tag.root.ariaSnapshot()).toBe('- button "Notifications, 1 new"\n- status');
    await tag.open();
    await tag.counts("");
    await tag.listsUnseen("One");
    const snapshot = await tag.root.ariaSnapshot();
    for (const line of [
      '- button "Notifications" [expanded]',
      '- dialog "Notifications"',
      '- heading "Notifications" [level=2]',
      '- button "Mark all as read"',
      '- group "Show"',
      '- radio "All" [checked]',
      '- list "All"',
      `- 'button "Unread: One"'`,
      '- button "Archive"',
      "- time: now",
    ])
      expect(snapshot).toContain(line);
    const about = await tag.root.locator("[part~=item-title]").evaluate((title) =>
      title
        .getAttribute("aria-describedby")
        .split(" ")
        .map((id: string) => title.getRootNode().getElementById(id)?.textContent),
    );
    expect(about).toEqual(["Its body", "New", "now"]);
  });

  test("announces a burst once, however many tags there are", async () => {
    await notify("Before");
    const { page, tag } = await start({ body: (one) => one + one });
    await tag.counts("1");
    const said = page.locator("belfry-inbox div[role=status].sr");
    await page.evaluate(`globalThis.said = [];
      for (const tag of document.querySelectorAll("belfry-inbox"))
        new MutationObserver(() => said.push(tag.shadowRoot.querySelector("div.sr").textContent))
          .observe(tag.shadowRoot.querySelector("div.sr"), { characterData: true, childList: true, subtree: true })`);
    await notify("A\u202egnp.exe");
    const texts = () => page.evaluate<string[]>("said.filter(Boolean)");
    await tag.becomes("what is said", texts, ["1 new notification: A\u202egnp.exe"]);
    for (let n = 0; n < 5; n++) await notify(`Burst ${n}`);
    await tag.becomes("what is said", texts, ["1 new notification: A\u202egnp.exe", "5 new notifications"]);
    await eventually(async () => (await said.allTextContents()).join("") === "", "it to be quiet again");
  });

  test.each(["light", "dark"] as const)("axe-core finds no problems: %s", async (theme) => {
    await notify("One", { data: { url: "/one" }, body: "Its body. ".repeat(60) });
    await notify(undefined);
    const { context, page, tag } = await start({
      attributes: { theme },
      body: (one) =>
        `<h1>A product</h1>${one.replace(" user", ' badge="unread" user')}<section>${one.replace(" user", " inline user")}</section>`,
      context: { colorScheme: theme },
    });
    await tag.counts("2");
    await tagOn(page, 1).listsUnseen("New message", "One");
    await expectAccessible(page, "closed, and a list in the page");
    await tag.open();
    await tag.lists("New message", "One");
    await tag.items.first().hover();
    await expectAccessible(page, "open");
    await tag.act("One", "archive");
    await tag.choose("archived");
    await tag.lists("One");
    await expectAccessible(page, "archive");
    await tag.choose("unread");
    await tag.part("read-all").click();
    await tag.says("You have read everything.");
    await expectAccessible(page, "empty");
    await context.setOffline(true);
    await tag.says("You are offline.");
    await expectAccessible(page, "offline");
    await tag.root.evaluate((element) => Object.assign(element, { token: "nonsense" }));
    await context.setOffline(false);
    await tag.says("Your session has expired.");
    await expectAccessible(page, "refused");
    await tag.root.evaluate((element) => Object.assign(element, { user: "somebody" }));
    await tag.says("Your session has expired.");
    await expectAccessible(page, "nothing but a sentence");
  });

  test("Russian has its plurals, times and all texts", async () => {
    const { tag } = await start({ attributes: { locale: "ru" } });
    await tag.bell.waitFor();
    for (const [count, says] of [
      [1, "Уведомления, 1 новое"],
      [2, "Уведомления, 2 новых"],
      [5, "Уведомления, 5 новых"],
      [21, "Уведомления, 21 новое"],
      [22, "Уведомления, 22 новых"],
    ] as const) {
      const { unread } = await stored();
      for (let n = unread; n < count; n++) await notify(`${n}`);
      await tag.becomes("the bell", () => tag.bell.getAttribute("aria-label"), says);
    }
    await tag.open();
    await tag.unread("22 непрочитанных");
    expect(await tag.part("unseen").first().textContent()).toBe("Новое");
    expect(await tag.part("time").first().textContent()).toBe("сейчас");
    // The titles are digits: no Latin letter is ours.
    expect(await tag.panel.innerText()).not.toMatch(/[a-z]/i);
    const names = await tag.root
      .locator("[aria-label], [title]")
      .evaluateAll((all) =>
        all.map((one) => `${one.getAttribute("aria-label") ?? ""} ${one.getAttribute("title") ?? ""}`),
      );
    expect(names.join(" ")).not.toMatch(/[a-z]/i);
  });

  test("uses the page's lang without a locale, and the page's own texts first", async () => {
    await notify("One");
    const texts = {
      title: "Benachrichtigungen",
      unseen: { one: "{n} neue", other: "{n} neue" },
      retry: 7,
    };
    const { page, tag } = await start({ attributes: { locale: "de", texts: JSON.stringify(texts) } });
    await tag.becomes("the bell", () => tag.bell.getAttribute("aria-label"), "Benachrichtigungen, 1 neue");
    await page.evaluate(`document.documentElement.lang = "ru";
      document.querySelector("belfry-inbox").removeAttribute("texts");
      document.querySelector("belfry-inbox").removeAttribute("locale")`);
    await tag.becomes("the bell", () => tag.bell.getAttribute("aria-label"), "Уведомления, 1 новое");
    const errors: string[] = [];
    page.on("pageerror", (error) => void errors.push(error.message));
    await page.evaluate(`addEventListener("error", (event) => event.preventDefault(), { once: true });
      document.querySelector("belfry-inbox").setAttribute("texts", "{title:")`);
    await tag.becomes("the bell", () => tag.bell.getAttribute("aria-label"), "Уведомления, 1 новое");
  });

  test("mirrors everything right-to-left, and keeps each text's own direction", async () => {
    await notify("مرحبا");
    await notify("Hello!");
    const { page, tag } = await start({
      attributes: { locale: "ar", texts: JSON.stringify({ title: "الإشعارات" }), theme: "light" },
    });
    await tag.open();
    await tag.lists("Hello!", "مرحبا");
    const boxOf = async (part: string) =>
      (await tag.part(part).first().boundingBox()) as { x: number; width: number };
    expect((await boxOf("close")).x).toBeLessThan((await boxOf("title")).x);
    expect((await boxOf("remove")).x).toBeLessThan((await boxOf("time")).x);
    const directions = await page.evaluate(`[...document.querySelector("belfry-inbox").shadowRoot
      .querySelectorAll("[part~=item-title] bdi")].map((one) => getComputedStyle(one).direction)`);
    expect(directions).toEqual(["ltr", "rtl"]);
  });

  test("an English sentence in a right-to-left page ends with its full stop", async () => {
    const { page, tag } = await start({ attributes: { locale: "ar" } });
    await tag.open();
    await tag.says("No notifications yet.");
    const [last, stop] = await page.evaluate<[number, number]>(`(() => {
      const { lastChild: text } = document.querySelector("belfry-inbox").shadowRoot.querySelector(".empty p");
      const range = document.createRange();
      return [-2, -1].map((at) => {
        range.setStart(text, text.length + at);
        range.setEnd(text, text.length + at + 1);
        return range.getBoundingClientRect().left;
      });
    })()`);
    expect(stop).toBeGreaterThan(last);
  });

  test("shows hostile content as text, complete and without running it", async () => {
    const titles = [
      "one",
      "two",
      `<img src=x onerror="document.title='owned'">`,
      `</bdi></li><script>document.title="owned"</script>`,
      "{{constructor.constructor('owned')()}} %3Cb%3E &lt;b&gt;",
      "👩‍👩‍👧‍👦🏴‍☠️".repeat(20),
      "\u202eabc\u202d\u2066\u2067\u0000\u0007",
      `Z${"\u0300\u0489\u0336".repeat(150)}`,
      "x".repeat(1_000),
    ];
    for (const title of titles) await notify(title, { body: title.repeat(10) });
    await belfry.notify({ user: user(), type: "new_message", body: "long ".repeat(3_000) });
    // What old systems put there without asking.
    const odd = {
      "notifications.0.title": "y".repeat(10_000),
      "notifications.1.title": { _$litType$: 1, strings: ["<b>"] },
    };
    await db.collection<{ _id: string }>("users").updateOne({ _id: user() }, { $set: odd });
    const { page, tag } = await start();
    await tag.open();
    const kept = titles.slice(2).toReversed();
    await tag.lists("New message", ...kept, "[object Object]", "y".repeat(10_000));
    expect(await page.title()).toBe("A product");
    expect(await tag.root.locator("img, script, b").count()).toBe(0);
    const width = (await tag.panel.boundingBox())?.width as number;
    for (const box of await Promise.all((await tag.items.all()).map((one) => one.boundingBox())))
      expect([(box?.width as number) <= width, (box?.height as number) < 260]).toEqual([true, true]);
    await tag.item("long long").locator('[part~="more"]').click();
    expect((await tag.item("long long").boundingBox())?.height).toBeGreaterThan(1_000);
  });

  test("asks for browser notifications on a click only, and shows one for all hidden tabs", async () => {
    const { context, site, page, tag } = await start();
    await context.grantPermissions([]);
    await context.addInitScript(`globalThis.shown = []; globalThis.asked = 0;
      class Recorded extends EventTarget {
        static permission = "default";
        static async requestPermission() { asked++; return (Recorded.permission = "granted"); }
        constructor(title, options) { super(); shown.push([title, options.body]); globalThis.last = this; }
        close() {}
      }
      globalThis.Notification = Recorded;
      let hidden = false;
      Object.defineProperty(document, "hidden", { get: () => hidden });
      globalThis.hide = (value) => { hidden = value; document.dispatchEvent(new Event("visibilitychange")); };`);
    await page.goto(site.url);
    await tag.counts("");
    expect(await page.evaluate("asked")).toBe(0);
    await tag.open();
    await tag.part("notify").click();
    await tag.becomes("the button", () => tag.part("notify").getAttribute("aria-pressed"), "true");
    await tag.part("close").click();
    await notify("Seen");
    await tag.counts("1");
    await page.evaluate("hide(true)");
    await notify("Unseen", { body: "Its body" });
    await tag.becomes("what the browser shows", () => page.evaluate("shown"), [["Unseen", "Its body"]]);
    // Another tab of the site is being looked at.
    const second = await context.newPage();
    await second.goto(site.url);
    const isSeen = () => page.evaluate("navigator.locks.query().then(({ held }) => held.length > 0)");
    await tag.becomes("the other tab's presence", isSeen, true);
    await notify("Seen there");
    await tag.counts("3");
    await second.close();
    await tag.becomes("the other tab's presence", isSeen, false);
    await notify("Unseen again");
    await tag.becomes("what the browser shows", () => page.evaluate("shown"), [
      ["Unseen", "Its body"],
      ["Unseen again", ""],
    ]);
    await page.evaluate("last.onclick()");
    await tag.listsUnread("Seen there", "Unseen", "Seen");
  });

  test("shows the list as a full-width sheet on a phone, and within the window elsewhere", async () => {
    await notify("One");
    const phone = await start({
      context: { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true },
    });
    await phone.tag.open();
    await phone.tag.lists("One");
    expect(await phone.tag.panel.boundingBox()).toMatchObject({ x: 0, width: 390 });
    const { page, tag } = await start({ context: { viewport: { width: 600, height: 500 } } });
    for (const [left, top] of [
      [0, 0],
      [556, 0],
      [250, 0],
      [0, 456],
      [556, 456],
    ]) {
      await tag.root.evaluate(
        (one, at) => {
          const { style } = one as unknown as { style: Record<string, string> };
          Object.assign(style, { position: "fixed", left: `${at[0]}px`, top: `${at[1]}px` });
        },
        [left, top],
      );
      await tag.open();
      await tag.lists("One");
      const box = (await tag.panel.boundingBox()) as { x: number; y: number; width: number; height: number };
      expect([box.x >= 0, box.y >= 0, box.x + box.width <= 600, box.y + box.height <= 500]).toEqual([
        true,
        true,
        true,
        true,
      ]);
      await page.keyboard.press("Escape");
    }
  });
});
