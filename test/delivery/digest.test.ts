import { describe, expect, onTestFinished, test } from "vitest";
import { createEraser } from "../../src/store/erase.ts";
import { usersOf } from "../../src/store/inbox.ts";
import { limitsOf } from "../../src/store/limits.ts";
import { createTransactions } from "../../src/store/transactions.ts";
import { createTestBelfry, type TestBelfryOptions } from "../../src/testing.ts";
import { freshDatabase } from "../support/database.ts";

const { client, db } = freshDatabase();
const database = db.databaseName;
const email = (entry: object) => ({ inbox: true, category: "social", channels: { email: entry } });
const own = {
  subject: "{{ count }} in {{ items[0].data.thread }}",
  text: "{% for item in items %}{{ item.data.text }}|{% endfor %}",
};
const types = {
  categories: { social: { digest: { email: { subject: "{{ count }} social" } } }, other: {} },
  hourly: email({ subject: "{{ data.text }}", digest: { every: "1h", by: "data.thread", ...own } }),
  first: email({ subject: "{{ data.text }}", digest: { every: "1h", first: "now", ...own } }),
  sliding: email({ digest: { extend: "5m", last: "12m", ...own } }),
  daily: email({ digest: { cron: "0 9 * * *", ...own } }),
  small: email({ digest: { every: "1d", max: 3, keep: 2, ...own } }),
  late: email({ after: "15m", unless: "read", digest: { every: "1h", ...own } }),
  plain: email({ subject: "{{ data.text }}" }),
  other: { inbox: false, category: "other", channels: { email: { subject: "{{ data.text }}" } } },
  few: email({ subject: "{{ data.text }}", throttle: { limit: 2, per: "1d", over: "skip" } }),
  rest: email({
    subject: "{{ data.text }}",
    throttle: { limit: 2, per: "1d", by: "data.thread", over: "digest" },
  }),
  rare: email({
    subject: "{{ data.text }}",
    digest: { every: "1h", first: "now" },
    throttle: { limit: 1, per: "1d", over: "digest" },
  }),
  urgent: { ...email({}), priority: "high" },
  code: { mandatory: true, inbox: false, channels: { email: { subject: "{{ data.text }}" } } },
};

async function open(options: Partial<TestBelfryOptions> = {}, user: object = {}) {
  const collections = ["users", "deliveries", "limits", "ledger"];
  await Promise.all(collections.map((name) => db.collection(name).deleteMany({})));
  await usersOf(db).insertOne({ _id: "alex", email: "alex@example.com", ...user } as never);
  const belfry = await createTestBelfry({
    client,
    database,
    types: types as never,
    start: "2026-03-01T08:00:00Z",
    ...options,
  });
  onTestFinished(() => belfry.close());
  let count = 0;
  const tell = (type: string, data: Record<string, unknown> = {}) =>
    belfry.notify({ user: "alex", type, data: { text: `n${++count}`, thread: "t", ...data } });
  const mails = () =>
    belfry.captured().map((one) => `${one.at.slice(5, 16)} ${(one as { subject?: string }).subject}`);
  return { belfry, tell, mails };
}
const states = async () => {
  const found = await db.collection("deliveries").find().toArray();
  const counts: Record<string, number> = {};
  for (const { state, digest } of found) {
    const name = digest ? `${state} digest` : state;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
};
const prefer = (notificationPreferences: object) =>
  usersOf(db).updateOne(
    { _id: "alex" as never },
    { $set: { notificationPreferences, preferences_rev: 1 } as never },
  );

describe("a window", () => {
  test("`first: now` whose throttle is used up joins the digest that it has opened, and goes out with it", async () => {
    const { belfry, tell, mails } = await open();
    await tell("rare");
    await belfry.advance("2h");
    await tell("rare");
    await belfry.advance("1m");
    expect(await states()).toEqual({ sent: 1, "skipped digest": 1, held: 1, "pending digest": 1 });
    await belfry.advance("2d");
    expect(mails()).toEqual(["03-01T08:00 n1", "03-02T08:00 n2"]);
    expect(await states()).toEqual({ sent: 1, "skipped digest": 1, digested: 1, "sent digest": 1 });
  });

  test("`every` gathers from the first notification on, one message for each `by`", async () => {
    const { belfry, tell, mails } = await open();
    await tell("hourly", { thread: "a" });
    await belfry.advance("10m");
    await tell("hourly", { thread: "a" });
    await tell("hourly", { thread: "b" });
    await tell("hourly", { thread: "b" });
    belfry.nothingSent();
    expect(await states()).toEqual({ held: 4, "pending digest": 2 });
    await belfry.advance("2h");
    expect(mails()).toEqual(["03-01T09:00 2 in a", "03-01T09:10 2 in b"]);
    expect(belfry.sentTo("alex")[0]).toMatchObject({ text: "n1|n2|" });
    expect(await states()).toEqual({ digested: 4, "sent digest": 2 });
  });

  test("a single notification is sent as its type's own message", async () => {
    const { belfry, tell, mails } = await open();
    await tell("hourly");
    await belfry.advance("2h");
    expect(mails()).toEqual(["03-01T09:00 n1"]);
  });

  test("`first: now` sends the first at once; a window that nothing follows ends as empty", async () => {
    const { belfry, tell, mails } = await open();
    await tell("first");
    expect(mails()).toEqual(["03-01T08:00 n1"]);
    await belfry.advance("2h");
    expect(await states()).toEqual({ sent: 1, "skipped digest": 1 });
    expect(await db.collection("deliveries").findOne({ digest: { $exists: true } })).toMatchObject({
      reason: "empty",
    });
    await tell("first");
    await tell("first");
    await tell("first");
    await belfry.advance("2h");
    expect(mails().slice(1)).toEqual(["03-01T10:00 n2", "03-01T11:00 2 in t"]);
  });

  test("`extend` moves the time with each notification, up to `last`", async () => {
    const { belfry, tell, mails } = await open();
    for (let minute = 0; minute < 5; minute++) {
      await tell("sliding");
      await belfry.advance("4m");
    }
    await belfry.advance("1h");
    expect(mails()).toEqual(["03-01T08:12 3 in t", "03-01T08:21 2 in t"]);
  });

  test("`cron` is in the user's zone, and exact over a change of the clock", async () => {
    const { belfry, tell, mails } = await open(
      { start: "2026-03-28T09:00:00Z" },
      { timeZone: "Europe/Berlin" },
    );
    await tell("daily");
    await tell("daily");
    await belfry.advance("2d");
    expect(mails()).toEqual(["03-29T07:00 2 in t"]);
  });

  test("`max` makes a digest due at once; `keep` limits what the message shows and not what it counts", async () => {
    const { belfry, tell, mails } = await open();
    for (let count = 0; count < 4; count++) await tell("small");
    await belfry.flush();
    expect(mails()).toEqual(["03-01T08:00 3 in t"]);
    expect(belfry.sentTo("alex")[0]).toMatchObject({ text: "n2|n3|" });
    expect(await states()).toEqual({ digested: 3, held: 1, "sent digest": 1, "pending digest": 1 });
  });
});

describe("what changes while notifications are gathered", () => {
  test("those that were read are left out, and none left sends nothing", async () => {
    const { belfry, tell, mails } = await open();
    const [a, b] = [await tell("hourly"), await tell("hourly"), await tell("hourly")];
    await belfry.inbox.read("alex", a.id);
    await belfry.inbox.archive("alex", b.id);
    await belfry.advance("2h");
    expect(mails()).toEqual(["03-01T09:00 n3"]);
    const c = await tell("hourly");
    await belfry.inbox.read("alex", c.id);
    await belfry.advance("2h");
    expect(mails()).toHaveLength(1);
    expect(await states()).toEqual({ skipped: 3, digested: 1, "sent digest": 1, "skipped digest": 1 });
  });

  test("a user who unsubscribed gets none of it, and one who moved gets it in the new zone's quiet hours' end", async () => {
    const { belfry, tell, mails } = await open();
    await tell("hourly");
    await tell("hourly");
    await prefer({ types: { hourly: { email: false } } });
    await belfry.advance("2h");
    belfry.nothingSent();
    expect(await states()).toEqual({ skipped: 2, "skipped digest": 1 });
    await prefer({ quiet: [{ from: "10:00", to: "12:00" }] });
    await tell("hourly");
    await tell("hourly");
    await belfry.advance("3h");
    expect(mails()).toEqual(["03-01T12:00 2 in t"]);
  });

  test("`after` and `unless` come before the digest", async () => {
    const { belfry, tell, mails } = await open();
    const { id } = await tell("late");
    await tell("late");
    await tell("late");
    await belfry.inbox.read("alex", id);
    await belfry.advance("30m");
    expect(await states()).toEqual({ skipped: 1, held: 2, "pending digest": 1 });
    await belfry.advance("1h");
    expect(mails()).toEqual(["03-01T09:15 2 in t"]);
  });

  test("a provider that is down delays the digest, and the next one gathers apart from it", async () => {
    const { belfry, tell, mails } = await open();
    belfry.setProvider("email", "down");
    await tell("hourly");
    await tell("hourly");
    await belfry.advance("61m");
    belfry.setProvider("email", "works");
    await tell("hourly");
    await tell("hourly");
    await tell("hourly");
    await belfry.advance("3h");
    expect(mails().map((one) => one.slice(12))).toEqual(["2 in t", "3 in t"]);
  });
});

describe("a user's rhythm", () => {
  test("gathers a type, a category or everything, each in one message at its time", async () => {
    const { belfry, tell, mails } = await open({}, { timeZone: "Europe/Berlin" });
    await prefer({ types: { plain: "hourly" }, categories: { social: "daily" }, "*": { email: "weekly" } });
    await tell("plain");
    await tell("plain");
    await tell("few");
    await tell("daily");
    await tell("other");
    await tell("other");
    await tell("code");
    expect(mails()).toEqual(["03-01T08:00 n7"]);
    await belfry.advance("30d");
    // 1 March is a Sunday; the change to summer time lies behind.
    expect(mails().slice(1).sort()).toEqual([
      "03-01T09:00 2 notifications: Plain",
      "03-02T08:00 2 notifications: Other",
      "03-02T08:00 2 social",
    ]);
  });
});

describe("a throttle", () => {
  test("skips what is over the limit, and counts a delivery once", async () => {
    const { belfry, tell, mails } = await open();
    for (let count = 0; count < 4; count++) await tell("few");
    expect(mails()).toEqual(["03-01T08:00 n1", "03-01T08:00 n2"]);
    expect(await states()).toEqual({ sent: 2, skipped: 2 });
    await belfry.advance("1d");
    await tell("few");
    expect(mails()).toHaveLength(3);
  });

  test("gathers what is over the limit until the oldest no longer counts", async () => {
    const { belfry, tell, mails } = await open();
    for (const thread of ["a", "a", "a", "a", "b"]) await tell("rest", { thread });
    expect(mails().map((one) => one.slice(12))).toEqual(["n1", "n2", "n5"]);
    await belfry.advance("2d");
    expect(mails().slice(3)).toEqual(["03-02T08:00 2 notifications: Rest"]);
  });
});

describe("the budget", () => {
  test("no day has more messages than the limit, nothing is lost, and what is mandatory is never late", async () => {
    const { belfry, tell, mails } = await open({
      types: { ...types, budgets: { email: { limit: 3 } } } as never,
    });
    for (let count = 0; count < 6; count++) await tell("plain");
    await tell("code");
    expect(mails()).toEqual(["03-01T08:00 n1", "03-01T08:00 n2", "03-01T08:00 n7"]);
    await belfry.advance("12h");
    expect(mails().slice(3)).toEqual(["03-01T18:00 4 notifications: Plain"]);
    await tell("plain");
    await belfry.advance("1d");
    expect(mails().slice(4)).toEqual(["03-02T18:00 n8"]);
  });

  test("what has a high priority comes first in the digest", async () => {
    const { belfry, tell } = await open({ types: { ...types, budgets: { email: { limit: 1 } } } as never });
    for (const type of ["plain", "urgent", "plain", "urgent"])
      await belfry.notify({ user: "alex", type, title: `${type}!` });
    await tell("plain");
    await belfry.advance("1d");
    const [mail] = belfry.sentTo("alex");
    expect(mail?.text?.match(/urgent!|plain!/g)).toEqual(["urgent!", "urgent!", "plain!", "plain!"]);
  });

  test("the user's own budget goes before the operator's, and one a day is a daily digest", async () => {
    const { belfry, tell, mails } = await open({
      types: { ...types, budgets: { email: { limit: 9 } } } as never,
    });
    await prefer({ budget: { email: { limit: 1, at: "12:30" } } });
    await tell("plain");
    await tell("other");
    belfry.nothingSent();
    await belfry.advance("1d");
    expect(mails()).toEqual(["03-01T12:30 2 notifications: Plain, Other"]);
  });
});

test("erasing a user ends what is gathered, and forgets the counts", async () => {
  const { belfry, tell } = await open();
  await tell("hourly");
  await tell("hourly");
  await tell("few");
  expect(await limitsOf(db).countDocuments()).toBe(1);
  const inTransaction = createTransactions({ client: db.client, now: Date.now });
  const writes = (_: string, write: (options: object) => Promise<unknown>) => write({});
  const { now } = belfry.clock;
  await createEraser({ db, writes: writes as never, retentionDays: 1, now, inTransaction })("alex");
  await belfry.advance("2h");
  expect(belfry.captured()).toHaveLength(1);
  expect(await states()).toEqual({ canceled: 3, sent: 1 });
  expect(await limitsOf(db).countDocuments()).toBe(0);
});
