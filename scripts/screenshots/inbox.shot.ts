import { describe, test } from "vitest";
import { startService } from "../../test/support/service.ts";
import { inboxes } from "../../test/web/support/inbox.ts";
import { fillInbox } from "./news.ts";
import { shoot, sights } from "./shoot.ts";

const { variables, user, db, belfry, visit } = inboxes();
const evenings = [
  "Bells at dusk",
  "Readings by candle",
  "The long night of the towers",
  "Songs of the weavers",
];
const page = (
  tag: string,
) => `<header><b>Tower &amp; Co</b><nav>Programme</nav><nav>Orders</nav>${tag}</header>
  <article><h1>Forty evenings</h1>${evenings.map((one) => `<h2>${one}</h2><p>From eight o’clock, in the old cloth hall.</p>`).join("")}</article>`;

describe.each(sights)("$name", (sight) => {
  test("the inbox", async () => {
    const { url } = await startService(variables);
    await fillInbox(db, belfry, user());
    const { context, page: tab, tag, go } = await visit(url, { body: page, context: sight.options });
    await go();
    await tag.counts("3");
    await shoot(tab, "inbox-bell", sight);
    await tag.open();
    await tag.items.nth(7).waitFor();
    await shoot(tab, "inbox-open", sight);
    await context.setOffline(true);
    await tag.says("You are offline.");
    await shoot(tab, "inbox-offline", sight);
    await context.setOffline(false);
    await tag.part("notice").waitFor({ state: "detached" });
    for (const { id } of (await belfry.inbox.list({ user: user() })).items)
      await belfry.inbox.remove(user(), id);
    await tag.says("No notifications yet.");
    await shoot(tab, "inbox-empty", sight);
  });
});
