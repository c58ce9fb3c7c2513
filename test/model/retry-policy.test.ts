import fc from "fast-check";
import { expect, test } from "vitest";
import { maxDelayMs, nextDelayMs, type RetryPolicy } from "../../src/model/retry-policy.ts";

const policies: fc.Arbitrary<RetryPolicy> = fc.record({
  delayMs: fc.integer({ min: 1, max: 86_400_000 }),
  factor: fc.double({ min: 1, max: 10, noNaN: true }),
  maxRetries: fc.integer({ min: 0, max: 20 }),
});
/** What each attempt is answered with: how the jitter falls and what wait the provider asks for. */
const answers = fc.array(
  fc.record({
    random: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    afterMs: fc.option(fc.integer({ min: 0, max: 10_000_000 }), { nil: undefined }),
  }),
  { minLength: 25, maxLength: 25 },
);

test("10,000 random runs of failures keep to the published schedule, and never undercut what a provider asks for", () => {
  fc.assert(
    fc.property(policies, answers, (policy, given) => {
      let attempts = 0;
      for (const { random, afterMs } of given) {
        attempts++;
        const gap = nextDelayMs(policy, attempts, random, afterMs);
        if (gap === undefined) break;
        const planned = Math.min(policy.delayMs * policy.factor ** (attempts - 1), maxDelayMs);
        if (gap < (afterMs ?? 0)) return false;
        // Rounded to whole milliseconds.
        const inside = gap >= 0.8 * planned - 0.5 && gap <= 1.2 * planned + 0.5;
        if (!inside && gap !== afterMs) return false;
      }
      return attempts === policy.maxRetries + 1;
    }),
    { numRuns: 10_000 },
  );
});

test("the default schedule waits about 10, 20, 40, 80 and 160 s, then gives up", () => {
  const policy = { delayMs: 10_000, factor: 2, maxRetries: 5 };
  const waits = [1, 2, 3, 4, 5, 6].map((tries) => nextDelayMs(policy, tries, 0.5));
  expect(waits).toEqual([10_000, 20_000, 40_000, 80_000, 160_000, undefined]);
});

test("RETRY_FACTOR 1 keeps the wait fixed, to the millisecond", () => {
  const policy = { delayMs: 10_000, factor: 1, maxRetries: 50 };
  for (const tries of [1, 7, 50])
    for (const random of [0, 0.3, 0.999_999_9]) expect(nextDelayMs(policy, tries, random)).toBe(10_000);
});

test("the jitter of a growing wait reaches 20 % both ways", () => {
  const policy = { delayMs: 10_000, factor: 2, maxRetries: 50 };
  for (const [tries, planned] of [
    [1, 10_000],
    [4, 80_000],
  ] as const) {
    expect(nextDelayMs(policy, tries, 0)).toBe(0.8 * planned);
    expect(nextDelayMs(policy, tries, 0.999_999_9)).toBe(1.2 * planned);
  }
});

test("no wait grows beyond six hours, jitter aside", () => {
  const policy = { delayMs: 10_000, factor: 10, maxRetries: 100 };
  expect(nextDelayMs(policy, 100, 0.5)).toBe(6 * 60 * 60 * 1000);
  expect(nextDelayMs(policy, 100, 0)).toBe(17_280_000);
});

test("MAX_RETRIES 0 means one attempt, whatever the provider says", () => {
  expect(nextDelayMs({ delayMs: 1, factor: 1, maxRetries: 0 }, 1, 0.5, 60_000)).toBeUndefined();
});
