import { ObjectId } from "mongodb";
import { beforeEach, expect, test } from "vitest";
import { type DeliveryDocument, newDelivery } from "../../src/store/deliveries.ts";
import { chromiumMissing } from "../support/browser.ts";
import { eventually } from "../support/service.ts";
import { consoles, goTo, mailIn } from "./support/console.ts";

const { db, open } = consoles();
const inBrowser = test.skipIf(chromiumMissing());
const shown = { state: "visible" } as const;
const deliveries = db.collection<DeliveryDocument>("deliveries");

beforeEach(async () => void (await deliveries.deleteMany({})));

/** Failed deliveries without the work of sending them. */
async function failed(many: number, user = "zoe"): Promise<void> {
  const one = () => {
    const id = new ObjectId().toHexString();
    const planned = { id, channel: "email" as const, content: { key: "new_login", at: 0 } };
    const stored = newDelivery(
      planned,
      { notification: new ObjectId().toHexString(), user },
      new Date(),
      undefined,
    );
    return { ...stored, state: "failed" as const, reason: "exhausted" as const };
  };
  await deliveries.insertMany(Array.from({ length: many }, one));
}

inBrowser("updates the visible deliveries, and keeps the scroll position", async () => {
  await failed(200);
  const { page } = await open({ at: "#/deliveries?status=failed" });
  await page.getByText("200 deliveries", { exact: true }).waitFor(shown);
  const grid = page.locator(".rows-grid");
  await grid.evaluate((element: { scrollTop: number }) => {
    element.scrollTop = 2_000;
  });
  await page.locator("#row-60").waitFor(shown);
  const before = await page.evaluate("document.querySelector('.rows-grid').scrollTop");
  await deliveries.updateMany(
    {},
    { $set: { state: "sent", updatedAt: new Date(Date.now() + 1_000) }, $unset: { reason: 1 } },
  );
  await page.locator("#row-60").getByText("sent", { exact: true }).waitFor(shown);
  await expect.poll(() => page.locator(".row", { hasText: "failed" }).count()).toBe(0);
  expect(await page.evaluate("document.querySelector('.rows-grid').scrollTop")).toBe(before);
});

inBrowser("ids can be selected and copied in the list and in an open delivery", async () => {
  await failed(1, "user-with-an-id");
  const { page } = await open({ at: "#/deliveries" });
  const selected = () => page.evaluate("getSelection().toString().trim()");
  await page.locator(".row .c-user").click({ clickCount: 3 });
  expect(await selected()).toBe("user-with-an-id");
  expect(page.url()).toMatch(/#\/deliveries$/);

  // Elsewhere a click opens the row, as its link does.
  await page.locator(".row .c-type").click();
  const { _id, notification } = (await deliveries.findOne()) as DeliveryDocument;
  await page.getByRole("heading", { name: `Delivery ${_id}` }).waitFor(shown);
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  for (const id of [String(_id), String(notification), "user-with-an-id"]) {
    await page.getByRole("button", { name: `Copy ${id}` }).click();
    await expect.poll(() => page.evaluate("navigator.clipboard.readText()")).toBe(id);
  }
});

inBrowser("finds a delivery, a notification, a user and an inbox-only item by id in one field", async () => {
  const { page, ask } = await open({ at: "#/deliveries" });
  const notify = async (user: string, channels: string[]) => {
    const body = { recipients: [user], type: "direct", title: `For ${user}`, channels };
    return (await ask("POST", "/v1/notifications", body)).body.notifications[0].id as string;
  };
  const hexUser = new ObjectId().toHexString();
  const mailed = await notify(hexUser, ["email"]);
  const inboxOnly = await notify("ines", ["inbox"]);
  await ask("PUT", "/v1/users/quiet", { email: "quiet@users.example" });
  const [{ id }] = (await ask("GET", `/v1/deliveries?notification_id=${mailed}`)).body.data;
  const find = async (text: string) => {
    await page.getByRole("searchbox", { name: /^Find by id/ }).fill(text);
    await page.getByRole("button", { name: "Find" }).click();
  };
  const at = (hash: string) => expect.poll(() => new URL(page.url()).hash).toBe(hash);

  await find(` ${id.toUpperCase()} `);
  await at(`#/deliveries/${id}`);
  await page.getByRole("heading", { name: `Delivery ${id}` }).waitFor(shown);
  await find(mailed);
  await at(`#/deliveries?notification_id=${mailed}`);
  await page.locator(".row", { hasText: hexUser }).waitFor(shown);
  await find(hexUser);
  await at(`#/deliveries?user_id=${hexUser}`);
  await find(inboxOnly);
  await at(`#/deliveries?notification_id=${inboxOnly}`);
  await page.getByText("This notification has no deliveries. It is in the inbox of ines.").waitFor(shown);
  await page.locator(".item").getByText("For ines").waitFor(shown);
  await page.locator(".item").getByText("unread").waitFor(shown);
  await goTo(page, "#/deliveries");
  await find("nobody-has-this");
  await page.getByText("No delivery, notification or user has the id “nobody-has-this”.").waitFor(shown);
  await find(new ObjectId().toHexString());
  await page.getByText(/No delivery, notification or user has the id “[0-9a-f]{24}”/).waitFor(shown);
  await find("quiet");
  await at("#/users/quiet");
});

inBrowser(
  "an open delivery shows the address, the rendered message, the data and the inbox item",
  async () => {
    const { page, ask } = await open();
    await ask("PUT", "/v1/users/mia", { email: "mia@users.example", phone: "+12025550111" });
    const body = { recipients: ["mia"], type: "direct", title: "Seats", body: "Row C", data: { seat: "C7" } };
    await ask("POST", "/v1/notifications", { ...body, channels: ["inbox", "email", "sms", "webhook"] });
    const idOf = (channel: string) =>
      eventually(
        async () => (await ask("GET", `/v1/deliveries?user_id=mia&channel=${channel}`)).body.data[0]?.id,
        "the delivery",
      );
    await goTo(page, `#/deliveries/${await idOf("email")}`);
    const message = page.locator("bf-delivery-message");
    await message.getByText("mia@users.example").first().waitFor(shown);
    await mailIn(message).getByText("Row C").waitFor(shown);
    await message.getByLabel("Data", { exact: true }).getByText('"seat": "C7"').waitFor(shown);
    const item = page.locator("bf-inbox-item");
    await item.getByText("unread").waitFor(shown);
    await item.getByText("Row C").waitFor(shown);
    await goTo(page, `#/deliveries/${await idOf("sms")}`);
    await message.locator(".bubble").getByText("Row C").waitFor(shown);
    await message.getByText("+12025550111").waitFor(shown);
    await goTo(page, `#/deliveries/${await idOf("webhook")}`);
    await message.getByText("none in the user's profile").waitFor(shown);
    await message.getByLabel("The webhook's body").getByText('"user_id": "mia"').waitFor(shown);
  },
);
