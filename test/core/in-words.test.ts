import { expect, test } from "vitest";
import { inWords, rowsOf } from "../../src/core/in-words.ts";

test.each([
  ["new_login", "New login"],
  ["SUBSCRIPTION_EXPIRY", "Subscription expiry"],
  ["orderShipped", "Order shipped"],
  ["order.shipped-late", "Order shipped late"],
  ["MESSAGE", "Message"],
  ["2fa_code", "2fa code"],
])("the key %s is titled %s", (key, title) => {
  expect(inWords(key)).toBe(title);
});

test("turns data into names and values, with a path for nested values and no row for empty ones", () => {
  const data = {
    order_id: 42,
    paid: true,
    tags: ["a", "b", null],
    customer: { firstName: "Ada", phone: null },
    items: [{ name: "Bell" }, { name: "Rope", note: "" }],
    none: {},
  };
  expect(rowsOf(data)).toEqual([
    { name: "Order id", value: "42" },
    { name: "Paid", value: "yes" },
    { name: "Tags", value: "a, b" },
    { name: "Customer, First name", value: "Ada" },
    { name: "Items, 1, Name", value: "Bell" },
    { name: "Items, 2, Name", value: "Rope" },
  ]);
});

test("truncates large values and long lists", () => {
  const many = Object.fromEntries(Array.from({ length: 200 }, (_, n) => [`n${n}`, "x".repeat(2_000)]));
  const rows = rowsOf(many);
  expect(rows).toHaveLength(50);
  expect(rows[0]?.value).toBe(`${"x".repeat(500)}…`);
  expect(rowsOf(undefined)).toEqual([]);
});
