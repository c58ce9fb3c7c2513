import { expect, test } from "vitest";
import { chromiumMissing, expectAccessible } from "../support/browser.ts";
import { consoles, phone } from "./support/console.ts";

const { db, open } = consoles();
const inBrowser = test.skipIf(chromiumMissing());
const shown = { state: "visible" } as const;
const users = db.collection<{ _id: string; [field: string]: unknown }>("users");

const fill = async (count: number) => {
  await Promise.all(["users", "deliveries", "jobs"].map((name) => db.collection(name).deleteMany({})));
  await users.insertMany(
    Array.from({ length: count }, (_, at) => ({
      _id: `u${String(at).padStart(6, "0")}`,
      plan: at % 2 ? "pro" : "free",
    })),
  );
};

inBrowser("a broadcast is previewed, sent, and followed until it is done", async () => {
  await fill(60);
  const { page } = await open({ at: "#/broadcasts" });
  await page.getByText("There are no broadcasts yet.").waitFor(shown);
  await page.getByRole("link", { name: "New broadcast" }).click();
  await page.locator("bf-broadcast-form select").first().selectOption("filter");
  await page.getByLabel("Values, as JSON").fill('{"plan": {"$gt": "a"}}');
  await page.locator("bf-broadcast-form select").last().selectOption("new_message");
  await page.getByLabel("Title").fill("Hello pros");
  await page.getByRole("button", { name: "Preview" }).click();
  await page.getByText("there are no operators").waitFor(shown);

  await page.getByLabel("Values, as JSON").fill('{"plan": "pro"}');
  await page.getByRole("button", { name: "Preview" }).click();
  await page.getByText("This goes to 30 users.").waitFor(shown);
  await page.getByText("The first 20 of them:").waitFor(shown);
  await page.getByText("u000001", { exact: true }).waitFor(shown);
  await expectAccessible(page, "a broadcast's preview");
  expect(await db.collection("jobs").countDocuments()).toBe(0);

  await page.getByRole("button", { name: "Send to 30 users" }).click();
  await page.getByText(/^\s*done: 30 of 30 notified/).waitFor(shown);
  await page.locator(".pick").getByText("plan = pro").waitFor(shown);
  await expectAccessible(page, "a broadcast that is done");
  expect(await users.countDocuments({ notifications: { $size: 1 } })).toBe(30);
});

inBrowser("a running broadcast is paused, resumed and canceled", async () => {
  await fill(60_000);
  const { page, ask } = await open({ at: "#/broadcasts", context: phone });
  const { body } = await ask("POST", "/v1/broadcasts", {
    notification: { type: "new_message", title: "Hello" },
    to: { all: true },
  });
  await ask("POST", `/v1/broadcasts/${body.id}/pause`);
  await page.getByText("All users").click();
  await page.getByText(/^\s*paused: /).waitFor(shown);
  await page.getByRole("button", { name: "Resume" }).click();
  await page.getByRole("button", { name: "Pause" }).click();
  await page.getByText(/^\s*paused: /).waitFor(shown);
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.getByText(/^\s*canceled: /).waitFor(shown);
  const { body: end } = await ask("GET", `/v1/broadcasts/${body.id}`);
  expect(end.status).toBe("canceled");
  expect(await users.countDocuments({ notifications: { $size: 1 } })).toBe(end.notified);
  expect(end.notified).toBeLessThan(60_000);
});
