import { describe, expect, test } from "vitest";
import { atFirst, type Course, nextOf, type Outcome, transportOf } from "../src/client/course.ts";
import { BelfryClientError } from "../src/client/error.ts";

const silent: Outcome = { lastedMs: 50, wasLive: false, transport: 0 };
const unloaded: Outcome = { lastedMs: 50, wasLive: false };
const short: Outcome = { lastedMs: 50, wasLive: true, transport: 0, spoke: true };
const long: Outcome = { ...short, lastedMs: 60_000 };
const asked = (outcome: Outcome, retryAfter: number): Outcome => ({
  ...outcome,
  error: new BelfryClientError("Later.", { status: 429, code: "http_429", retryAfter }),
});
const refused = (outcome: Outcome, bearer?: string): Outcome => ({ ...outcome, refused: { bearer } });
const after = (...outcomes: Outcome[]): Course =>
  outcomes.reduce((course, outcome) => nextOf(course, outcome).course, atFirst);
const lastOf = (...outcomes: Outcome[]) =>
  nextOf(after(...outcomes.slice(0, -1)), outcomes.at(-1) as Outcome);

test.each<[string, boolean, Outcome[]]>([
  ["the first refusal", false, [refused(silent, "a")]],
  ["the next bearer is refused, too", true, [refused(silent, "a"), refused(silent, "b")]],
  ["the list is refused twice", true, [refused(unloaded), refused(unloaded)]],
  ["an outage lies between", false, [refused(silent, "a"), silent, refused(silent, "b")]],
  ["the new bearer has run out after a good connection", false, [refused(long, "a"), refused(long, "b")]],
  ["the same bearer has been good for long", false, [refused(silent, "a"), refused(long, "a")]],
  ["bearers that are good for a moment only", false, [refused(short, "a"), refused(short, "b")]],
  ["the same bearer is let in and thrown out twice", true, [refused(short, "a"), refused(short, "a")]],
  ["the new bearer is refused after a live connection", true, [refused(long, "a"), refused(silent, "b")]],
])("is it over? %s: %s", (_, over, outcomes) => {
  expect(lastOf(...outcomes).isOver).toBe(over);
});

const many = (count: number, outcome: Outcome) => Array.from({ length: count }, () => outcome);
const events: Outcome = { ...long, transport: 1 };
test.each<[string, number, Outcome[]]>([
  ["at first", 0, []],
  ["two that said nothing", 0, many(2, silent)],
  ["three that said nothing", 1, many(3, silent)],
  ["four", 0, many(4, silent)],
  ["three that never came to a connection", 0, many(3, unloaded)],
  ["events have worked", 1, [...many(3, silent), events]],
  ["events have worked, and then two silent ones", 1, [...many(3, silent), events, ...many(2, silent)]],
  ["a WebSocket has worked, and then two silent ones", 0, [long, ...many(2, silent)]],
  ["a WebSocket has worked, and then three silent ones: another network", 1, [long, ...many(3, silent)]],
  ["a word between", 0, [long, ...many(2, silent), short, ...many(2, silent)]],
])("which transport is tried? %s", (_, index, outcomes) => {
  expect(transportOf(after(...outcomes), 2)).toBe(index);
});

test("the only transport is tried again and again", () => {
  for (let n = 0; n < 9; n++) expect(transportOf(after(...many(n, silent)), 1)).toBe(0);
});

describe("the pause", () => {
  test.each<[string, number, number, Outcome[]]>([
    ["after the first failure", 250, 500, [silent]],
    ["after the third", 1_000, 2_000, many(3, silent)],
    ["after the hundredth", 15_000, 30_000, many(100, silent)],
    ["after a good connection", 250, 500, [...many(9, silent), long]],
    ["after a short one", 1_000, 2_000, [...many(9, silent), short]],
    ["when the service has said so", 7_000, 7_000, [{ ...long, retryMs: 7_000 }]],
    ["when the answer has a Retry-After", 7_250, 7_500, [asked(unloaded, 7)]],
    ["when it has one for the third time", 8_000, 9_000, many(3, asked(unloaded, 7))],
    ["when it is a day", 3_600_250, 3_600_500, [asked(unloaded, 86_400)]],
    ["before the list is read anew", 0, 0, [{ ...short, reload: true }]],
    ["before it is read anew again", 500, 1_000, many(2, { ...short, reload: true })],
    ["when the bearer has run out", 0, 0, [refused(long, "a")]],
    ["when it had run out before", 0, 0, [refused(silent, "a")]],
    ["when it is let in and thrown out", 250, 500, [refused(short, "a")]],
    ["when that goes on", 1_000, 2_000, ["a", "b", "c", "d"].map((one) => refused(short, one))],
  ])("%s: %i to %i ms", (_, least, most, outcomes) => {
    for (let n = 0; n < 100; n++) {
      const { pauseMs } = lastOf(...outcomes);
      expect(pauseMs).toBeGreaterThanOrEqual(least);
      expect(pauseMs).toBeLessThanOrEqual(most);
    }
  });
});
