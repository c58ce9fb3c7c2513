import { expect, test } from "vitest";
import { mergePatch, withoutEmpty } from "../../src/model/merge-patch.ts";

// The examples of RFC 7396, appendix A.
test.each([
  [{ a: "b" }, { a: "c" }, { a: "c" }],
  [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
  [{ a: "b" }, { a: null }, {}],
  [{ a: "b", b: "c" }, { a: null }, { b: "c" }],
  [{ a: ["b"] }, { a: "c" }, { a: "c" }],
  [{ a: "c" }, { a: ["b"] }, { a: ["b"] }],
  [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
  [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
  [
    ["a", "b"],
    ["c", "d"],
    ["c", "d"],
  ],
  [{ a: "b" }, ["c"], ["c"]],
  [{ a: "foo" }, null, null],
  [{ a: "foo" }, "bar", "bar"],
  [{ e: null }, { a: 1 }, { e: null, a: 1 }],
  [[1, 2], { a: "b", c: null }, { a: "b" }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
])("%j and the patch %j make %j", (target, patch, result) => {
  expect(mergePatch(target, patch)).toStrictEqual(result);
});

test("names of an object's own machinery are names like others", () => {
  const patch = JSON.parse('{"__proto__": {"polluted": true}, "constructor": false, "toString": null}');
  const result = mergePatch({}, patch) as object;
  expect(Object.keys(result)).toStrictEqual(["__proto__", "constructor"]);
  expect(({} as { polluted?: true }).polluted).toBeUndefined();
  expect(Object.getPrototypeOf(result)).toBe(Object.prototype);
});

test("objects and lists without content go, and what becomes empty by that", () => {
  expect(withoutEmpty({ a: { b: { c: {} } }, d: [], e: { f: false, g: "" } })).toStrictEqual({
    e: { f: false, g: "" },
  });
});
