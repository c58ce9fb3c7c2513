import { describe, expect, test } from "vitest";
import { chromiumMissing, type Page } from "../support/browser.ts";
import { freePort } from "../support/free-port.ts";
import { eventually, startService } from "../support/service.ts";
import { inboxes } from "./support/inbox.ts";
import { tagOn } from "./support/tag.ts";

const { belfry, variables, user, sign, notify, visit } = inboxes();

const answers = (
  page: Page,
  path: string,
  status: number,
  headers: Record<string, string> = {},
  code = status === 429 ? "too_many_requests" : "internal",
) =>
  page.route(path, (route) =>
    route.fulfill({
      status,
      headers: {
        "access-control-allow-origin": "*",
        "access-control-expose-headers": "Retry-After",
        "content-type": "application/problem+json",
        ...headers,
      },
      body: JSON.stringify({ status, code, detail: "<b>No</b>" }),
    }),
  );

/** Without full stops and spaces, which are those of the platform's version of Unicode's data. */
const timesOn = async (tag: ReturnType<typeof tagOn>) =>
  (await tag.part("time").allTextContents()).map((one) => one.replace(/[.\s]/g, ""));

/** What waits for it goes on once it is open. */
function closedGate() {
  let open = () => {};
  const passed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { passed, open: () => open() };
}

const offline = "You are offline. New notifications will appear when you are back online.";
const unreachable = "The service cannot be reached. Check your connection. Trying again…";
const notDone = "That did not work. Try again in a moment.";
const signedOut = "Your session has expired. Reload the page or sign in again.";
const broken = "The service has a problem. Nothing is lost. Trying again…";

describe.skipIf(chromiumMissing())("the tag shows what is wrong and what to do", () => {
  test("keeps its list offline, and catches up when the network is back", async () => {
    const { url } = await startService(variables);
    await notify("Before");
    const { context, page, tag, go } = await visit(url);
    await go();
    await tag.open();
    await tag.lists("Before");
    await context.setOffline(true);
    await tag.says(offline);
    await tag.lists("Before");
    await tag.act("Before", "archive");
    await tag.says(notDone);
    await tag.lists("Before");
    await notify("Missed");
    await context.setOffline(false);
    await tag.lists("Missed", "Before");
    await page.getByText(offline).waitFor({ state: "detached" });
  });

  test("misses nothing while the service restarts, and announces only new items", async () => {
    const port = await freePort();
    const before = await startService({ ...variables, PORT: port });
    await notify("Before");
    const { page, tag, go } = await visit(before.url);
    await go();
    await tag.open();
    await tag.lists("Before");
    await before.close();
    await eventually(async () => (await tag.part("notice").count()) > 0, "a sentence");
    await tag.lists("Before");
    expect(await tag.part("retry").isVisible()).toBe(true);
    const id = await notify("Missed");
    await notify("Missed, too");
    await belfry.inbox.read(user(), id);
    await startService({ ...variables, PORT: port });
    await tag.lists("Missed, too", "Missed", "Before");
    await tag.listsUnread("Missed, too", "Before");
    await tag.part("notice").waitFor({ state: "detached" });
    expect(await page.locator('[part~="notice"]').count()).toBe(0);
  });

  test("shows a sentence without a service, and a button that reconnects", async () => {
    const { url } = await startService(variables);
    await notify("There");
    const port = await freePort();
    const { page, tag, go } = await visit(url, {
      attributes: { server: `http://127.0.0.1:${port}` },
    });
    await page.clock.install();
    const asked = { sent: 0, ended: 0 };
    page.on("request", () => void asked.sent++);
    page.on("requestfinished", () => void asked.ended++);
    page.on("requestfailed", () => void asked.ended++);
    await go();
    await tag.open();
    await tag.says(unreachable);
    expect(await tag.part("loading").count()).toBe(0);
    // By itself it would try again, too; and a try that is under way must not find the service.
    await page.clock.pauseAt(Date.now() + 60_000);
    await eventually(() => asked.sent === asked.ended, "all requests to be over");
    await startService({ ...variables, PORT: port });
    await tag.part("retry").click();
    await tag.lists("There");
  });

  test("renews an expired token by getToken without an interruption", async () => {
    const { url } = await startService(variables);
    // Good for two seconds more.
    const old = await sign(user(), () => Date.now() - 898_000);
    const { page, tag, go } = await visit(url, {
      attributes: { token: old },
      script: `let asked = 0;
       document.querySelector("belfry-inbox").getToken = async () => {
         document.body.dataset.asked = String(++asked);
         return (await fetch("/token")).text();
       };`,
    });
    await go();
    await page.locator('body[data-asked="1"]').waitFor();
    await notify("Later");
    await tag.counts("1");
    await tag.open();
    await tag.lists("Later");
    expect(await tag.part("notice").count()).toBe(0);
  });

  test("without getToken shows that the sign-in ended, keeps its list, and takes the next token", async () => {
    const { url } = await startService(variables);
    await notify("Before");
    const old = await sign(user(), () => Date.now() - 897_000);
    const { page, tag, go } = await visit(url, {
      attributes: { token: old },
      script: `globalThis.told = [];
        document.addEventListener("belfry-new", ({ detail }) => told.push(detail.item.title))`,
    });
    await go();
    await tag.open();
    await tag.says(signedOut);
    await tag.lists("Before");
    await notify("Later");
    await tag.root.evaluate((tag, token) => Object.assign(tag, { token }), await sign());
    await tag.lists("Later", "Before");
    await page.getByText(signedOut).waitFor({ state: "detached" });
    expect(await page.evaluate("told")).toEqual(["Later"]);
  });

  test("shows a sentence for another user's token, an invalid token and a missing user", async () => {
    const { url } = await startService(variables);
    const { page, tag, go } = await visit(url, { attributes: { token: await sign("somebody else") } });
    await go();
    await tag.open();
    await tag.says("You have no access to this inbox. Sign in as its owner.");
    await tag.root.evaluate((tag) => Object.assign(tag, { token: "nonsense" }));
    await tag.says(signedOut);
    await tag.root.evaluate((tag) => Object.assign(tag, { user: undefined }));
    await tag.says("No user given: set the attribute “user”.");
    const right = { user: user(), token: await sign() };
    await tag.root.evaluate((tag, given) => Object.assign(tag, given), right);
    await tag.says("No notifications yet.");
    expect(await page.locator("belfry-inbox [part~=retry]").count()).toBe(0);
  });

  test.each([
    ["fails", `throw new Error("no session")`],
    ["gives a page that says so", `return "<!doctype html>\\n<h1>502 Bad Gateway</h1>"`],
    ["gives nothing at all", `return ""`],
  ])("a getToken that %s is asked again", async (_, otherwise) => {
    const { url } = await startService(variables);
    await notify("One");
    const { tag, go } = await visit(url, {
      attributes: { token: undefined },
      script: `let broken = true;
       const tag = document.querySelector("belfry-inbox");
       tag.addEventListener("mend", () => { broken = false; });
       tag.getToken = async () => {
         if (broken) ${otherwise};
         return (await (await fetch("/token")).text()) + "\\n";
       };`,
    });
    await go();
    await tag.open();
    await tag.says("Your sign-in could not be confirmed.");
    await tag.root.dispatchEvent("mend");
    await tag.lists("One");
  });

  test("shows the list and what to do when there are too many connections", async () => {
    const { url } = await startService({ ...variables, LIVE_CONNECTIONS_PER_USER: "1" });
    await notify("One");
    const { context, site, tag, go } = await visit(url);
    await go();
    await tag.counts("1");
    // The list is there before the connection is; this comes by it.
    await notify("Two");
    await tag.counts("2");
    const second = await context.newPage();
    await second.goto(site.url);
    await tagOn(second).open();
    await tagOn(second).says("Too many requests or open tabs.");
    await tagOn(second).lists("Two", "One");
  });

  test.each([
    ["500", 500, {}, broken],
    ["429", 429, { "retry-after": "1" }, "Too many requests or open tabs."],
    ["429 with a long pause", 429, { "retry-after": "600" }, "The service is busy. Next try at "],
    [
      "429 for too many pages, with a pause",
      429,
      { "retry-after": "10" },
      "Too many requests or open tabs.",
      "too_many_connections",
    ],
    ["404", 404, {}, "There is no notification service at this address. Contact the site’s owner."],
  ])(
    "%s instead of the list: a sentence, and then the list",
    async (_, status, headers, says, code?: string) => {
      const { url } = await startService(variables);
      await notify("One");
      const { page, tag, go } = await visit(url);
      await answers(page, "**/inbox?**", status, headers, code);
      await go();
      await tag.open();
      await tag.says(says);
      await page.unroute("**/inbox?**");
      // What passes soon is tried again without it.
      const { "retry-after": pause = "0" } = headers as Record<string, string>;
      if (status === 404 || Number(pause) > 1) await tag.part("retry").click();
      await tag.lists("One");
    },
  );

  test("shows a sentence while an answer is slow, and then the list", async () => {
    const { url } = await startService(variables);
    await notify("One");
    const { page, tag, go } = await visit(url);
    const gate = closedGate();
    await page.route("**/inbox?**", async (route) => {
      await gate.passed;
      await route.continue();
    });
    await go();
    await tag.open();
    await tag.part("loading").waitFor();
    await tag.says("The service is slow to answer.");
    gate.open();
    await tag.lists("One");
  });

  test("shows an action at once, and reverts it with the reason when the service refuses", async () => {
    const { url } = await startService(variables);
    await notify("One");
    const { page, tag, go } = await visit(url);
    await go();
    await tag.open();
    const gate = closedGate();
    await page.route("**/archive", async (route) => {
      await gate.passed;
      await route.fallback();
    });
    await answers(page, "**/read", 500);
    await tag.act("One", "archive");
    await tag.says("No notifications yet.");
    await tag.unread("");
    gate.open();
    await eventually(
      async () => (await belfry.inbox.list({ user: user(), archived: true })).items.length === 1,
      "it to be archived",
    );
    await tag.choose("archived");
    await tag.act("One", "unread");
    await tag.choose("all");
    await tag.lists("One");
    await tag.act("One", "read");
    await tag.says(notDone);
    await tag.listsUnread("One");
    await tag.part("dismiss").click();
    await tag.part("failure").waitFor({ state: "detached" });
  });

  test("a list that could not be marked as seen is marked when it is opened again, without a sentence", async () => {
    const { url } = await startService(variables);
    await notify("One");
    const { page, tag, go } = await visit(url);
    const tries: string[] = [];
    page.on("request", (one) => void (one.method() === "POST" && tries.push(one.url())));
    await answers(page, "**/seen", 500);
    await go();
    await tag.open();
    await tag.listsUnseen("One");
    await tag.becomes("the tries", async () => tries.length, 1);
    await tag.counts("1");
    expect(await tag.part("failure").count()).toBe(0);
    await page.unroute("**/seen");
    await tag.part("close").click();
    await tag.open();
    await tag.counts("");
    expect(tries).toHaveLength(2);
  });

  test("ignores a click on an item that is already deleted", async () => {
    const { url } = await startService(variables);
    const id = await notify("One");
    const { page, tag, go } = await visit(url);
    await go();
    await tag.open();
    await tag.lists("One");
    await page.route("**/read", async (route) => {
      await belfry.inbox.remove(user(), id);
      await route.continue();
    });
    await tag.act("One", "read");
    await tag.says("No notifications yet.");
    expect(await tag.part("failure").count()).toBe(0);
  });

  test("shows correct times with a clock three hours ahead, and says so", async () => {
    const { url } = await startService(variables);
    await notify("One");
    const { page, tag, go } = await visit(url);
    await page.clock.install({ time: Date.now() + 3 * 3_600_000 });
    await go();
    await tag.open();
    await tag.becomes("the time", () => timesOn(tag), ["now"]);
    await tag.says("This device’s clock is off by 3 hours. The times shown are the service’s.");
  });

  test("updates relative times", async () => {
    const { url } = await startService(variables);
    await notify("One");
    const { page, tag, go } = await visit(url);
    await page.clock.install();
    await go();
    // A leap in time ends a request under way, and the answer to its repetition tells the tag the real time.
    const toldAsSeen = () =>
      page.waitForEvent("requestfinished", (request) => request.url().endsWith("/inbox/seen"));
    let told = toldAsSeen();
    await tag.open();
    await tag.lists("One");
    await told;
    told = toldAsSeen();
    // By the connection: while it is made, a leap in time would end it.
    await notify("Two");
    await tag.lists("Two", "One");
    await told;
    await tag.becomes("the times", () => timesOn(tag), ["now", "now"]);
    await page.clock.fastForward("05:30");
    await tag.becomes("the times", () => timesOn(tag), ["5minago", "5minago"]);
    await page.clock.fastForward("02:00:00");
    await tag.becomes("the times", () => timesOn(tag), ["2hrago", "2hrago"]);
  });
});
