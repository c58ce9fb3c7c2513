import { expect, test } from "vitest";
import { chromiumMissing, expectAccessible } from "../support/browser.ts";
import { consoles, goTo, phone } from "./support/console.ts";

const { db, open } = consoles();
const inBrowser = test.skipIf(chromiumMissing());
const shown = { state: "visible" } as const;

inBrowser("a schedule is made, shown with its next five times, paused, resumed and deleted", async () => {
  const { page, ask } = await open({ at: "#/schedules" });
  await page.getByText("There are no schedules yet.").waitFor(shown);
  await page.getByText("New schedule").click();
  await page.getByRole("option", { name: "new_message" }).waitFor({ state: "attached" });
  await page.getByLabel("Type").selectOption("new_message");
  await page.getByLabel("Times (cron)").fill("0 0 30 2 *");
  await page.getByRole("button", { name: "Store the schedule" }).click();
  await page.getByText("It never fires.").waitFor(shown);
  expect(await db.collection("schedules").countDocuments()).toBe(0);
  await expectAccessible(page, "the form with an error");

  await page.getByLabel("Times (cron)").fill("20 9 * * *");
  await page.getByRole("button", { name: "Store the schedule" }).click();
  await page.getByRole("heading", { name: "stand-up" }).waitFor(shown);
  await expect.poll(() => page.locator(".next li").count()).toBe(5);
  // In the zone of the schedule: alex has none, so it is the service's.
  await page.locator(".next li").getByText("09:20").first().waitFor(shown);
  await page.getByRole("link", { name: /^stand-up/ }).waitFor(shown);
  await expectAccessible(page, "an open schedule");

  await page.getByRole("button", { name: "Pause" }).click();
  await page.getByText("Nothing while it is paused.").waitFor(shown);
  expect((await ask("GET", "/v1/schedules/stand-up")).body.status).toBe("paused");
  await page.getByRole("button", { name: "Resume" }).click();
  await expect.poll(() => page.locator(".next li").count()).toBe(5);

  await page.getByRole("button", { name: "Delete…" }).click();
  await page.getByRole("button", { name: "Delete for good" }).click();
  await page.getByText("stand-up was deleted.").waitFor(shown);
  expect(await db.collection("schedules").countDocuments()).toBe(0);
});

inBrowser("an occurrence that failed says why, also on a phone", async () => {
  const { page, ask } = await open({ context: phone, at: "#/schedules" });
  const body = {
    notification: { type: "new_message" },
    recipients: ["alex"],
    cron: "* * * * *",
    time_zone: "UTC",
  };
  await ask("PUT", "/v1/schedules/tick", body);
  const next = new Date(Date.now() - 1_000);
  await db
    .collection("schedules")
    .updateOne(
      { _id: "tick" as never },
      { $set: { due: next, "zones.0.next": next, "notification.type": "gone" } },
    );
  await goTo(page, "#/schedules/tick");
  await page.locator(".last").getByText("`type` must be one of").waitFor(shown);
  await expectAccessible(page, "a failed occurrence");
  expect(await page.evaluate("document.documentElement.scrollWidth - innerWidth")).toBeLessThanOrEqual(0);
});
