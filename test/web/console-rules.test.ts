import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { chromiumMissing, expectAccessible } from "../support/browser.ts";
import { eventually } from "../support/service.ts";
import { consoles, goTo } from "./support/console.ts";

const { db, open } = consoles();
const inBrowser = test.skipIf(chromiumMissing());
const shown = { state: "visible" } as const;
const folder = mkdtempSync(join(tmpdir(), "belfry-console-rules-"));
afterAll(() => rmSync(folder, { recursive: true }));
const file = join(folder, "types.json");
writeFileSync(
  file,
  JSON.stringify({
    comment: {
      category: "social",
      inbox: true,
      channels: { email: { after: "15m", unless: "read" }, sms: { if: ["data.urgent == true"] } },
    },
  }),
);

inBrowser("a type's rules are a readable line, and an open delivery says which rule decided", async () => {
  const { page, ask } = await open({ variables: { NOTIFICATION_TYPES_FILE: file }, at: "#/types/comment" });
  await page.getByText("E-mail after 15 min unless read").waitFor(shown);
  await page.getByText("SMS if data.urgent == true").waitFor(shown);
  await page.getByText("social", { exact: true }).waitFor(shown);

  await ask("PUT", "/v1/users/rosa", { email: "rosa@example.com", phone: "+12025550123" });
  await ask("POST", "/v1/notifications", { recipients: ["rosa"], type: "comment" });
  const skipped = () => db.collection("deliveries").findOne({ channel: "sms", state: "skipped" });
  await eventually(async () => (await skipped()) !== null, "the SMS is skipped");
  await goTo(page, `#/deliveries/${(await skipped())?._id.toHexString()}`);
  await page.getByText("A rule of its type said that it was not needed.").waitFor(shown);
  await page.locator(".timeline").first().getByText("if:data.urgent == true").waitFor(shown);

  await page.getByText("Why? The whole story of this notification").click();
  const story = page.locator("bf-story");
  await story.getByText("added to the inbox").waitFor(shown);
  await story.getByText("not sent: `data.urgent == true` does not hold").waitFor(shown);
  await story.getByText("due", { exact: true }).waitFor(shown);
  await expectAccessible(page, "an open delivery with its story");
  expect(await page.locator("bf-story li").count()).toBeGreaterThanOrEqual(5);
});
