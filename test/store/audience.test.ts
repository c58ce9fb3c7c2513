import { ObjectId } from "mongodb";
import { beforeAll, expect, test } from "vitest";
import type { Audience } from "../../src/model/broadcast.ts";
import { createAudienceStore } from "../../src/store/audience.ts";
import { prepareCollections } from "../../src/store/indexes.ts";
import { createTopicStore } from "../../src/store/topics.ts";
import { freshDatabase } from "../support/database.ts";

const { db } = freshDatabase();
const audience = createAudienceStore(db);
const topics = createTopicStore(db, Date.now);
const users = db.collection<{ _id: unknown; [field: string]: unknown }>("users");

const zero = "0".repeat(24);
const texts = Array.from({ length: 40 }, (_, at) => `user ${at}`).concat("ü", "~", "$where", "O'Neil");
const objectIds = [zero, ...Array.from({ length: 45 }, () => new ObjectId().toHexString())];
const everybody = [...texts, ...objectIds];
/** Ids that our API cannot name. */
const foreign = [7, { a: 1 }, "aaaaaaaaaaaaaaaaaaaaaaaa", new Date(0)];

beforeAll(async () => {
  await prepareCollections(db);
  await users.insertMany([
    ...everybody.map((user, at) => ({
      _id: /^[0-9a-f]{24}$/.test(user) ? new ObjectId(user) : user,
      plan: at % 3 === 0 ? "pro" : "free",
      seats: at % 5,
      address: { country: at % 2 === 0 ? "de" : "at" },
      team: at % 7 === 0 ? new ObjectId(zero) : "none",
    })),
    ...foreign.map((_id) => ({ _id, plan: "pro", seats: 1 })),
  ]);
  await topics.put("news", { open: false });
  await topics.put("newsletter", { open: false });
  await topics.subscribe("news", everybody.slice(10, 70));
  await topics.subscribe("newsletter", everybody.slice(0, 5));
});

async function all(to: Audience, limit: number) {
  const seen: string[] = [];
  for (let position: string | undefined, first = true; first || position !== undefined; first = false) {
    const page = await audience.page(to, position, limit);
    expect(page.users.length).toBeLessThanOrEqual(limit);
    seen.push(...page.users);
    position = page.next;
  }
  return seen;
}

const cases: Array<[string, Audience, string[]]> = [
  ["all", { all: true }, everybody],
  ["a topic", { topic: "news" }, everybody.slice(10, 70)],
  ["a topic without subscribers", { topic: "new" }, []],
  ["a list", { users: [...everybody].sort() }, everybody],
  ["a filter", { filter: { plan: "pro" } }, everybody.filter((_, at) => at % 3 === 0)],
  [
    "a filter of several fields and values",
    { filter: { "address.country": "de", seats: [1, 2] } },
    everybody.filter((_, at) => at % 2 === 0 && [1, 2].includes(at % 5)),
  ],
  [
    "24 hex digits, which also mean an ObjectId",
    { filter: { team: zero } },
    everybody.filter((_, at) => at % 7 === 0),
  ],
  ["a filter that nobody matches", { filter: { plan: "$pro" } }, []],
];

test.each(cases)("%s: pages of any size name each user once", async (_what, to, expected) => {
  for (const limit of [1, 7, 1_000])
    expect((await all(to, limit)).sort(), `${limit}`).toStrictEqual([...expected].sort());
});

test.each(cases)("%s: is counted, and knows who belongs to it", async (what, to, expected) => {
  const unnamed = what === "all" ? 1 : what === "a filter" ? 1 : 0;
  expect(await audience.count(to, 10_000)).toBe(expected.length + unnamed);
  for (const user of [everybody[0], everybody[30], zero, "nobody"] as string[])
    expect(await audience.has(to, user), user).toBe(expected.includes(user));
});

test("a sparse filter gives empty pages instead of one long query", async () => {
  const many = Array.from({ length: 12_000 }, (_, at) => ({
    _id: `z${String(at).padStart(6, "0")}`,
    sparse: at === 11_999,
  }));
  await users.insertMany(many);
  const sizes: number[] = [];
  let position: string | undefined;
  do {
    const page = await audience.page({ filter: { sparse: true } }, position, 1_000);
    sizes.push(page.users.length);
    position = page.next;
  } while (position !== undefined);
  expect(sizes.reduce((sum, one) => sum + one)).toBe(1);
  expect(sizes.length).toBeGreaterThan(3);
  await users.deleteMany({ sparse: { $exists: true } });
});

test("a page continues where the last one ended, although users come and go meanwhile", async () => {
  const first = await audience.page({ all: true }, undefined, 20);
  await users.deleteOne({ _id: first.users[19] as never });
  await users.insertOne({ _id: " before everybody" });
  const second = await audience.page({ all: true }, first.next, 1_000);
  expect(second.users).not.toContain(" before everybody");
  const all = [
    ...first.users,
    ...second.users,
    ...(await audience.page({ all: true }, second.next, 1_000)).users,
  ];
  expect(new Set(all).size).toBe(all.length);
  expect(all).toHaveLength(everybody.length);
});
