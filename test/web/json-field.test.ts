import fc from "fast-check";
import { expect, test } from "vitest";
import { faultIn } from "../../web/console/parts/json-fault.ts";

test.each([
  ['{"a": 1,\n "b": x}', 15],
  ['{"a": phone}', 6],
  ["{'a': 1}", 1],
  ['{"a": 1,}', 8],
  ['{"a" 1}', 5],
  ['{"a": 1 "b": 2}', 8],
  ["{a: 1}", 1],
  ['{"a": [1, 2}', 11],
  ['{"a": 1} x', 9],
  ['{"a": 01}', 7],
  ['{"a": "b\nc"}', 6],
  ['{"a":\u00a01}', 5],
  ['{"a":', 5],
  ["", 0],
])("what is wrong in %j is at %i", (text, at) => {
  expect(faultIn(text)).toBe(at);
});

test("finds a fault in exactly the texts that JSON.parse refuses", () => {
  const words = fc.constantFrom("{", "}", "[", "]", ",", ":", '"a"', '"', "1", "-", "true", "nul", " ", "\n");
  const texts = fc.oneof(
    fc.array(words, { maxLength: 12 }).map((all) => all.join("")),
    fc.json(),
  );
  fc.assert(
    fc.property(texts, (text) => {
      try {
        JSON.parse(text);
      } catch {
        // Whatever follows up to there can be gone on with; an end that comes too early is the fault itself.
        const at = faultIn(text);
        expect(faultIn(text.slice(0, at))).toBe(at);
        return;
      }
      expect(faultIn(text)).toBe(text.length);
    }),
    { numRuns: 2_000 },
  );
});
