import fc from "fast-check";
import { expect, test } from "vitest";
import { maxDataBytes, maxDataDepth, measureData } from "../../src/core/plan.ts";
import { problemInText } from "../../src/model/errors.ts";

const problem = (data: Record<string, unknown>) => {
  const found = measureData(data, "/data");
  return typeof found === "number" ? undefined : found;
};

test("what looks like MongoDB's or JavaScript's own words is data like any other", () => {
  const data = JSON.parse(
    '{"$set":{"a.b":1},"__proto__":{"x":1},"constructor":"$email","":null,"t":"$$ROOT","nul":"a\\u0000b","é":["🎉"]}',
  );
  expect(problem(data)).toBeUndefined();
});

test("what MongoDB cannot give back to the letter is refused, and the pointer names it", () => {
  expect(problem({ a: { b: ["ok", "\ud800"] } })).toMatchObject({ pointer: "/data/a/b/1" });
  expect(problem({ "\udc00": 1 })).toBeDefined();
  expect(problem({ list: [{ "a\0b": 1 }] })).toMatchObject({ pointer: "/data/list/0/a\0b" });
  expect(problem({ o: { _bsontype: "ObjectId" } })).toMatchObject({ pointer: "/data/o/_bsontype" });
  expect(problem(JSON.parse('{"n":1e999}'))).toMatchObject({ pointer: "/data/n" });
  expect(problem({ "a/b~c": "\ud800" })?.pointer).toBe("/data/a~1b~0c");
});

test("nesting is taken to 32 levels, and 10,000 levels are an answer and not a crash", () => {
  const nested = (levels: number) => {
    let value: Record<string, unknown> = {};
    for (let level = 1; level < levels; level++) value = { a: value };
    return value;
  };
  expect(problem(nested(maxDataDepth))).toBeUndefined();
  expect(problem(nested(maxDataDepth + 1))?.detail).toMatch(/deeper than 32/);
  expect(problem(nested(10_000))?.detail).toMatch(/deeper than 32/);
  const lists = JSON.parse(`{"a":${"[".repeat(10_000)}${"]".repeat(10_000)}}`);
  expect(problem(lists)?.detail).toMatch(/deeper than 32/);
});

test("8 KiB as JSON are taken, a byte more is not; characters count as their bytes", () => {
  const bytes = (text: string) => Buffer.byteLength(JSON.stringify({ a: text }));
  const fitting = "é".repeat((maxDataBytes - bytes("")) / 2);
  expect(bytes(fitting)).toBe(maxDataBytes);
  expect(problem({ a: fitting })).toBeUndefined();
  expect(problem({ a: `${fitting}x` })).toMatchObject({ pointer: "/data" });
});

test("a text is refused exactly when UTF-8 cannot carry it", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.boolean(), (text, broken) => {
      const given = broken ? `${text}\ud83d` : text;
      const carried = Buffer.from(given, "utf8").toString("utf8") === given;
      return (problemInText(given, "/title") === undefined) === carried;
    }),
    { numRuns: 2_000 },
  );
});

test("any small JSON object passes, and checking does not change it", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 5 }), { maxKeys: 5 }), (data) => {
      fc.pre(Buffer.byteLength(JSON.stringify(data)) <= maxDataBytes);
      fc.pre(!/\\u0000[^"]*":|_bsontype/.test(JSON.stringify(data)));
      const before = JSON.stringify(data);
      return problem(data) === undefined && JSON.stringify(data) === before;
    }),
    { numRuns: 2_000 },
  );
});
