import { describe, expect, test } from "vitest";
import { chromiumMissing, type Page } from "../support/browser.ts";
import { startService } from "../support/service.ts";
import { inboxes } from "./support/inbox.ts";
import { tagOn } from "./support/tag.ts";

const { belfry, browser, variables, user, sign, notify, visit } = inboxes();

async function start(given: Parameters<typeof visit>[1] = {}) {
  const { url } = await startService(variables);
  const visited = await visit(url, given);
  await visited.go();
  return visited;
}
const addStyle = (page: Page, css: string) =>
  page.evaluate(`(() => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(${JSON.stringify(css)});
    document.adoptedStyleSheets.push(sheet);
  })()`);
/** What each tag says to who hears the page, from now on. */
const listen = (page: Page) =>
  page.evaluate(`globalThis.said = [];
    for (const tag of document.querySelectorAll("belfry-inbox")) {
      const region = tag.shadowRoot.querySelector("div.sr");
      new MutationObserver(() => said.push([tag.id, region.textContent]))
        .observe(region, { characterData: true, childList: true, subtree: true });
    }`);
const said = (page: Page) => page.evaluate("said.filter(([, text]) => text)");

describe.skipIf(chromiumMissing())("the tag in a foreign page", () => {
  test("the page's global styles change only the bell's colour", async () => {
    await notify("One", { body: "Its body" });
    const { page, tag } = await start({ attributes: { badge: "unread" } });
    const looks = () =>
      page.evaluate<string[]>(`[".count", "h2", ".main", ".body"].map((one) => {
        const style = getComputedStyle(document.querySelector("belfry-inbox").shadowRoot.querySelector(one));
        return ["font", "color", "letterSpacing", "textTransform", "textAlign", "textIndent", "textShadow", "whiteSpace"]
          .map((name) => style[name]).join("; ");
      })`);
    await tag.open();
    await tag.lists("One");
    const before = await looks();
    await addStyle(
      page,
      `* { font: italic 900 9px/3 cursive; color: red; letter-spacing: 0.3em; text-transform: uppercase; text-align: center;
           text-indent: 40px; text-shadow: 2px 2px lime; white-space: nowrap; visibility: visible }
       button, li, h2, p, div, section { display: inline !important; font-size: 40px !important }`,
    );
    expect(await looks()).toEqual(before);
    expect(before[0]).toContain("px");
    const colour = `getComputedStyle(document.querySelector("belfry-inbox").shadowRoot.querySelector("#bell")).color`;
    expect(await page.evaluate(colour)).toBe("rgb(255, 0, 0)");
  });

  test("everything is reachable at 200 % text size on the smallest screen", async () => {
    await notify("One");
    const { page, tag } = await start({
      attributes: { locale: "ru" },
      context: { viewport: { width: 320, height: 568 } },
    });
    await addStyle(page, ":root { font-size: 32px !important }");
    await tag.open();
    await tag.lists("One");
    for (const one of await tag.panel.locator("button, label").all()) {
      const { x, width } = (await one.boundingBox()) ?? { x: 0, width: 0 };
      expect([await one.textContent(), x >= 0, x + width <= 320]).toEqual([expect.anything(), true, true]);
    }
  });

  test("forced colours still mark the chosen filter", async () => {
    const { page, tag } = await start({ context: { forcedColors: "active" } });
    await tag.open();
    await tag.choose("unread");
    const underlined = await page.evaluate(`[...document.querySelector("belfry-inbox").shadowRoot
      .querySelectorAll("label span")].map((one) => getComputedStyle(one).borderBlockEndStyle)`);
    expect(underlined).toEqual(["none", "solid", "none"]);
  });

  test("`server` may be a relative address", async () => {
    const { url } = await startService({ DB_URI: variables.DB_URI });
    const page = await browser.page();
    const sockets: string[] = [];
    page.on("websocket", (socket) => void sockets.push(socket.url()));
    await page.goto(url);
    await page.evaluate(`Promise.all([import("/inbox.js"), document.body.prepend(Object.assign(
      document.createElement("belfry-inbox"), { user: ${JSON.stringify(user())}, server: "/" }))])`);
    await notify("One");
    await tagOn(page).counts("1");
    // The page there has a tag of its own.
    const live = `${url.replace("http", "ws")}/v1/users/${user()}/live`;
    await tagOn(page).becomes("the socket", async () => sockets.some((one) => one.startsWith(live)), true);
  });

  test("a script from a sub-path calls the service at that path", async () => {
    const { url } = await startService(variables);
    await notify("One");
    const { site, page, tag } = await visit(url);
    const asked: string[] = [];
    // As a proxy that strips the prefix.
    await page.route(`${url}/**`, (route) => {
      const { pathname } = new URL(route.request().url());
      asked.push(pathname);
      return route.continue({ url: route.request().url().replace("/belfry/", "/") });
    });
    await page.routeWebSocket(/\/live\?/, (socket) => {
      asked.push(new URL(socket.url()).pathname);
      socket.close();
    });
    site.shows(
      `<belfry-inbox user="${user()}" token="${await sign()}"></belfry-inbox>`,
      `import("${url}/belfry/inbox.js")`,
      null,
    );
    await page.goto(site.url);
    await tag.counts("1");
    await tag.becomes(
      "the live address",
      async () => asked.includes(`/belfry/v1/users/${user()}/live`),
      true,
    );
    expect(asked.filter((one) => !one.startsWith("/belfry/"))).toEqual([]);
  });

  test("uses the page's language inside another tag's shadow root", async () => {
    await notify("One");
    const { page } = await start({
      body: (tag) => `<div></div><template>${tag}</template>`,
      script: `document.documentElement.lang = "ru";
        document.querySelector("div").attachShadow({ mode: "open" }).append(document.querySelector("template").content)`,
    });
    await page.getByRole("button", { name: "Уведомления, 1 новое" }).waitFor();
  });

  test("a hidden tag leaves the announcement to a visible one", async () => {
    await notify("Before");
    const { page } = await start({
      body: (tag) => `<div hidden>${tag}</div>${tag.replace(" ", " id=seen ")}`,
    });
    const seen = tagOn(page, 1);
    await seen.counts("1");
    await listen(page);
    await notify("One");
    await seen.becomes("what is said", () => said(page), [["seen", "1 new notification: One"]]);
  });

  test("does not announce the previous user's items after a change of user", async () => {
    const { page, tag } = await start();
    await tag.open();
    await tag.says("No notifications yet.");
    await listen(page);
    const other = `${user()}-other`;
    const given = { user: other, token: await sign(other) };
    await page.evaluate(`document.addEventListener("belfry-new", ({ target }) =>
      Object.assign(target, ${JSON.stringify(given)}), { once: true })`);
    await notify("For Ann's eyes");
    await tag.becomes("the user", () => tag.root.evaluate((one) => one.user), other);
    await tag.says("No notifications yet.");
    await belfry.notify({ user: other, type: "new_message", title: "For the other" });
    await tag.becomes("what is said", () => said(page), [["", "1 new notification: For the other"]]);
  });

  test("a tag that is removed and put back announces only what arrived meanwhile", async () => {
    await notify("Before");
    const { page, tag } = await start({
      script: `globalThis.told = [];
        document.addEventListener("belfry-new", ({ detail }) => told.push(detail.item.title))`,
    });
    await tag.counts("1");
    await page.evaluate(`globalThis.tag = document.querySelector("belfry-inbox"); tag.remove()`);
    await notify("Meanwhile");
    await page.evaluate("document.body.append(tag)");
    await tag.counts("2");
    await notify("After");
    await tag.counts("3");
    expect(await page.evaluate("told")).toEqual(["Meanwhile", "After"]);
  });

  test("a tag that is opened while removed is open when it is back", async () => {
    await notify("One");
    const { page, tag } = await start();
    await tag.counts("1");
    await page.evaluate(`(async () => {
      const tag = document.querySelector("belfry-inbox");
      tag.remove();
      tag.open = true;
      await tag.updateComplete;
      document.body.append(tag);
    })()`);
    await tag.lists("One");
  });

  test("the open list follows the bell", async () => {
    await notify("One");
    const { page, tag } = await start();
    await tag.open();
    await tag.lists("One");
    const gap = async () => {
      const [bell, panel] = await Promise.all([tag.bell.boundingBox(), tag.panel.boundingBox()]);
      return Math.round((panel?.y as number) - (bell?.y as number));
    };
    expect(await gap()).toBe(52);
    const before = await tag.bell.boundingBox();
    await page.evaluate(`document.querySelector("main").prepend(document.createElement("hr"))`);
    expect(await tag.bell.boundingBox()).not.toEqual(before);
    await tag.becomes("how far below the bell it is", gap, 52);
  });

  test("removed tags leave no listeners or connections", async () => {
    await notify("One");
    const { context, page, tag } = await start();
    await tag.counts("1");
    const devtools = await context.newCDPSession(page);
    await devtools.send("Performance.enable");
    const alive = async () => {
      await devtools.send("HeapProfiler.collectGarbage");
      const { metrics } = await devtools.send("Performance.getMetrics");
      return ["Nodes", "JSEventListeners"].map((name) => metrics.find((one) => one.name === name)?.value);
    };
    const comeAndGo = (times: number) =>
      page.evaluate(`(async () => {
        for (let n = 0; n < ${times}; n++) {
          const tag = document.querySelector("belfry-inbox").cloneNode();
          document.body.append(tag);
          await tag.updateComplete;
          tag.open = true;
          await tag.updateComplete;
          tag.remove();
        }
      })()`);
    await comeAndGo(1);
    const [nodes, listeners] = (await alive()) as [number, number];
    await comeAndGo(50);
    await tag.becomes("what is left", async () => {
      const [now, heard] = (await alive()) as [number, number];
      return [now < nodes + 50, heard < listeners + 10];
    }, [true, true]);
  });

  test("ignores a text of the page that is no text", async () => {
    await notify("One");
    const texts = { title: "Post", unseen: { one: 7, other: "{n} ?" }, arrived: null, retry: ["x"] };
    const { tag } = await start({ attributes: { texts: JSON.stringify(texts) } });
    await tag.becomes("the bell", () => tag.bell.getAttribute("aria-label"), "Post, 1 new");
  });
});
