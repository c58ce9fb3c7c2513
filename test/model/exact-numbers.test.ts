import fc from "fast-check";
import { expect, test } from "vitest";
import { findInexactNumber } from "../../src/model/exact-numbers.ts";

test.each([
  ['{"order":9007199254740993}', "/order"],
  ['{"a":[1,{"b":[0,-9007199254740992]}]}', "/a/1/b/1"],
  ['{"a":1e400}', "/a"],
  ['{"a":-1E400}', "/a"],
  ['{"a":9.007199254740993e15}', "/a"],
  ['{"a":9007199254740993.0}', "/a"],
  ['{"a": \n 12345678901234567}', "/a"],
  ['{"a":{},"b":[],"c":[[],{"x":"]"},12345678901234567]}', "/c/2"],
  ['{"a":"\\"","b~/":{"c":12345678901234567890}}', "/b~0~1/c"],
  ['{"a":1,"a":12345678901234567}', "/a"],
  ["[9007199254740993]", "/0"],
])("%s is pointed at", (text, pointer) => {
  expect(findInexactNumber(text)).toBe(pointer);
});

test.each([
  '{"a":9007199254740991,"b":-9007199254740991}',
  '{"a":0.1,"b":3.14159265358979323846,"c":1234567890123456.7}',
  '{"a":1e23,"b":1.5e300,"c":5e-324,"d":0e999,"e":100e-2,"f":1E2}',
  '{"a":"x, 9007199254740993","b":"[1e400","c":":12345678901234567"}',
  '{"9007199254740993":1,"1e400":2}',
  '{"user_id":"638e394d4b7243fc0399ea67"}',
])("%s is fine", (text) => {
  expect(findInexactNumber(text)).toBeUndefined();
});

test("every number that JavaScript writes below 2^53 or with an exponent is fine, wherever it is", () => {
  const number = fc.oneof(fc.maxSafeInteger(), fc.double({ noNaN: true, noDefaultInfinity: true }));
  const json = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      number,
      fc.string(),
      fc.array(tie("value")),
      fc.dictionary(fc.string(), tie("value")),
    ),
  })).value;
  fc.assert(
    fc.property(json, (value) => {
      const unsafe = (one: unknown): boolean =>
        typeof one === "number"
          ? Math.abs(one) < 1e21 && Number.isInteger(one) && !Number.isSafeInteger(one)
          : typeof one === "object" && one !== null && Object.values(one).some(unsafe);
      // A body is never a bare number.
      expect(findInexactNumber(JSON.stringify([value])) !== undefined).toBe(unsafe(value));
    }),
  );
});
