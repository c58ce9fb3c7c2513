import { expect, test } from "vitest";
import { chromiumMissing } from "../support/browser.ts";
import { consoles, goTo } from "./support/console.ts";

const { open } = consoles();
const inBrowser = test.skipIf(chromiumMissing());
const shown = { state: "visible" } as const;

inBrowser(
  "data that is no JSON is told with its place, and a number that would be lost is not sent",
  async () => {
    const { page } = await open();
    const asked: string[] = [];
    page.on("request", (request) => asked.push(`${request.method()} ${new URL(request.url()).pathname}`));
    const data = page.getByRole("textbox", { name: /^Data/ });
    for (const [text, says] of [
      ['{"device": "phone",\n "at": noon}', "This is not JSON: look at line 2, column 8."],
      ['{"device": "phone"', "This is not JSON: it ends too early, at line 1, column 19."],
      ['{"device": {"weight": 1e999}}', "“weight” is too large for a number: put it in quotes."],
    ] as const) {
      await data.fill(text);
      await page.getByText(says).waitFor(shown);
      await page.getByRole("button", { name: "Send", exact: true }).click();
      await expect.poll(() => page.evaluate("document.activeElement.tagName")).toBe("TEXTAREA");
    }
    expect(asked).not.toContain("POST /v1/notifications");
  },
);

inBrowser("nobody to send to, and nowhere to send it, are each a sentence", async () => {
  const { page } = await open();
  const to = page.getByRole("textbox", { name: /^To/ });
  const send = page.getByRole("button", { name: "Send", exact: true });
  await to.fill(" , ,\n");
  await send.click();
  await page.getByRole("alert").getByText("Say whom it is for").waitFor(shown);
  await to.fill("alex");
  await page.getByRole("combobox", { name: "Type" }).selectOption("new_message");
  await page.getByRole("checkbox", { name: "inbox" }).uncheck();
  await send.click();
  await page.getByRole("alert").getByText("Say where it goes").waitFor(shown);
});

inBrowser("who presses Send before the types have come has sent it", async () => {
  const { page } = await open({ at: "#/simulator" });
  await page.route("**/v1/types", () => {});
  await goTo(page, "#/send");
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await page.locator(".steps").getByText("unread").waitFor(shown);
});

inBrowser("what failed says why, in the service's own words, where it was sent", async () => {
  const { page } = await open();
  await page.getByRole("combobox", { name: "Type" }).selectOption("direct");
  await page.getByLabel("Body").fill("x".repeat(1_601));
  await page.getByRole("button", { name: "Send", exact: true }).click();
  const step = page.locator(".steps li").filter({ hasText: "failed" });
  await step.getByText("The message itself was refused.").waitFor(shown);
  await step.getByText("the text has 1601 characters; at most 1600").waitFor(shown);
  // Each time in the same order.
  expect(await page.locator(".steps li > span:first-child").allInnerTexts()).toEqual([
    "inbox",
    "e-mail",
    "SMS",
    "webhook",
  ]);
});
