import { readdirSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import type { Page } from "playwright-core";
import { describe, expect, test } from "vitest";
import { chromiumMissing, expectAccessible } from "../support/browser.ts";
import { freshDatabase } from "../support/database.ts";
import { eventually } from "../support/service.ts";
import { consoles, desk, goTo, mailIn, phone } from "./support/console.ts";

const { open } = consoles();
/** Where nobody has ever been notified. */
const { uri: emptyUri } = freshDatabase();

/** Gzipped bytes: what was measured and a tenth. The plots' library is in the last, which Live alone asks for; Broadcasts asks for its own. */
const budgets: Record<string, number> = {
  "console.js": 34_600,
  "console.css": 6_200,
  "console-broadcasts.js": 3_500,
  "console-live.js": 26_900,
};

test("the console's files stay within their size budgets", () => {
  const folder = new URL("../../dist/web/console/", import.meta.url);
  expect(readdirSync(folder).sort()).toEqual(Object.keys(budgets).sort());
  for (const [file, most] of Object.entries(budgets))
    expect(gzipSync(readFileSync(new URL(file, folder)), { level: 9 }).length, file).toBeLessThanOrEqual(
      most,
    );
});

/** Each theme and each size once: they do not depend on each other. */
const looks = {
  "light on a desk": { ...desk, colorScheme: "light" },
  "dark on a phone": { ...phone, colorScheme: "dark" },
} as const;

async function expectFine(page: Page, what: string): Promise<void> {
  await expectAccessible(page, what);
  expect(await page.evaluate("document.documentElement.scrollWidth - innerWidth"), what).toBeLessThanOrEqual(
    0,
  );
}

/** Goes to each view in turn; `signs`: what is there when it is. */
async function expectEach(page: Page, signs: Record<string, string>): Promise<void> {
  for (const [hash, sign] of Object.entries(signs)) {
    await goTo(page, hash);
    await page.locator(sign).first().waitFor();
    await expectFine(page, hash);
  }
}

const press = (page: Page, name: string | RegExp) => page.getByRole("button", { name, exact: true }).click();

describe.skipIf(chromiumMissing()).each(Object.entries(looks))("%s", (_name, context) => {
  test("every view is accessible and fits", async () => {
    const { page, ask } = await open({ context });
    const texts = { title: "Hello", body: "There" };
    await ask("POST", "/v1/notifications", { recipients: ["alex"], type: "direct", ...texts });
    const times = { cron: "20 9 * * mon-fri", time_zone: "recipient" };
    const weekly = { notification: { type: "new_message", ...texts }, recipients: ["alex"], ...times };
    await ask("PUT", "/v1/schedules/stand-up", weekly);
    const notification = { type: "new_message", title: "Hello" };
    await ask("POST", "/v1/broadcasts", { notification, to: { users: ["rosa"] } });
    const found = (query: string) => async () =>
      (await ask("GET", `/v1/deliveries?user_id=alex&type=direct&${query}`)).body.data[0]?.id as string;
    const mail = await eventually(found("status=sent&channel=email"), "the mail to be sent");
    const sms = await eventually(found("status=sent&channel=sms"), "the text to be sent");
    await expectEach(page, {
      "#/send": ".first",
      "#/users": ".pick a",
      "#/users?q=al": ".pick a",
      "#/users/alex": ".lines a",
      "#/deliveries": ".row",
      "#/deliveries?status=sent&channel=email": ".row",
      [`#/deliveries/${mail}`]: ".timeline li",
      "#/captured": ".pick a",
      [`#/captured/${sms}`]: ".bubble",
      [`#/captured/${mail}`]: "iframe.mail",
    });
    for (const side of ["Text", "Headers"]) {
      await press(page, side);
      await expectFine(page, `a captured mail: ${side}`);
    }
    await expectEach(page, {
      "#/broadcasts": ".pick a",
      "#/broadcasts/new": "#form-title",
      "#/schedules": ".pick a",
      "#/schedules/stand-up": ".next li",
      "#/types": ".pick a",
      "#/types/direct": ".bubble",
      "#/types/new_post": "bf-preview .soft",
      "#/live": ".plot canvas",
      "#/simulator": ".dial",
    });
  });

  test("outcomes, expanded parts and dialogs are accessible and fit", async () => {
    const { page, ask } = await open({ context });
    await page.getByText("The same with curl").click();
    await press(page, "Send");
    await mailIn(page).getByText("A phone in Lisbon").waitFor();
    await expectFine(page, "sent");
    await page.getByRole("textbox", { name: /^To/ }).fill("ann, bob");
    await press(page, "Send");
    await page.getByText("2 notifications stored.").waitFor();
    await page.getByRole("textbox", { name: /^Data/ }).fill("{");
    await page.getByText("This is not valid JSON").waitFor();
    await expectFine(page, "sent to two, and something wrong");

    await goTo(page, "#/deliveries");
    await page.getByText("More filters").click();
    await expectFine(page, "filters");
    await press(page, "Redrive…");
    await page.getByText(/would be sent again\./).waitFor();
    await expectFine(page, "redrive");
    await press(page, "Close");

    await ask("PUT", "/v1/users/bob", { email: "bob@example.com" });
    await goTo(page, "#/users/bob");
    await page.getByText("Webhook").click();
    await page.getByLabel("Phone", { exact: true }).fill("0123");
    await press(page, "Save");
    await page.getByText("It must be a phone number with its country code").waitFor();
    await expectFine(page, "a profile that is refused");
    await press(page, "Erase this user…");
    await expectFine(page, "erase");
    await press(page, "Keep");

    await goTo(page, "#/types/direct");
    for (const one of ["Plain text", "E-mail, HTML"]) await page.getByText(one, { exact: true }).click();
    await expectFine(page, "templates");
    if (context === looks["light on a desk"]) return;
    await press(page, "More");
    await expectFine(page, "the menu");
  });

  test("empty views are accessible and fit", async () => {
    const { page } = await open({ context, variables: { DB_URI: emptyUri } });
    await expectEach(page, {
      "#/users": ".empty",
      "#/users?q=nobody": ".empty",
      "#/users/nobody": "bf-profile .soft",
      "#/deliveries": ".empty",
      "#/deliveries?status=failed": ".empty",
      "#/deliveries/6b0000000000000000000000": ".trouble",
      "#/captured": ".empty",
      "#/captured/6b0000000000000000000000": "#message-title",
      "#/live": ".empty",
      "#/types/unknown": "#type-title",
      "#/nowhere": "h1",
    });
  });

  test("views without a key, an answer or a server are accessible, fit, and say so in one sentence", async () => {
    const { page } = await open({ context, variables: { API_KEYS: "key-of-sixteen-characters" } });
    await page.getByRole("dialog", { name: "API key required" }).waitFor();
    await expectFine(page, "the dialog for the key");
    await press(page, "Not now");
    await page.getByText("An API key is required.").first().waitFor();
    await expectFine(page, "without a key");

    await page.route("**/v1/**", () => {});
    const views = ["users/alex", "deliveries", "captured", "live", "types", "simulator", "send"];
    for (const view of views.slice(0, -1)) {
      await goTo(page, `#/${view}`);
      await page.getByText("Loading…").filter({ visible: true }).first().waitFor();
      await expectFine(page, `${view} before any answer`);
    }
    await page.unroute("**/v1/**");
    await page.route("**/v1/**", (route) => route.abort());
    for (const view of views) {
      await goTo(page, `#/${view}`);
      await page.reload();
      await page.getByRole("alert").getByText("Belfry does not answer.").waitFor();
      await expectFine(page, `${view} without a server`);
    }
  });
});
