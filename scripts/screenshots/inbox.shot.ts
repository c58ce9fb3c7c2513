import { describe, test } from "vitest";
import { startService } from "../../test/support/service.ts";
import { inboxes } from "../../test/web/support/inbox.ts";
import { shoot, sights } from "./shoot.ts";

const { variables, user, db, notify, belfry, visit } = inboxes();
const minutes = 60;
const hours = 60 * minutes;

/** Newest first. */
const news: Array<{
  age: number;
  type?: string;
  title?: string;
  body?: string;
  url?: string;
  read?: boolean;
}> = [
  {
    age: 4 * minutes,
    title: "Your order 4711 is on its way",
    body: "It left the warehouse this morning and should be with you on Tuesday.",
    url: "/orders/4711",
  },
  {
    age: 38 * minutes,
    title: "Marta wrote to you",
    body: "Are we still on for lunch? I found a place by the canal that has the soup you liked.",
    url: "/messages/88",
  },
  { age: 2 * hours, type: "new_login", body: "Firefox on Linux, in Ghent" },
  {
    age: 5 * hours,
    title: "The autumn programme is out",
    body: "Concerts, readings and the long night of the towers: forty evenings from September to December.",
    read: true,
  },
  { age: 26 * hours, title: "Invoice 2026-118 was paid", body: "€ 240.00, thank you!", read: true },
  {
    age: 50 * hours,
    title: "Ночь башен: запись открыта",
    body: "Сорок вечеров с сентября по декабрь.",
    read: true,
  },
  { age: 75 * hours, title: "مرحبا بك", body: "وصلت رسالة جديدة إليك.", read: true },
  {
    age: 220 * hours,
    title: "The belfry is closed on Thursday from 9 to 11",
    body: "Please keep the stairs free; the rope of the small bell is renewed as well.",
    read: true,
  },
];

/** They came at different times, which nobody can wait for. */
async function fillInbox(): Promise<void> {
  for (const { type, title, body, url, read } of news.toReversed()) {
    const id = await notify(title, {
      ...(type && { type }),
      ...(body && { body }),
      ...(url && { data: { url } }),
    });
    if (read) await belfry.inbox.read(user(), id);
  }
  const at = Math.floor(Date.now() / 1000);
  const times = Object.fromEntries(
    news.map(({ age }, n) => [`notifications.${news.length - 1 - n}.timestamp`, at - age]),
  );
  await db.collection<{ _id: string }>("users").updateOne({ _id: user() }, { $set: times });
}

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
    await fillInbox();
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
    await tag.says("Nothing here yet.");
    await shoot(tab, "inbox-empty", sight);
  });
});
