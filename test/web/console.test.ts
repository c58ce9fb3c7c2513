import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { chromiumMissing } from "../support/browser.ts";
import { eventually } from "../support/service.ts";
import { startSmtp } from "../support/smtp.ts";
import { consoles, goTo, mailIn, phone } from "./support/console.ts";

const { open } = consoles();
const inBrowser = test.skipIf(chromiumMissing());
const shown = { state: "visible" } as const;

inBrowser("one press of Send shows the inbox item and the captured mail", async () => {
  const { page } = await open();
  expect(await page.title()).toBe("Send · Belfry");
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await page.locator(".steps").getByText("unread").waitFor(shown);
  await page.locator(".steps").getByText("sent", { exact: true }).waitFor(shown);
  await mailIn(page).getByRole("heading", { name: "New sign-in" }).waitFor(shown);
  await page.locator("belfry-inbox").getByRole("button", { name: "Unread: New sign-in" }).waitFor(shown);

  // Read there, it is read here.
  await page.locator("belfry-inbox").getByRole("button", { name: "Unread: New sign-in" }).click();
  await page.locator(".steps").getByText("read", { exact: true }).waitFor(shown);

  // The same mail, by itself; and back.
  await page.locator(".steps").getByRole("link", { name: "captured" }).click();
  await mailIn(page).getByText("A phone in Lisbon").waitFor(shown);
  await page.getByRole("button", { name: "Text" }).click();
  await page.locator("pre.text").getByText("A phone in Lisbon").waitFor(shown);
  await page.getByRole("button", { name: "Headers" }).click();
  await page.getByText("newcomer@belfry.invalid").last().waitFor(shown);
  await page.goBack();
  await page.locator(".steps").getByText("read", { exact: true }).waitFor(shown);
});

inBrowser(
  "reports an invalid form, uses the chosen channel, and shows a result for each recipient",
  async () => {
    const { page } = await open({ context: phone });
    const data = page.getByRole("textbox", { name: /^Data/ });
    await data.fill('{"device": phone}');
    await page.getByText(/^This is not valid JSON: ./).waitFor(shown);
    await page.getByRole("button", { name: "Send", exact: true }).tap();
    await expect.poll(() => page.evaluate("document.activeElement.tagName")).toBe("TEXTAREA");
    await data.fill("");
    await page.getByRole("textbox", { name: /^To/ }).fill("alex, bob\ncarol");
    await page.getByRole("combobox", { name: "Type" }).selectOption("new_message");
    expect(await page.getByRole("checkbox", { checked: true }).count()).toBe(1);
    await page.getByRole("checkbox", { name: "SMS" }).check();
    await page.getByRole("button", { name: "Send", exact: true }).tap();
    await page.getByText("3 notifications stored.").waitFor(shown);
    for (const user of ["alex", "bob", "carol"]) {
      const one = page.locator(".outcome", { hasText: user });
      await one.getByText("sent", { exact: true }).waitFor(shown);
      await one.getByText("unread").waitFor(shown);
    }
  },
);

inBrowser("a failed delivery shows each attempt, and is resent alone or by a redrive", async () => {
  let isDown = true;
  const smtp = await startSmtp({
    onData: () => (isDown ? { code: 451, text: "4.3.0 not now" } : undefined),
  });
  const { page, ask } = await open({
    variables: { ...smtp.variables, EMAIL: "all@users.example", MAX_RETRIES: "1", RETRY_DELAY_MS: "50" },
    at: "#/deliveries?status=failed",
  });
  await page.getByText("No deliveries match these filters.").waitFor(shown);
  for (const user of ["a", "b", "c"])
    await ask("POST", "/v1/notifications", { recipients: [user], type: "registration" });
  await eventually(
    async () => (await ask("GET", "/v1/deliveries?status=failed")).body.data.length === 3,
    "all to have failed",
  );
  // It looks for newer ones now: when it would by itself depends on how long the answer before took.
  await page.evaluate(`dispatchEvent(new Event("online"))`);
  await page.getByRole("button", { name: "Show them" }).click();
  const rows = page.getByRole("row").filter({ hasText: "failed" });
  await expect.poll(() => rows.count()).toBe(3);

  await rows.nth(1).getByRole("link").click();
  await expect.poll(() => page.url()).toMatch(/#\/deliveries\/[0-9a-f]{24}\?status=failed$/);
  await page.getByText("All retries are used up.").waitFor(shown);
  await expect
    .poll(() => page.locator(".timeline blockquote").allTextContents())
    .toEqual(["451 4.3.0 not now", "451 4.3.0 not now"]);
  isDown = false;
  await page.getByRole("button", { name: "Send again" }).click();
  await page.locator(".verdict").getByText("The provider has accepted it.").waitFor(shown);
  expect(await page.locator(".timeline li").count()).toBe(4);
  await expect.poll(() => rows.count()).toBe(2);

  await page.goBack();
  await page.getByRole("button", { name: "Redrive…" }).click();
  await page.getByText("2 deliveries would be sent again.").waitFor(shown);
  await page.getByText(/^Skipped, already sent: \d+$/).waitFor(shown);
  await page.getByRole("button", { name: "Send 2 deliveries again" }).click();
  await page.getByText("2 deliveries queued again.").waitFor(shown);
  await eventually(() => smtp.mails.length === 3, "three mails");
  await page.getByRole("button", { name: "Close" }).click();
  await page.getByText("No deliveries match these filters.").waitFor(shown);
  await smtp.close();
});

inBrowser("finds and changes a user, and resumes a suppressed address", async () => {
  const smtp = await startSmtp({ onRecipient: () => ({ code: 550, text: "5.1.1 no such user" }) });
  const { page, ask } = await open({ variables: smtp.variables, at: "#/users" });
  await ask("PUT", "/v1/users/zoe", { email: "zoe@gone.example" });
  await ask("POST", "/v1/notifications", { recipients: ["zoe"], type: "new_login", title: "Hello Zoe" });
  await page.getByRole("searchbox").fill("zo");
  await page.getByRole("button", { name: "Find" }).click();
  await page.getByRole("link", { name: /^zoe/ }).click();
  await page.getByRole("heading", { name: "zoe", exact: true }).waitFor(shown);
  expect(new URL(page.url()).hash).toBe("#/users/zoe?q=zo");
  await page.locator("belfry-inbox").getByRole("button", { name: "Unread: Hello Zoe" }).waitFor(shown);
  await page.getByText("1 not seen yet").waitFor(shown);
  await page.getByText("zoe@gone.example: does not exist").waitFor(shown);
  await page.getByRole("link", { name: /failed new_login/ }).waitFor(shown);
  await page.getByRole("button", { name: "Remove suppression" }).click();
  await page.getByText("None.", { exact: true }).waitFor(shown);

  await page.getByLabel("Phone", { exact: true }).fill("0123");
  await page.getByLabel("Language").fill("pt-br");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("It must be a phone number with its country code").waitFor(shown);
  await page.getByLabel("Phone", { exact: true }).fill("+12025550123");
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Saved.").waitFor(shown);
  expect((await ask("GET", "/v1/users/zoe")).body).toStrictEqual({
    id: "zoe",
    email: "zoe@gone.example",
    phone: "+12025550123",
    locale: "pt-BR",
  });
  // The operator's look is not the user's.
  expect((await ask("GET", "/v1/users/zoe/inbox")).body).toMatchObject({ unseen: 1 });
  await smtp.close();
});

inBrowser("previews a type with an editable sample", async () => {
  const { page } = await open({ at: "#/types/direct" });
  await mailIn(page).getByText("The text of the notification.").waitFor(shown);
  await page.getByLabel("Body").fill("Now this. ".repeat(20));
  await mailIn(page).getByText("Now this.").waitFor(shown);
  await page.locator(".bubble").getByText("Now this.").waitFor(shown);
  await page.getByText("2 segments, 199 characters").waitFor(shown);
  await page.getByText("E-mail, HTML").click();
  await page.locator("details[open] pre").getByText("{{ body }}").waitFor(shown);
  await page.getByRole("link", { name: /^new_post/ }).click();
  await page.getByText("there is nothing to render").waitFor(shown);
});

inBrowser("previews a type in each of its languages", async () => {
  const folder = mkdtempSync(join(tmpdir(), "belfry-console-"));
  mkdirSync(join(folder, "locales"));
  const NOTIFICATION_TYPES_FILE = join(folder, "types.json");
  const text = '{{ "likes" | t: count: data.many }} {{ data.who }}';
  const types = { likes: { inbox: true, channels: { sms: { text } } } };
  writeFileSync(NOTIFICATION_TYPES_FILE, JSON.stringify(types));
  for (const [tag, likes] of [
    ["en", { one: "a like", other: "{count} likes" }],
    ["ru", { few: "{count} лайка", other: "лайки" }],
  ])
    writeFileSync(join(folder, `locales/${tag}.json`), JSON.stringify({ likes }));
  const { page } = await open({ variables: { NOTIFICATION_TYPES_FILE }, at: "#/types/likes" });
  const bubble = page.locator(".bubble");
  await bubble.getByText("2 likes who").waitFor(shown);
  const language = page.getByRole("combobox", { name: "Language" });
  await language.selectOption({ label: "Russian (ru)" });
  await bubble.getByText("2 лайка who").waitFor(shown);
  await page.getByRole("link", { name: /^direct/ }).click();
  await bubble.getByText("The text of the notification.").waitFor(shown);
  expect(await language.count()).toBe(0);
  rmSync(folder, { recursive: true });
});

inBrowser("starts and stops the simulator, and shows its effect in Live", async () => {
  const { page, ask } = await open({ at: "#/simulator" });
  await page.getByText("Stopped.").waitFor(shown);
  const speed = page.getByRole("slider", { name: "Speed" });
  await speed.focus();
  await page.keyboard.press("End");
  await page.getByText("10 notifications a second").first().waitFor(shown);
  await page.getByRole("button", { name: "Start" }).click();
  await page.getByText("Running: 10 notifications a second.").waitFor(shown);
  await goTo(page, "#/live");
  await page.getByRole("heading", { name: "Throughput" }).waitFor(shown);
  await page
    .getByRole("img", { name: /Throughput in the last 15 minutes\. accepted: [\d.]*[1-9][\d.]*\/s now/ })
    .waitFor(shown);
  expect(await page.locator(".plot canvas").count()).toBe(6);
  await page.getByText("The ledger balances: every accepted").waitFor(shown);
  await goTo(page, "#/simulator");
  await page.getByRole("button", { name: "Stop" }).click();
  await page.getByText("Stopped.").waitFor(shown);
  expect((await ask("GET", "/v1/simulator")).body.running).toBe(false);
});

inBrowser("sends by keyboard alone", async () => {
  const { page } = await open();
  const focused = () => page.evaluate<string>("document.activeElement.textContent.trim()");
  await page.getByRole("option", { name: "direct" }).waitFor({ state: "attached" });
  await page.keyboard.press("Tab");
  expect(await focused()).toBe("Skip to content");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  await page.keyboard.press("ControlOrMeta+a");
  await page.keyboard.type("kim");
  for (let steps = 0; (await focused()) !== "Send"; steps++) {
    expect(steps).toBeLessThan(12);
    await page.keyboard.press("Tab");
  }
  await page.keyboard.press("Enter");
  await page.locator(".steps").getByText("unread").waitFor(shown);
  await page.locator("belfry-inbox").getByRole("button", { name: "Unread: New sign-in" }).waitFor(shown);
});

inBrowser("on a phone the other views are behind More", async () => {
  const { page } = await open({ context: phone });
  const more = page.getByRole("button", { name: "More" });
  const types = page.getByRole("link", { name: "Types" });
  expect(await types.isVisible()).toBe(false);
  await more.tap();
  await types.waitFor(shown);
  await types.focus();
  await page.keyboard.press("Escape");
  await types.waitFor({ state: "hidden" });
  await more.tap();
  await page.getByRole("heading", { name: "Send" }).tap();
  await types.waitFor({ state: "hidden" });
  await more.tap();
  await types.tap();
  await page.getByRole("heading", { name: "Types" }).waitFor(shown);
  await types.waitFor({ state: "hidden" });
  await page.getByRole("button", { name: "More" }).tap();
  await page.getByRole("button", { name: "Theme: system" }).tap();
  expect(await page.evaluate("getComputedStyle(document.documentElement).colorScheme")).toBe("light");
});
