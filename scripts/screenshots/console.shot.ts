import { fileURLToPath } from "node:url";
import { ObjectId } from "mongodb";
import { afterAll, beforeAll, describe, test } from "vitest";
import { createBelfry } from "../../src/library.ts";
import { capturedOf } from "../../src/store/captured.ts";
import { freshBrowser } from "../../test/support/browser.ts";
import { freshDatabase } from "../../test/support/database.ts";
import { call } from "../../test/support/http.ts";
import { eventually, startService } from "../../test/support/service.ts";
import { mailIn } from "../../test/web/support/console.ts";
import { history } from "./history.ts";
import { live, statsOf } from "./living.ts";
import { evenings, fillInbox, guests, mailing } from "./news.ts";
import { type Sight, shoot, sights } from "./shoot.ts";

const browser = freshBrowser();
const types = fileURLToPath(new URL("types.json", import.meta.url));

function database() {
  const { uri, db, client } = freshDatabase();
  const belfry = createBelfry({ client });
  afterAll(() => belfry.close());
  return { uri, db, fill: (user: string) => fillInbox(db, belfry, user) };
}

/** A service and a page of its console. `go`: to a view; it is there when what `sign` matches is. */
async function open(uri: string, sight: Sight, more: Record<string, string> = {}) {
  const variables = { NOTIFICATION_TYPES_FILE: types, EMAIL: "guest@tower.example", RETRY_DELAY_MS: "10000" };
  const service = await startService({ DB_URI: uri, ...variables, ...more });
  const page = await browser.page(sight.options);
  const go = async (hash: string, sign: string) => {
    await page.goto(`${service.url}/${hash}`);
    await page.locator(sign).first().waitFor();
  };
  /** Nothing is pointed at, and nothing has the focus. */
  const take = async (view: string) => {
    await page.mouse.move(0, 0);
    await page.evaluate("document.activeElement.blur()");
    await shoot(page, `console-${view}`, sight);
  };
  return { page, go, take, ask: (...what: [string, string, unknown?]) => call(service.url, ...what) };
}

describe.each(sights)("of a newcomer, $name", (sight) => {
  const { uri, db, fill } = database();

  test("what one has who has just started it", async () => {
    const { page, go, take, ask } = await open(uri, sight);
    const emptyInbox = page.getByText("No notifications yet.").first();
    await go("", "belfry-inbox");
    await emptyInbox.waitFor();
    await take("first");
    for (const view of ["deliveries", "live"]) {
      await go(`#/${view}`, ".empty");
      await take(`${view}-empty`);
    }
    await go("", "belfry-inbox");
    await page.getByRole("button", { name: "Send", exact: true }).click();
    await mailIn(page).getByText("A phone in Lisbon").waitFor();
    await page.locator("belfry-inbox").getByRole("button", { name: "Unread: New sign-in" }).waitFor();
    await take("send");

    for (const [n, user] of guests.entries())
      await ask("PUT", `/v1/users/${user}`, { email: `${user}@mail.example`, phone: `+3246831052${n}` });
    for (const body of mailing) await ask("POST", "/v1/notifications", body);
    const captured = async () => (await ask("GET", "/v1/captured?limit=100")).body.data;
    await eventually(async () => (await captured()).length === mailing.length + 1, "all to be captured");
    let age = 20_000;
    for (const { id } of await captured()) {
      await capturedOf(db).updateOne({ _id: new ObjectId(id) }, { $set: { at: new Date(Date.now() - age) } });
      age = age * 1.5 + 11_000;
    }
    await go("#/captured", ".pick a");
    await take("captured");
    await page.getByRole("link", { name: /^Your tickets for Bells/ }).click();
    await mailIn(page).getByText("127 steps").waitFor();
    await take("captured-mail");
    await page.goBack();
    await page
      .getByRole("link", { name: /^Tonight/ })
      .first()
      .click();
    await page.locator(".bubble").waitFor();
    await take("captured-sms");

    const times = { cron: "20 9 * * mon-fri", time_zone: "Europe/Brussels" };
    const notification = { type: "new_message", title: "Stand-up in ten minutes" };
    await ask("PUT", "/v1/schedules/stand-up", { notification, recipients: guests, ...times });
    await go("#/schedules/stand-up", ".next li");
    await take("schedule");

    const news = { type: "new_message", title: "Our prices change" };
    const { body: sent } = await ask("POST", "/v1/broadcasts", { notification: news, to: { users: guests } });
    await go(`#/broadcasts/${sent.id}`, "progress");
    await take("broadcast");

    await go("#/types", ".pick a");
    await take("types");
    await go("#/types/ticket", "iframe.mail");
    await page.getByLabel(/^Data/).fill(JSON.stringify(evenings[0], null, 2));
    await mailIn(page).getByText("Row C, 7 and 8").waitFor();
    await take("type");

    await fill("alex");
    await ask("PUT", "/v1/simulator", { running: true, interval_seconds: 2 });
    await go("#/simulator", ".dial");
    await page.getByText("Running").waitFor();
    await page.locator("belfry-inbox").getByText("Marta wrote to you").waitFor();
    await take("simulator");
  });

  test("what is seen with a key, and without a server", async () => {
    const variables = { API_KEYS: "key-of-sixteen-characters", TOKEN_SECRET: "s".repeat(32) };
    const { page, go, take } = await open(uri, sight, variables);
    await go("", "dialog[open]");
    await take("key");
    await page.route("**/v1/**", (route) => route.abort());
    await page.getByRole("button", { name: "Not now" }).click();
    await page.reload();
    await go("#/users/alex", ".trouble");
    await take("trouble");
  });
});

describe("of a busy service", () => {
  const { uri, db, fill } = database();
  const now = Date.now();
  const all = history(now);
  const stats = statsOf(all, now);
  beforeAll(async () => {
    await live(db, all, now);
    await fill("marta.lindqvist");
  });

  test.each(sights)("what its operator sees, $name", async (sight) => {
    const { page, go, take } = await open(uri, sight, { ROLES: "api,realtime" });
    await page.route("**/v1/stats", (route) => route.fulfill({ json: stats }));
    await go("#/live", ".plot canvas");
    await page.getByText("The ledger balances: every accepted").waitFor();
    await take("live");
    await go("#/deliveries", ".row");
    await take("deliveries");
    const failed = all.findLast(({ reason }) => reason === "exhausted")?._id.toHexString();
    await go(`#/deliveries/${failed}?status=failed`, ".timeline li");
    await take("delivery");
    await go("#/deliveries?status=failed", ".row");
    await page.getByRole("button", { name: "Redrive…" }).click();
    await page.getByText(/would be sent again\./).waitFor();
    await take("redrive");
    await go("#/users", ".pick a");
    await take("users");
    await go("#/users/marta.lindqvist", ".lines a");
    await page.locator("belfry-inbox").getByText("Marta wrote to you").waitFor();
    await take("user");
    await page.getByRole("button", { name: "Erase this user…" }).click();
    await take("erase");
  });
});
