import { expect, onTestFinished, test } from "vitest";
import { createBelfry } from "../../src/library.ts";
import { usersOf } from "../../src/store/inbox.ts";
import { createTestBelfry } from "../../src/testing.ts";
import { freshDatabase } from "../support/database.ts";
import { sized } from "../support/form.ts";

const { client, db } = freshDatabase();
const email = (entry: object, more: object = {}) => ({ inbox: false, channels: { email: entry }, ...more });
const types = {
  budgets: { email: { limit: 4 } },
  categories: { social: {}, work: {} },
  comment: email({ text: "#{{ data.n }}#\n" }, { category: "social" }),
  like: email({ text: "#{{ data.n }}#\n", digest: { every: "2h", keep: 100 } }, { category: "social" }),
  task: email({ text: "#{{ data.n }}#\n" }, { category: "work" }),
  code: email({ text: "#{{ data.n }}#\n" }, { mandatory: true }),
};
const users = Array.from({ length: 10 }, (_, at) => ({
  _id: `user${at}`,
  email: `user${at}@example.com`,
  timeZone: ["UTC", "Asia/Tokyo", "America/New_York"][at % 3] as string,
  ...(at % 4 === 1 && {
    notificationPreferences: { budget: { email: { limit: at, at: "07:30" } }, categories: { work: "daily" } },
    preferences_rev: 1,
  }),
}));

const sends = sized(10_000, 800);
const moments = sends / 40;

test("random sends over 30 days: no day is over the budget, nothing is lost, mandatory mails are not late", {
  timeout: 300_000,
}, async () => {
  await usersOf(db).insertMany(users as never);
  const belfry = await createTestBelfry({
    client,
    database: db.databaseName,
    types: types as never,
    start: "2026-10-10T00:00:00Z",
  });
  const sender = createBelfry({
    client,
    database: db.databaseName,
    types: types as never,
    clock: belfry.clock,
  });
  onTestFinished(async () => {
    await sender.close();
    await belfry.close();
  });
  const at = new Map<number, number>();
  const mandatory = new Set<number>();
  let n = 0;
  for (let moment = 0; moment < moments; moment++) {
    const batch = Array.from({ length: 40 }, () => {
      const number = n++;
      const type = (["comment", "like", "task", "code"] as const)[
        Math.floor(Math.random() ** 3 * 4)
      ] as string;
      if (type === "code") mandatory.add(number);
      at.set(number, belfry.clock.now());
      return { user: `user${Math.floor(Math.random() * users.length)}`, type, data: { n: number } };
    });
    await Promise.all(batch.map((one) => sender.notify(one)));
    await belfry.flush();
    await belfry.advance(`${1 + Math.floor((Math.random() * 2 * 30 * 24 * 60) / moments)}m`);
  }
  // The digest of the last day, and what it put off.
  await belfry.advance("7d");

  const states = await db
    .collection("deliveries")
    .aggregate([
      { $match: { digest: { $exists: false } } },
      { $group: { _id: "$state", count: { $sum: 1 } } },
    ])
    .toArray();
  const counts = Object.fromEntries(states.map(({ _id, count }) => [_id, count]));
  expect(Object.keys(counts).sort()).toEqual(["digested", "sent"]);
  expect(counts.sent + counts.digested).toBe(n);
  expect(n).toBe(sends);

  const perDay = new Map<string, number>();
  for (const { _id: user, timeZone } of users) {
    const budget = users.find((one) => one._id === user)?.notificationPreferences?.budget.email.limit ?? 4;
    for (const { at: sent, text = "", type } of belfry.captured().filter((one) => one.user === user)) {
      const numbers = [...text.matchAll(/#(\d+)#/g)].map(([, found]) => Number(found));
      if (type === "code") {
        expect(Date.parse(sent)).toBe(at.get(numbers[0] as number));
        continue;
      }
      const day = new Intl.DateTimeFormat("en-CA", { timeZone }).format(Date.parse(sent));
      const key = `${user} ${day}`;
      perDay.set(key, (perDay.get(key) ?? 0) + 1);
      expect(perDay.get(key), key).toBeLessThanOrEqual(budget);
    }
  }
  expect(Math.max(...perDay.values())).toBeGreaterThan(3);
  expect(mandatory.size).toBeGreaterThan(20);
});
