import { describe, expect, onTestFinished, test } from "vitest";
import { chromiumMissing, complaintsOf } from "../support/browser.ts";
import { eventually, startService } from "../support/service.ts";
import { bundled, served } from "./support/bundle.ts";
import { inboxes } from "./support/inbox.ts";
import { tagOn } from "./support/tag.ts";

const { browser, belfry, variables } = inboxes();

describe.skipIf(chromiumMissing())("the tag in an example page", () => {
  test.each(["inbox-html", "inbox-react", "inbox-vue", "inbox-svelte"])("%s", async (example) => {
    const { url } = await startService(variables);
    const site = await served(await bundled(example, url), {
      BELFRY_URL: url,
      BELFRY_API_KEY: variables.API_KEYS,
    });
    const page = await browser.page();
    onTestFinished(() => expect(complaintsOf(page)).toEqual([]));
    await page.goto(site);
    const tag = tagOn(page);
    const before = (await belfry.inbox.list({ user: "alex" })).unread;
    const unread = (wanted: number) =>
      tag.becomes("the page's own count", () => page.locator("#unread").textContent(), String(wanted));
    await unread(before);
    const { id } = await belfry.notify({ user: "alex", type: "new_message", title: `For ${example}` });
    await unread(before + 1);
    await tag.counts(String(before + 1));
    await tag.open();
    await tag.act(`For ${example}`, "read");
    await unread(before);
    await eventually(async () => (await belfry.inbox.get("alex", id)).item.read, "it to be read");
  });
});
