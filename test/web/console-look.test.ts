import { readdirSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { chromiumMissing, expectAccessible } from "../support/browser.ts";
import { eventually } from "../support/service.ts";
import { consoles, desk, goTo, phone } from "./support/console.ts";

const { open } = consoles();

/** Gzipped bytes: what was measured and a tenth. The plots' library is in the last, which Live alone asks for. */
const budgets: Record<string, number> = {
  "console.js": 27_800,
  "console.css": 6_000,
  "console-live.js": 26_900,
};

test("the console stays as small as it is", () => {
  const folder = new URL("../../dist/web/console/", import.meta.url);
  expect(readdirSync(folder).sort()).toEqual(Object.keys(budgets).sort());
  for (const [file, most] of Object.entries(budgets))
    expect(gzipSync(readFileSync(new URL(file, folder)), { level: 9 }).length, file).toBeLessThanOrEqual(
      most,
    );
});

/** Each view, and what is there when it is. */
const views: Record<string, string> = {
  "#/send": "belfry-inbox",
  "#/users": ".pick a",
  "#/users/alex": ".lines a",
  "#/deliveries": ".row",
  "#/deliveries?status=sent&channel=email": ".row",
  "#/captured": ".pick a",
  "#/types": ".pick a",
  "#/types/direct": ".bubble",
  "#/live": ".plot canvas",
  "#/simulator": ".dial",
  "#/nowhere": "h1",
};

/** Each theme and each size; the other two pairs differ in nothing that these have not. */
const looks = {
  "light on a desk": { ...desk, colorScheme: "light" },
  "dark on a phone": { ...phone, colorScheme: "dark" },
} as const;

describe.skipIf(chromiumMissing())("every view", () => {
  test.each(Object.entries(looks))("is accessible and fits, %s", async (_name, context) => {
    const { page, ask } = await open({ context });
    await ask("POST", "/v1/notifications", {
      recipients: ["alex"],
      type: "direct",
      title: "Hello",
      body: "There",
    });
    const { id } = await eventually(
      async () => (await ask("GET", "/v1/deliveries?status=sent&channel=email")).body.data[0],
      "to be sent",
    );
    const all = { ...views, [`#/deliveries/${id}`]: ".timeline li", [`#/captured/${id}`]: "iframe.mail" };
    for (const [hash, sign] of Object.entries(all)) {
      await goTo(page, hash);
      await page.locator(sign).first().waitFor();
      await expectAccessible(page, hash);
      expect(await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), hash).toBe(true);
    }
    await goTo(page, "#/deliveries");
    await page.getByRole("button", { name: "Redrive…" }).click();
    await page.getByText(/would be sent again\./).waitFor();
    await expectAccessible(page, "redrive");
  });
});
