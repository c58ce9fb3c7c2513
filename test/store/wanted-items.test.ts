import fc from "fast-check";
import { expect, test } from "vitest";
import type { InboxQuestion } from "../../src/model/notification.ts";
import { choiceOf, type Preferences } from "../../src/model/preferences.ts";
import { wantedItems } from "../../src/store/wanted-items.ts";
import { freshDatabase } from "../support/database.ts";

const { db } = freshDatabase();

const name = fc.constantFrom("a", "a.b", "$c", "*", "inbox", "constructor", "__proto__");
const choice = fc.constantFrom(true, false, "daily");
const byName = <Value>(value: fc.Arbitrary<Value>) =>
  fc.array(fc.tuple(name, value), { maxLength: 4 }).map((entries) => Object.fromEntries(entries));
const choices = fc.oneof(
  choice,
  fc.dictionary(fc.constantFrom("inbox", "email", "*"), choice, { minKeys: 1, maxKeys: 3 }),
);
const optional = { requiredKeys: [] };
const preferences = fc.record(
  {
    "*": choices,
    categories: byName(choices),
    types: byName(choices),
    topics: byName(fc.boolean()),
    muted_until: fc.constant("2999-01-01T00:00:00Z"),
  },
  optional,
);
const question = fc.record(
  { type: name, category: name, topic: name, isOnByDefault: fc.boolean() },
  { requiredKeys: ["type", "isOnByDefault"] },
);

test("an append keeps an item exactly when `choiceOf` does, for random choices and names", async () => {
  const cases = fc.sample(
    fc.record({ own: fc.option(preferences, { nil: undefined }), ask: fc.option(question, { nil: null }) }),
    3_000,
  );
  await db.collection("cases").insertMany(
    cases.map(({ own, ask }, id) => ({
      id,
      ask,
      ...(own && { notificationPreferences: own }),
      someOff: ask?.isOnByDefault === false,
    })),
  );
  const kept = wantedItems(["$id"] as never, ["$ask"] as never);
  const found = await db
    .collection("cases")
    .aggregate([
      { $sort: { id: 1 } },
      { $project: { kept: { $let: { vars: { someOff: "$someOff" }, in: kept } } } },
    ])
    .toArray();
  const wanted = cases.map(({ own, ask }, id) =>
    ask === null || isWanted((own ?? {}) as Preferences, ask) ? [id] : [],
  );
  expect(found.map((one) => one.kept)).toEqual(wanted);
  expect(wanted.filter(({ length }) => length === 0).length).toBeGreaterThan(300);
});

function isWanted(own: Preferences, { isOnByDefault, ...cell }: InboxQuestion): boolean {
  return choiceOf(own, { ...cell, channel: "inbox", fallback: isOnByDefault }).value !== false;
}
