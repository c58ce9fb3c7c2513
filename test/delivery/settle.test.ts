import { describe, expect, test } from "vitest";
import { configPauseMs, settlementOf } from "../../src/delivery/settle.ts";
import type { AttemptOutcome, HeldDelivery } from "../../src/model/delivery.ts";

const policy = { delayMs: 10_000, factor: 2, maxRetries: 2 };
const attempt = { at: 1_000_000, provider: "smtp", ms: 250 };
const ended = attempt.at + attempt.ms;
const held = (tries: number): HeldDelivery => ({
  id: "a".repeat(24),
  notification: "b".repeat(24),
  user: "u",
  channel: "email",
  content: { key: "new_login", at: 0 },
  tries,
  token: "c".repeat(24),
});
const settle = (tries: number, outcome: AttemptOutcome) =>
  settlementOf(held(tries), outcome, attempt, policy, 0.5);

const answers = {
  sent: { kind: "sent", providerId: "<id@sender>", text: "250 ok" },
  retry: { kind: "retry", code: "451", text: "451 later" },
  patient: { kind: "retry", code: "450 4.7.1", text: "450 4.7.1 greylisted", afterMs: 300_000 },
  unknown: { kind: "unknown", code: "ECONNECTION", text: "closed" },
  no: { kind: "no", reason: "address", code: "550 5.1.1", text: "550 5.1.1 nobody" },
  config: { kind: "config", code: "535", text: "535 no" },
  skip: { kind: "skip", reason: "no_address", text: "the user has no e-mail address" },
} satisfies Record<string, AttemptOutcome>;

const spent = { state: "failed", reason: "exhausted", tries: 3 };
/** [answer, tries before, what becomes of the delivery] with at most 2 retries, 10 s and factor 2, no jitter. */
const table: Array<[keyof typeof answers, number, object]> = [
  ["sent", 0, { state: "sent", tries: 1, providerId: "<id@sender>" }],
  ["sent", 1, { state: "sent", tries: 2, providerId: "<id@sender>" }],
  ["sent", 2, { state: "sent", tries: 3, providerId: "<id@sender>" }],
  ["retry", 0, { state: "pending", tries: 1, due: ended + 10_000 }],
  ["retry", 1, { state: "pending", tries: 2, due: ended + 20_000 }],
  ["retry", 2, spent],
  ["patient", 0, { state: "pending", tries: 1, due: ended + 300_000 }],
  ["patient", 1, { state: "pending", tries: 2, due: ended + 300_000 }],
  ["patient", 2, spent],
  ["unknown", 0, { state: "pending", tries: 1, due: ended + 10_000 }],
  ["unknown", 1, { state: "pending", tries: 2, due: ended + 20_000 }],
  ["unknown", 2, spent],
  ["no", 0, { state: "failed", tries: 1, reason: "address" }],
  ["no", 1, { state: "failed", tries: 2, reason: "address" }],
  ["no", 2, { state: "failed", tries: 3, reason: "address" }],
  ["config", 0, { state: "pending", tries: 0, due: ended + configPauseMs }],
  ["config", 1, { state: "pending", tries: 1, due: ended + configPauseMs }],
  ["config", 2, { state: "pending", tries: 2, due: ended + configPauseMs }],
  ["skip", 0, { state: "skipped", tries: 0, reason: "no_address" }],
  ["skip", 1, { state: "skipped", tries: 1, reason: "no_address" }],
  ["skip", 2, { state: "skipped", tries: 2, reason: "no_address" }],
];

test.each(table)("an answer of kind %s after %i tries", (name, tries, expected) => {
  const { delivery, attempt: _, ...becomes } = settle(tries, answers[name]);
  expect(becomes).toEqual(expected);
  expect(delivery).toEqual(held(tries));
});

describe("the attempt's line in the history", () => {
  test("says when, by whom, how long, and the provider's own words", () => {
    expect(settle(0, answers.no).attempt).toEqual({
      ...attempt,
      outcome: "no",
      code: "550 5.1.1",
      text: "550 5.1.1 nobody",
    });
    expect(settle(0, { kind: "sent" }).attempt).toEqual({ ...attempt, outcome: "sent" });
    expect(settle(0, answers.skip).attempt).toEqual({
      ...attempt,
      outcome: "skip",
      text: "the user has no e-mail address",
    });
  });

  test("keeps at most 500 characters of them", () => {
    const { text } = settle(0, { kind: "retry", code: "451", text: "x".repeat(9_000) }).attempt;
    expect(text).toBe("x".repeat(500));
  });
});

test("a message the provider gave no id for is sent all the same, without one", () => {
  expect(settle(0, { kind: "sent" })).not.toHaveProperty("providerId");
});
