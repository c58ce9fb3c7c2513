import { ObjectId } from "mongodb";
import { expect, test } from "vitest";
import { capturedOf } from "../../src/store/captured.ts";
import { chromiumMissing } from "../support/browser.ts";
import { eventually, startService } from "../support/service.ts";
import { consoles, goTo, mailIn } from "./support/console.ts";

const { uri, db, open, browser } = consoles();
const inBrowser = test.skipIf(chromiumMissing());
const shown = { state: "visible" } as const;

const mail = (subject: string, html = `<p>${subject}</p>`) => ({
  _id: new ObjectId(),
  user_id: "alex",
  channel: "email" as const,
  at: new Date(),
  to: "alex@users.example",
  subject,
  text: subject,
  html,
});

inBrowser("opens an old captured message by its address, and fetches each message once", async () => {
  const { page, url } = await open();
  const mails = Array.from({ length: 120 }, (_, at) => mail(`Mail ${at}`));
  await capturedOf(db).insertMany(mails);
  const pages: string[] = [];
  page.on("request", (request) => {
    const asked = new URL(request.url());
    if (asked.searchParams.get("limit") === "50") pages.push(asked.searchParams.get("skip") as string);
  });
  await goTo(page, `#/captured/${mails[3]?._id}`);
  await mailIn(page).getByText("Mail 3", { exact: true }).waitFor(shown);
  const lines = page.locator(".pick li");
  expect(await lines.count()).toBe(50);
  const older = page.getByRole("button", { name: "Load older messages" });
  await older.click();
  await expect.poll(() => lines.count()).toBe(100);
  await capturedOf(db).insertOne(mail("A newer one"));
  await page.getByRole("link", { name: "A newer one" }).waitFor(shown);
  await older.click();
  await older.waitFor({ state: "hidden" });
  expect(await lines.count()).toBe(121);
  expect(pages).toEqual(["0", "50", "0", "101"]);
  await mailIn(page).getByText("Mail 3", { exact: true }).waitFor(shown);

  for (const none of [String(new ObjectId()), "no-id"]) {
    await page.goto(`${url}/#/captured/${none}`);
    await page.getByRole("heading", { name: "This message does not exist" }).waitFor(shown);
  }
});

inBrowser("ignores a click on a link in a captured mail", async () => {
  const { url } = await startService({ DB_URI: uri });
  // Its own context: what the policy refuses here is meant to be.
  const page = await browser.page();
  const one = mail("", '<p>Seen</p><a href="https://elsewhere.example/">Leave</a>');
  await capturedOf(db).insertOne(one);
  await page.goto(`${url}/#/captured/${one._id}`);
  // It has no subject: it is called by what it is.
  await page.getByRole("heading", { name: "e-mail to alex@users.example" }).waitFor(shown);
  const leave = mailIn(page).getByText("Leave");
  await leave.waitFor(shown);
  const again = page.waitForEvent("frameattached");
  await leave.click();
  await again;
  await mailIn(page).getByText("Seen").waitFor(shown);
});

inBrowser("a captured delivery links to its message", async () => {
  const { page, ask } = await open();
  await ask("POST", "/v1/notifications", { recipients: ["alex"], type: "new_login", title: "Hello" });
  const { id } = await eventually(
    async () => (await ask("GET", "/v1/deliveries?status=sent")).body.data[0],
    "to be sent",
  );
  await goTo(page, `#/deliveries/${id}`);
  await page.getByRole("link", { name: "The captured message" }).click();
  await mailIn(page).getByRole("heading", { name: "Hello" }).waitFor(shown);
});
