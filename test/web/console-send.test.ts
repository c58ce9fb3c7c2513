import { expect, test } from "vitest";
import { chromiumMissing } from "../support/browser.ts";
import { consoles, desk, goTo, phone } from "./support/console.ts";

const { open } = consoles();
const inBrowser = test.skipIf(chromiumMissing());
const shown = { state: "visible" } as const;

inBrowser("shows where data is invalid JSON, and refuses a number that is too large", async () => {
  const { page } = await open();
  const asked: string[] = [];
  page.on("request", (request) => asked.push(`${request.method()} ${new URL(request.url()).pathname}`));
  const data = page.getByRole("textbox", { name: /^Data/ });
  for (const [text, says] of [
    ['{"device": "phone",\n "at": noon}', "This is not valid JSON: see line 2, column 8."],
    ['{"device": "phone"', "This is not valid JSON: it ends too early, at line 1, column 19."],
    ['{"device": {"weight": 1e999}}', "“weight” is too large for a number: send it as a string, in quotes."],
  ] as const) {
    await data.fill(text);
    await page.getByText(says).waitFor(shown);
    await page.getByRole("button", { name: "Send", exact: true }).click();
    await expect.poll(() => page.evaluate("document.activeElement.tagName")).toBe("TEXTAREA");
  }
  expect(asked).not.toContain("POST /v1/notifications");
});

inBrowser("asks for a recipient and for a channel when none is given", async () => {
  const { page } = await open();
  const to = page.getByRole("textbox", { name: /^To/ });
  const send = page.getByRole("button", { name: "Send", exact: true });
  await to.fill(" , ,\n");
  await send.click();
  await page.getByRole("alert").getByText("Enter at least one user id.").waitFor(shown);
  await to.fill("alex");
  await page.getByRole("combobox", { name: "Type" }).selectOption("new_message");
  await page.getByRole("checkbox", { name: "inbox" }).uncheck();
  await send.click();
  await page.getByRole("alert").getByText("Choose the inbox or a channel.").waitFor(shown);
});

inBrowser("sends before the types have loaded", async () => {
  const { page } = await open({ at: "#/simulator" });
  await page.route("**/v1/types", () => {});
  await goTo(page, "#/send");
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await page.locator(".steps").getByText("unread").waitFor(shown);
});

inBrowser("shows the service's reason beside each failed channel", async () => {
  const { page } = await open();
  await page.getByRole("option", { name: "direct" }).waitFor({ state: "attached" });
  for (const name of ["SMS", "webhook"]) await page.getByRole("checkbox", { name }).check();
  await page.getByLabel("Body").fill("x".repeat(1_601));
  await page.getByRole("button", { name: "Send", exact: true }).click();
  const step = page.locator(".steps li").filter({ hasText: "failed" });
  await step.getByText("The provider rejected the message itself.").waitFor(shown);
  await step.getByText("the text has 1601 characters; at most 1600").waitFor(shown);
  // Each time in the same order.
  expect(await page.locator(".steps li > span:first-child").allInnerTexts()).toEqual([
    "inbox",
    "e-mail",
    "SMS",
    "webhook",
  ]);
});

inBrowser("splits user ids at commas, blanks and lines, and shows the number of users", async () => {
  const { page } = await open();
  const to = page.getByRole("textbox", { name: /^To/ });
  await to.fill("ann");
  expect(await page.getByText(/This goes to/).count()).toBe(0);
  await to.fill("ann, bob  carol\tdan\neve,,ann frank");
  await page.getByText("This goes to 6 users:").waitFor(shown);
  await page.getByText("ann, bob, carol, dan, eve and 1 more.").waitFor(shown);
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await page.getByText("6 notifications stored.").waitFor(shown);
  await to.fill(Array.from({ length: 1_001 }, (_, at) => `u${at}`).join(" "));
  await page.getByText("One request takes at most 1,000.").waitFor(shown);
});

inBrowser.each([desk, phone])("the field for ids does not overflow the page: %o", async (context) => {
  const { page } = await open({ context });
  const to = page.getByRole("textbox", { name: /^To/ });
  for (const text of ["x".repeat(600), "some-user-id ".repeat(500), "id\n".repeat(500)]) {
    await to.fill(text);
    const box = await to.boundingBox();
    expect(box?.height).toBeLessThanOrEqual(context.viewport.height * 0.41);
    const form = await page.locator("form.send-form").boundingBox();
    expect((box?.x ?? 0) + (box?.width ?? 0)).toBeLessThanOrEqual((form?.x ?? 0) + (form?.width ?? 0) + 1);
    expect(await page.evaluate("document.documentElement.scrollWidth - innerWidth")).toBeLessThanOrEqual(0);
  }
});

inBrowser("the type direct asks for exactly one channel", async () => {
  const { page } = await open();
  await page.getByRole("combobox", { name: "Type" }).selectOption("direct");
  await page.getByText("(direct goes to exactly one)").waitFor(shown);
  const form = page.locator("form.send-form");
  expect(await form.getByRole("checkbox").count()).toBe(0);
  expect(await form.getByRole("radio", { name: "e-mail" }).isChecked()).toBe(true);
  await form.getByRole("radio", { name: "SMS" }).check();
  expect(await form.getByRole("radio", { checked: true }).count()).toBe(1);
  const [request] = await Promise.all([
    page.waitForRequest("**/v1/notifications"),
    page.getByRole("button", { name: "Send", exact: true }).click(),
  ]);
  expect(request.postDataJSON()).toMatchObject({ type: "direct", channels: ["sms"] });
  // Another type has its own channels again.
  await page.getByRole("combobox", { name: "Type" }).selectOption("new_login");
  expect(await form.getByRole("checkbox", { checked: true }).count()).toBe(2);
});
