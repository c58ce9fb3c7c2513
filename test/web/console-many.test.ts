import { ObjectId } from "mongodb";
import { beforeAll, expect, test } from "vitest";
import { type DeliveryDocument, newDelivery } from "../../src/store/deliveries.ts";
import { chromiumMissing } from "../support/browser.ts";
import { consoles, phone } from "./support/console.ts";

const { db, open } = consoles();
const many = 20_000;

/** Without the work of sending them; their ids, newest first, as the list shows them. */
async function stored(): Promise<string[]> {
  const ids = Array.from({ length: many }, () => new ObjectId().toHexString());
  const deliveries = db.collection<DeliveryDocument>("deliveries");
  const states = ["sent", "delivered", "failed", "skipped"] as const;
  for (let from = 0; from < many; from += 10_000) {
    const some = ids.slice(from, from + 10_000).map((id, at) => ({
      ...newDelivery(
        { id, channel: "email", content: { key: "new_login", at: 0 } },
        { notification: id, user: `user-${from + at}` },
        new Date(),
        undefined,
      ),
      state: states[at % states.length] as "sent",
    }));
    await deliveries.insertMany(some, { ordered: false });
  }
  // The counter in them begins anywhere, and may start over on the way.
  return ids.sort().reverse();
}

let ids: string[] = [];
beforeAll(async () => {
  ids = await stored();
});

/** Scrolls to the end of what is loaded until there is no more, and writes down what is in the document each time. */
const scroll = (most: number) => `(async () => {
  const grid = document.querySelector(".rows-grid");
  const seen = [];
  for (let nodes = 0; ; ) {
    const rows = [...document.querySelectorAll(".row")];
    nodes = Math.max(nodes, rows.length);
    for (const row of [rows[0], rows.at(-1)])
      seen.push([row.ariaRowIndex - 2, row.querySelector("a").hash.split(/[/?]/)[2]]);
    const end = rows.at(-1).ariaRowIndex - 1;
    if (end >= ${most}) return { nodes, seen, height: grid.scrollHeight };
    grid.scrollTop = grid.scrollHeight;
    await new Promise(requestAnimationFrame);
  }
})()`;

interface Scrolled {
  nodes: number;
  seen: Array<[at: number, id: string]>;
}

test.skipIf(chromiumMissing())(
  "scrolls through 20,000 deliveries in order, with only the visible rows in the document",
  { timeout: 240_000 },
  async () => {
    const { page } = await open({ at: "#/deliveries" });
    await page.locator(".row").first().waitFor();
    const { nodes, seen } = await page.evaluate<Scrolled>(scroll(many));
    expect(nodes).toBeLessThan(60);
    expect(seen.length).toBeGreaterThan(100);
    for (const [at, id] of seen) expect([at, id]).toEqual([at, ids[at]]);
    await page.getByText("20,000 deliveries").waitFor();

    // The keyboard goes from one end to the other, and opens what it stands on.
    await page.getByRole("grid").focus();
    await page.keyboard.press("Home");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("PageDown");
    await page.keyboard.press("PageUp");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: `Delivery ${ids[1]}` }).waitFor();
    await page.goBack();
    await page.getByRole("grid").focus();
    await page.keyboard.press("End");
    await page.locator(`.row a[href*="${ids.at(-1)}"]`).waitFor();
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: `Delivery ${ids.at(-1)}` }).waitFor();
  },
);

test.skipIf(chromiumMissing())(
  "on a phone the list keeps its position after a delivery was opened",
  async () => {
    const { page } = await open({ at: "#/deliveries", context: phone });
    await page.locator(".row").first().waitFor();
    const { nodes } = await page.evaluate<Scrolled>(scroll(3_000));
    expect(nodes).toBeLessThan(60);
    const link = page.locator(".row a").nth(10);
    const address = await link.getAttribute("href");
    await link.tap();
    await page.getByRole("heading", { name: /^Delivery/ }).waitFor();
    await page.getByRole("link", { name: "All deliveries" }).tap();
    await page.locator(`.row a[href="${address}"]`).waitFor();
  },
);
