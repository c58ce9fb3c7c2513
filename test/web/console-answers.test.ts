import { ObjectId } from "mongodb";
import { expect, test } from "vitest";
import { type DeliveryDocument, newDelivery } from "../../src/store/deliveries.ts";
import { chromiumMissing } from "../support/browser.ts";
import { startService } from "../support/service.ts";
import { consoles, desk, goTo } from "./support/console.ts";

const { uri, db, open, browser } = consoles();
const inBrowser = test.skipIf(chromiumMissing());
const shown = { state: "visible" } as const;
const problem = (status: number, code: string) => ({
  status,
  headers: { "content-type": "application/problem+json" },
  body: JSON.stringify({ type: "about:blank", status, code, detail: "What the server says." }),
});

/** Failed ones, with users who have an address. */
async function failed(many: number, user: string): Promise<void> {
  const one = () => {
    const id = new ObjectId().toHexString();
    const planned = { id, channel: "email" as const, content: { key: "new_login", at: 0 } };
    const stored = newDelivery(planned, { notification: id, user }, new Date(), undefined);
    return { ...stored, state: "failed" as const, reason: "exhausted" as const };
  };
  await db.collection<DeliveryDocument>("deliveries").insertMany(Array.from({ length: many }, one));
}

inBrowser("shows a sentence for an answer of another shape instead of loading forever", async () => {
  const { url } = await startService({ DB_URI: uri });
  const page = await browser.page();
  const alert = page.getByRole("alert");
  for (const [body, says] of [
    ["", "The answer does not come from Belfry."],
    ["null", "The answer does not come from Belfry."],
    ["{}", "The console has a bug. Reload the page."],
  ] as const) {
    await page.route("**/v1/users?*", (route) => route.fulfill({ status: 200, body }));
    await page.goto(`${url}/#/users`);
    await page.reload();
    await alert.getByText(says).first().waitFor(shown);
    await page.unroute("**/v1/users?*");
  }
  // What was said of one view is not said of the next.
  await goTo(page, "#/simulator");
  await page.getByText("Stopped.").waitFor(shown);
  expect(await alert.count()).toBe(0);
});

inBrowser("shows what to do until its script has loaded", async () => {
  const { url } = await startService({ DB_URI: uri });
  const page = await browser.page();
  await page.route("**/console.js", (route) => route.abort());
  await page.goto(url);
  await page.getByText("check that Belfry is running, then reload the page").waitFor(shown);
});

inBrowser("works in a browser that blocks storage, and keeps the key until the page closes", async () => {
  const key = "a-key-of-sixteen-or-more";
  const { url } = await startService({ DB_URI: uri, API_KEYS: key });
  const page = await browser.page();
  await page.addInitScript(`for (const name of ["localStorage", "sessionStorage"])
    Object.defineProperty(window, name, { get() { throw new DOMException("No", "SecurityError"); } });`);
  await page.goto(`${url}/#/types`);
  await page.getByLabel("API key", { exact: true }).fill(key);
  await page.keyboard.press("Enter");
  await page.getByRole("link", { name: /^direct/ }).waitFor(shown);
  await page.getByRole("button", { name: "Theme: system" }).click();
  await page.getByRole("button", { name: "Theme: light" }).waitFor(shown);
  await goTo(page, "#/simulator");
  await page.getByText("Stopped.").waitFor(shown);
});

inBrowser("Deliveries shows a slow first page, and a failed check for newer ones", async () => {
  const { page } = await open({ at: "#/simulator" });
  await page.getByText("Stopped.").waitFor(shown);
  await page.clock.install();
  await page.route("**/v1/deliveries?*", () => {});
  await goTo(page, "#/deliveries");
  await page.getByText("Loading…").waitFor(shown);
  await page.clock.fastForward(5_000);
  await page.getByText("Still loading…").waitFor(shown);
  await page.unroute("**/v1/deliveries?*");

  // What is asked again and again: whether there is a newer one.
  const newest = ({ searchParams }: URL) => searchParams.get("limit") === "1";
  const breakIt = () => page.route(newest, (route) => route.fulfill(problem(500, "internal")));
  await breakIt();
  await goTo(page, "#/deliveries?status=failed");
  await page.getByText("No deliveries match these filters.").waitFor(shown);
  const broken = page.getByRole("alert").getByText("The server failed.");
  await broken.waitFor(shown);
  await page.unroute(newest);
  await page.clock.fastForward(10_000);
  await broken.waitFor({ state: "hidden" });
  // The pause grows with what the answer before took.
  await breakIt();
  await page.clock.fastForward(300_000);
  await broken.waitFor(shown);
  await failed(1, "zoe");
  await page.unroute(newest);
  await page.clock.fastForward(10_000);
  await page.getByText("There are newer deliveries.").waitFor(shown);
  await db.collection("deliveries").deleteMany({});
});

inBrowser("does not retry a request that the server refuses for good", async () => {
  const { page } = await open({ at: "#/simulator" });
  await page.getByText("Stopped.").waitFor(shown);
  await page.clock.install();
  let asked = 0;
  page.on("request", (request) => {
    if (request.url().includes("/v1/deliveries?")) asked++;
  });
  await goTo(page, "#/deliveries?status=lost");
  await page.getByRole("alert").getByText("`status` must be some of").waitFor(shown);
  expect(await page.getByRole("button", { name: "Try again" }).count()).toBe(0);
  const before = asked;
  await page.clock.runFor(60_000);
  expect(asked).toBe(before);
});

inBrowser("refuses an API key with characters that no header allows, in the dialog", async () => {
  const key = "a-key-of-sixteen-or-more";
  const { page } = await open({ variables: { API_KEYS: key }, at: "#/types" });
  const field = page.getByLabel("API key", { exact: true });
  await field.fill("ключ-с-кириллицей");
  await page.keyboard.press("Enter");
  expect(await page.evaluate("document.querySelector('[name=key]').validity.patternMismatch")).toBe(true);
  await page.getByRole("dialog", { name: "API key required" }).waitFor(shown);
  await field.fill(` ${key} `);
  await page.keyboard.press("Enter");
  await page.getByRole("link", { name: /^direct/ }).waitFor(shown);
});

inBrowser("a redrive stops when its view closes, and sends exactly what was counted", async () => {
  const { page, ask } = await open({ at: "#/deliveries" });
  for (const user of ["ann", "ben"])
    await ask("PUT", `/v1/users/${user}`, { email: `${user}@users.example` });
  await failed(3, "ann");
  await failed(2, "ben");
  await goTo(page, "#/deliveries?user_id=ann");
  await page.getByText("3 deliveries").waitFor(shown);
  await page.getByRole("button", { name: "Redrive…" }).click();
  await page.getByText("3 deliveries would be sent again.").waitFor(shown);
  // The list behind it is another one now.
  await page.goBack();
  await page.getByText("5 deliveries").waitFor(shown);
  const [request] = await Promise.all([
    page.waitForRequest((one) => one.method() === "POST"),
    page.getByRole("button", { name: "Send 3 deliveries again" }).click(),
  ]);
  expect(request.postDataJSON()).toEqual({ user_id: "ann", dry_run: false });
  await page.getByText("3 deliveries queued again.").waitFor(shown);
  await page.getByRole("button", { name: "Close" }).click();

  // There is more to do than one call does: what comes after it is not asked for any more.
  const answer = { redriven: 1, suppressed: 0, no_address: 0, expired: 0, changed: 0, more: true };
  let calls = 0;
  let goOn = () => {};
  await page.route("**/v1/deliveries/redrive", async (route) => {
    const isDry = route.request().postDataJSON().dry_run;
    if (!isDry && ++calls === 2) await new Promise<void>((resolve) => (goOn = resolve));
    const counted = { ...answer, would_send: 9, more: false };
    await route.fulfill({ json: isDry ? counted : { ...answer, next_cursor: "x" } }).catch(() => {});
  });
  await page.getByRole("button", { name: "Redrive…" }).click();
  await page.getByRole("button", { name: "Send 9 deliveries again" }).click();
  await expect.poll(() => calls).toBe(2);
  await goTo(page, "#/types");
  await page.getByRole("heading", { name: "Types" }).waitFor(shown);
  goOn();
  await page.getByRole("link", { name: /^direct/ }).click();
  await page.locator("iframe.mail").waitFor(shown);
  expect(calls).toBe(2);
});

inBrowser("two operators who change different simulator settings keep both changes", async () => {
  const { page, ask, url } = await open({ at: "#/simulator" });
  await page.getByRole("button", { name: "Start" }).click();
  await page.getByText(/^Running/).waitFor(shown);
  // This page does not know of it yet.
  await page.route("**/v1/simulator", (route) =>
    route.request().method() === "GET" ? route.abort() : route.continue(),
  );
  const other = await (await browser.context(desk)).newPage();
  await other.goto(`${url}/#/simulator`);
  await other.getByRole("button", { name: "Stop" }).click();
  await other.getByText("Stopped.").waitFor(shown);
  await page.getByRole("slider", { name: "Speed" }).press("End");
  await expect.poll(async () => (await ask("GET", "/v1/simulator")).body.interval_seconds).toBe(0.1);
  expect((await ask("GET", "/v1/simulator")).body.running).toBe(false);
});

inBrowser("Live of a process without a worker makes no claim about sending", async () => {
  const { page } = await open({ variables: { ROLES: "api" }, at: "#/live" });
  await page.getByText("This process does not send").waitFor(shown);
  await page.getByRole("img", { name: /accepted: 0\/s now, .* sent: unknown now/ }).waitFor(shown);
  await page.getByRole("img", { name: /failed: unknown now/ }).waitFor(shown);
});
