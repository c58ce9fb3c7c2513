import { ObjectId } from "mongodb";
import type { APIResponse, Route } from "playwright-core";
import { beforeEach, expect, test } from "vitest";
import { type DeliveryDocument, newDelivery } from "../../src/store/deliveries.ts";
import { chromiumMissing } from "../support/browser.ts";
import { eventually } from "../support/service.ts";
import { startSmtp } from "../support/smtp.ts";
import { consoles, desk, goTo, phone } from "./support/console.ts";

const { db, open } = consoles();
const inBrowser = test.skipIf(chromiumMissing());
const shown = { state: "visible" } as const;
const deliveries = db.collection<DeliveryDocument>("deliveries");

beforeEach(async () => {
  await deliveries.deleteMany({});
  // The service has run for a day.
  const at = new Date(Date.now() - 24 * 3_600_000);
  const ledger = db.collection<{ _id: string; at: Date }>("ledger");
  await ledger.updateOne({ _id: "since" }, { $set: { at } }, { upsert: true });
});

/** Deliveries without the work of sending them. */
async function stored(many: number, fields: Partial<DeliveryDocument>): Promise<void> {
  const at = fields.createdAt ?? new Date();
  const one = () => {
    const id = new ObjectId(ObjectId.generate(Math.floor(at.getTime() / 1_000))).toHexString();
    const planned = { id, channel: "email" as const, content: { key: "new_login", at: 0 } };
    const owner = { notification: new ObjectId().toHexString(), user: "zoe" };
    return { ...newDelivery(planned, owner, at, undefined), ...fields };
  };
  await deliveries.insertMany(Array.from({ length: many }, one));
}

/** The answer that the page asked for, to alter. The page or the service may be gone by then: then nobody waits for it. */
async function answerTo(route: Route, alter: (answer: APIResponse) => Promise<object>): Promise<void> {
  const answer = await route.fetch().catch(() => undefined);
  if (answer === undefined) return;
  await route.fulfill(await alter(answer)).catch(() => {});
}

const verdicts = ".verdicts li";

inBrowser(
  "Live counts failures of the last hour, those before its start as well, and links each count to the list",
  async () => {
    await stored(12, { state: "failed", reason: "exhausted" });
    await stored(5, { state: "skipped", reason: "no_address" });
    await stored(3, {
      state: "failed",
      reason: "exhausted",
      createdAt: new Date(Date.now() - 2 * 3_600_000),
    });
    const { page } = await open({ at: "#/live" });
    const hour = page.locator(verdicts, { hasText: "in the last hour" });
    await hour.waitFor(shown);
    expect(await hour.innerText()).toBe("12 failed, 5 skipped in the last hour");
    expect(await hour.locator(".is-delivered").count()).toBe(0);
    await hour.getByRole("link", { name: "12 failed" }).click();
    await page.getByRole("status").getByText("12 deliveries", { exact: true }).waitFor(shown);
    await page.goBack();
    await hour.getByRole("link", { name: "5 skipped" }).click();
    await page.getByRole("status").getByText("5 deliveries", { exact: true }).waitFor(shown);
  },
);

inBrowser(
  "Live shows old figures in grey with their time, and a green tick only for current ones",
  async () => {
    await stored(1, { state: "sent" });
    const { page } = await open({ at: "#/live" });
    await page.locator(verdicts, { hasText: "Nothing failed in the last hour" }).waitFor(shown);
    await page.locator(verdicts, { hasText: "Nothing is waiting" }).waitFor(shown);
    await page.locator(`${verdicts} .is-delivered`).first().waitFor(shown);
    await page.route("**/v1/**", (route) => route.abort());
    await page.getByText("Belfry does not answer.").waitFor(shown);
    await page.getByText(/This page shows the state of \d\d:\d\d:\d\d\./).waitFor(shown);
    await page.getByText(/Old: this is the state of \d\d:\d\d:\d\d\./).waitFor(shown);
    expect(await page.locator(`${verdicts} .is-delivered`).count()).toBe(0);
    expect(await page.evaluate("getComputedStyle(document.querySelector('main > bf-live')).filter")).toBe(
      "grayscale(1)",
    );
    await page.unroute("**/v1/**");
    await page.getByRole("button", { name: "Try again" }).click();
    await page.locator(`${verdicts} .is-delivered`).first().waitFor(shown);
    expect(await page.getByText(/Old: this is the state/).count()).toBe(0);
  },
);

inBrowser("Live shows an alarm for a stuck delivery", async () => {
  const { page } = await open({ at: "#/simulator" });
  await page.route("**/v1/stats", (route) =>
    answerTo(route, async (answer) => ({
      json: { ...(await answer.json()), overdue: { email: 1, webhook: 2 } },
    })),
  );
  await goTo(page, "#/live");
  await page.getByRole("link", { name: "3 deliveries are stuck" }).waitFor(shown);
});

inBrowser(
  "Live, Send, a delivery and a redrive show a failing provider's answer and the remedy",
  async () => {
    const smtp = await startSmtp({
      onRecipient: () => ({
        code: 530,
        text: "5.7.0 Authentication required by this relay",
      }),
    });
    const { page, ask } = await open({ variables: { ...smtp.variables, EMAIL: "all@users.example" } });
    await ask("POST", "/v1/notifications", { recipients: ["zoe"], type: "registration" });
    const { remedy } = await eventually(async () => {
      const { body } = await ask("GET", "/readyz?verbose");
      return body.providers.email.smtp.state === "paused" && body.providers.email.smtp;
    }, "the provider to be paused");
    const [{ id }] = (await ask("GET", "/v1/deliveries")).body.data;
    await stored(1, { state: "failed", reason: "exhausted", user: "ann" });
    await ask("PUT", "/v1/users/ann", { email: "ann@users.example" });
    for (const hash of ["#/live", "#/send", `#/deliveries/${id}`, "#/deliveries"]) {
      await goTo(page, hash);
      const place = hash === "#/deliveries" ? page.locator("bf-redrive") : page.getByRole("main");
      if (hash === "#/deliveries") await page.getByRole("button", { name: "Redrive…" }).click();
      await place.getByText("Authentication required by this relay").first().waitFor(shown);
      await place.getByText(remedy).waitFor(shown);
      await place.getByText(/Refuses our configuration: paused since .*, next check/).waitFor(shown);
    }
    await page.getByText("Deliveries sent again now wait until it works.").waitFor(shown);
    await smtp.close();
  },
);

inBrowser("shows the next try by the server's clock, never in the past", async () => {
  const soon = new Date(Date.now() + 3_600_000);
  await stored(1, { state: "pending", tries: 1, due: new Date(Date.now() - 60_000), user: "late" });
  await stored(1, { state: "pending", tries: 1, due: soon, user: "soon" });
  const { page } = await open({ at: "#/deliveries", variables: { ROLES: "api" } });
  const row = (user: string) => page.locator(".row", { hasText: user });
  await row("late").getByText("due now").waitFor(shown);
  await row("soon")
    // With a date before it when the hour is tomorrow's.
    .getByText(/^next try .*\d\d:\d\d/)
    .waitFor(shown);
  await row("late").getByRole("link").click();
  await page.locator(".timeline").getByText("Due now").waitFor(shown);

  // Its hour is over on the server: this device's clock is behind.
  await goTo(page, "#/deliveries");
  const date = new Date(soon.getTime() + 5_000).toUTCString();
  await page.route("**/v1/deliveries?*", (route) =>
    answerTo(route, async (response) => ({ response, headers: { ...response.headers(), date } })),
  );
  await page.route("**/v1/deliveries/*", (route) => route.abort());
  await page.reload();
  await row("soon").getByText("due now").waitFor(shown);
});

inBrowser.each([phone, { viewport: { width: 1024, height: 768 } }, desk])(
  "the ledger groups digits and keeps each number on one line: %o",
  async (context) => {
    const { page } = await open({ at: "#/simulator", context });
    const line = {
      accepted: 1_234_567,
      sent: 1_000_000,
      delivered: 234_567,
      failed: 0,
      skipped: 0,
      canceled: 0,
      uncertain: 0,
      pending: 0,
      balanced: true,
    };
    const all = {
      from: new Date(Date.now() - 86_400_000).toISOString(),
      to: new Date().toISOString(),
      balanced: true,
    };
    await page.route(/\/v1\/ledger/, (route) =>
      route.fulfill({ json: { ...all, total: line, channels: { email: line, sms: line, webhook: line } } }),
    );
    await goTo(page, "#/live");
    const cell = page.locator(".ledger tfoot td").first();
    await cell.waitFor(shown);
    expect(await cell.innerText()).toBe("1,234,567");
    const heights = await page.evaluate<number[]>(
      "[...document.querySelectorAll('.ledger td, .ledger th')].map((one) => one.getClientRects()[0].height)",
    );
    expect(Math.max(...heights)).toBeLessThan(36);
    expect(await page.evaluate("document.documentElement.scrollWidth - innerWidth")).toBeLessThanOrEqual(0);
  },
);

inBrowser("the plots of waiting deliveries start with data, and so does their axis", async () => {
  const { page } = await open({ at: "#/simulator" });
  const now = Date.now();
  await page.route("**/v1/stats", (route) =>
    answerTo(route, async (response) => {
      const answer = await response.json();
      const [first] = answer.samples;
      const samples = Array.from({ length: 25 }, (_, at) => ({
        ...first,
        at: new Date(now - (24 - at) * 5_000).toISOString(),
      }));
      return { json: { ...answer, samples } };
    }),
  );
  await goTo(page, "#/live");
  await page.getByRole("img", { name: /Waiting deliveries .*waiting: \d+ now/ }).waitFor(shown);
  await page
    .getByRole("img", { name: /Oldest waiting delivery.*oldest: [\d.]+ (ms|s|min|h) now/ })
    .waitFor(shown);
  // The first sample of two minutes is drawn at the left edge: 15 minutes would leave most of the plot empty.
  await expect
    .poll(() => page.evaluate("document.querySelector('bf-plot').axis"))
    .toEqual([Math.round(now / 1_000 - 120), Math.round(now / 1_000)]);
});
