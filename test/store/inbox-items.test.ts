import { setFlagsFromString } from "node:v8";
import { BSON } from "mongodb";
import { expect, test } from "vitest";
import type { StoredInboxItem } from "../../src/model/notification.ts";
import { keptItem } from "../../src/store/inbox-items.ts";

setFlagsFromString("--allow-natives-syntax");
const haveOneClass = new Function("a", "b", "return %HaveSameMap(a, b)") as (a: object, b: object) => boolean;

test("items with the same fields share one hidden class, which keeps the old generation small", () => {
  const answer = BSON.serialize({
    id: "64d000000000000000000000",
    timestamp: 1_790_000_000,
    is_new: true,
    user_id: "alex",
    key: "new_message",
    data: { n: 1 },
    rev: 1_790_000_000_001,
  });
  const read = () => keptItem(BSON.deserialize(answer) as StoredInboxItem);
  const items = Array.from({ length: 100 }, read);
  expect(items.at(-1)).toMatchObject({
    created_rev: 1_790_000_000_001,
    archived: false,
    changed: 1_790_000_000,
  });
  expect(haveOneClass(items.at(-1) as object, items.at(-2) as object)).toBe(true);
});
