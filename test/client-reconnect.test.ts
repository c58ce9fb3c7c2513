import { describe, expect, test } from "vitest";
import { BelfryClientError } from "../src/client/error.ts";
import {
  afterTry,
  chooseTransport,
  initialState,
  type Outcome,
  type ReconnectState,
} from "../src/client/reconnect-policy.ts";

const silent: Outcome = { lastedMs: 50, wasLive: false, transport: 0 };
const unloaded: Outcome = { lastedMs: 50, wasLive: false };
const short: Outcome = { lastedMs: 50, wasLive: true, transport: 0, spoke: true };
const long: Outcome = { ...short, lastedMs: 60_000 };
const asked = (outcome: Outcome, retryAfter: number): Outcome => ({
  ...outcome,
  error: new BelfryClientError("Later.", { status: 429, code: "http_429", retryAfter }),
});
const refused = (outcome: Outcome, bearer?: string): Outcome => ({ ...outcome, refused: { bearer } });
const after = (...outcomes: Outcome[]): ReconnectState =>
  outcomes.reduce((state, outcome) => afterTry(state, outcome).state, initialState);
const lastOf = (...outcomes: Outcome[]) =>
  afterTry(after(...outcomes.slice(0, -1)), outcomes.at(-1) as Outcome);

test.each<[string, boolean, Outcome[]]>([
  ["after the first refusal", false, [refused(silent, "a")]],
  ["when the next bearer is refused as well", true, [refused(silent, "a"), refused(silent, "b")]],
  ["when the list is refused twice", true, [refused(unloaded), refused(unloaded)]],
  ["when an outage lies between two refusals", false, [refused(silent, "a"), silent, refused(silent, "b")]],
  ["when the new bearer expired after a good connection", false, [refused(long, "a"), refused(long, "b")]],
  ["when the refused bearer worked for a long time", false, [refused(silent, "a"), refused(long, "a")]],
  ["when each bearer works for a moment", false, [refused(short, "a"), refused(short, "b")]],
  [
    "when the same bearer is accepted and disconnected twice",
    true,
    [refused(short, "a"), refused(short, "a")],
  ],
  [
    "when the new bearer is refused after a live connection",
    true,
    [refused(long, "a"), refused(silent, "b")],
  ],
])("gives up %s: %s", (_, over, outcomes) => {
  expect(lastOf(...outcomes).isOver).toBe(over);
});

const many = (count: number, outcome: Outcome) => Array.from({ length: count }, () => outcome);
const events: Outcome = { ...long, transport: 1 };
test.each<[string, number, Outcome[]]>([
  ["at first", 0, []],
  ["after two silent tries", 0, many(2, silent)],
  ["after three silent tries", 1, many(3, silent)],
  ["after four silent tries", 0, many(4, silent)],
  ["after three tries without a connection", 0, many(3, unloaded)],
  ["when events have worked", 1, [...many(3, silent), events]],
  ["when events have worked, after two silent tries", 1, [...many(3, silent), events, ...many(2, silent)]],
  ["when a WebSocket has worked, after two silent tries", 0, [long, ...many(2, silent)]],
  ["when a WebSocket has worked, after three silent tries (another network)", 1, [long, ...many(3, silent)]],
  ["when a message came between silent tries", 0, [long, ...many(2, silent), short, ...many(2, silent)]],
])("tries a transport %s: number %i", (_, index, outcomes) => {
  expect(chooseTransport(after(...outcomes), 2)).toBe(index);
});

test("retries the only transport", () => {
  for (let n = 0; n < 9; n++) expect(chooseTransport(after(...many(n, silent)), 1)).toBe(0);
});

describe("the pause", () => {
  test.each<[string, number, number, Outcome[]]>([
    ["after the first failure", 250, 500, [silent]],
    ["after the third failure", 1_000, 2_000, many(3, silent)],
    ["after the hundredth failure", 15_000, 30_000, many(100, silent)],
    ["after a good connection", 250, 500, [...many(9, silent), long]],
    ["after a short connection", 1_000, 2_000, [...many(9, silent), short]],
    ["when the service names a pause", 7_000, 7_000, [{ ...long, retryMs: 7_000 }]],
    ["after an answer with Retry-After", 7_250, 7_500, [asked(unloaded, 7)]],
    ["after the third answer with Retry-After", 8_000, 9_000, many(3, asked(unloaded, 7))],
    ["when Retry-After is a day", 3_600_250, 3_600_500, [asked(unloaded, 86_400)]],
    ["before the list is reloaded", 0, 0, [{ ...short, reload: true }]],
    ["before it is reloaded again", 500, 1_000, many(2, { ...short, reload: true })],
    ["when the bearer expired after a good connection", 0, 0, [refused(long, "a")]],
    ["when the bearer was never accepted", 0, 0, [refused(silent, "a")]],
    ["when the bearer is accepted and disconnected", 250, 500, [refused(short, "a")]],
    ["when that happens four times", 1_000, 2_000, ["a", "b", "c", "d"].map((one) => refused(short, one))],
  ])("%s: %i to %i ms", (_, least, most, outcomes) => {
    for (let n = 0; n < 100; n++) {
      const { pauseMs } = lastOf(...outcomes);
      expect(pauseMs).toBeGreaterThanOrEqual(least);
      expect(pauseMs).toBeLessThanOrEqual(most);
    }
  });
});
