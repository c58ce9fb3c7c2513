import { expect, test } from "vitest";
import { chromiumMissing, expectAccessible } from "../support/browser.ts";
import { consoles, goTo } from "./support/console.ts";

const { open } = consoles();
const inBrowser = test.skipIf(chromiumMissing());
const shown = { state: "visible" } as const;

inBrowser("takes a notification back after a confirmation, and shows the receipt", async () => {
  const { page, ask } = await open({ at: "#/deliveries" });
  const body = {
    recipients: ["maria"],
    type: "new_login",
    key: "login-7",
    title: "By mistake",
    channels: { inbox: {}, email: { after: "1d" } },
  };
  const { id } = (await ask("POST", "/v1/notifications", body)).body.notifications[0];
  const [delivery] = (await ask("GET", `/v1/deliveries?notification_id=${id}`)).body.data;
  await goTo(page, `#/deliveries/${delivery.id}`);
  await page.getByRole("button", { name: "Take back…" }).click();
  const dialog = page.getByRole("dialog", { name: "Take this notification back from maria?" });
  await dialog.waitFor(shown);
  await expectAccessible(page, "the confirmation");
  await dialog.getByRole("button", { name: "Keep" }).click();
  expect((await ask("GET", "/v1/users/maria/inbox")).body.total).toBe(1);

  await page.getByRole("button", { name: "Take back…" }).click();
  await dialog.getByRole("button", { name: "Take back", exact: true }).click();
  await dialog.getByText("Stopped: it is not sent.").waitFor(shown);
  await dialog.getByText("Taken out of the inbox, on every open page.").waitFor(shown);
  await expectAccessible(page, "the receipt");
  await dialog.getByRole("button", { name: "Close" }).click();
  await page.locator(".verdict", { hasText: "recalled" }).waitFor(shown);
  expect(await page.getByRole("button", { name: "Send again" }).count()).toBe(0);
  await page.getByText("login-7", { exact: true }).waitFor(shown);
  await page.getByText("Why? The whole story").click();
  await page.locator("bf-story").getByText("taken back by the caller").first().waitFor(shown);
  expect((await ask("GET", "/v1/users/maria/inbox")).body).toMatchObject({ total: 0, unread: 0 });
});
