import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createPulse, type Totals } from "../../src/core/pulse.ts";

beforeEach(() => void vi.useFakeTimers({ now: 1_800_000_000_000 }));
afterEach(() => void vi.useRealTimers());

/** A service that can be told what it has done. */
function start() {
  const totals: Totals = {
    accepted: 100,
    outcomes: { sent: 7 },
    latency: [
      { le: 0.01, count: 50 },
      { le: 0.1, count: 50 },
      { le: Number.POSITIVE_INFINITY, count: 50 },
    ],
  };
  const depth = vi.fn(async () => ({ counts: [{ count: 3 }, { count: 4 }], oldestDue: Date.now() - 2_500 }));
  const pulse = createPulse({
    totals: async () => structuredClone(totals),
    depth,
    connections: () => 2,
    now: Date.now,
  });
  pulse.start();
  const pass = (seconds: number) => vi.advanceTimersByTimeAsync(seconds * 1_000);
  return { totals, depth, pulse, pass };
}

test("counts what happened in each interval, and keeps 15 minutes of it", async () => {
  const { totals, pulse, pass } = start();
  await pass(5);
  totals.accepted += 20;
  totals.outcomes = { sent: 10, failed: 2, delivered: 1 };
  // Ten answers: eight took up to 10 ms, one up to 100 ms, one longer.
  totals.latency = totals.latency.map(({ le, count }, at) => ({ le, count: count + [8, 9, 10][at]! }));
  await pass(5);
  const samples = await pulse.read();
  const nothing = { accepted: 0, sent: 0, delivered: 0, failed: 0, skipped: 0, uncertain: 0, connections: 2 };
  expect(samples[0]).toStrictEqual({ at: 1_800_000_005_000, ...nothing });
  expect(samples[1]).toStrictEqual({
    at: 1_800_000_010_000,
    ...nothing,
    accepted: 20,
    sent: 3,
    failed: 2,
    delivered: 1,
    latency_ms_p50: 6.25,
    latency_ms_p99: 100,
  });
  await pass(3_600);
  const kept = await pulse.read();
  expect(kept.length).toBeLessThanOrEqual(182);
  expect(kept[0]!.at).toBeGreaterThanOrEqual(Date.now() - 15 * 60_000);
  pulse.stop();
});

test("asks the database what waits while somebody looks, and rarely when that takes long", async () => {
  const { depth, pulse, pass } = start();
  await pass(600);
  expect(depth).not.toHaveBeenCalled();
  expect((await pulse.read()).at(-1)).toMatchObject({ pending: 7, oldest_age_seconds: 2.5 });
  await pass(50);
  expect(depth).toHaveBeenCalledTimes(11);
  await pass(600);
  const asked = depth.mock.calls.length;
  expect(asked).toBeLessThan(16);
  await pass(600);
  expect(depth).toHaveBeenCalledTimes(asked);

  depth.mockImplementation(async () => {
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    return { counts: [], oldestDue: undefined as never };
  });
  const looked = depth.mock.calls.length;
  for (let minute = 0; minute < 4; minute++) {
    void pulse.read();
    await pass(60);
  }
  expect(depth.mock.calls.length - looked).toBeLessThanOrEqual(6);
  pulse.stop();
});

test("goes on when the database does not answer", async () => {
  const { depth, pulse, pass } = start();
  depth.mockRejectedValue(new Error("away"));
  await pulse.read();
  await pass(20);
  expect((await pulse.read()).at(-1)).not.toHaveProperty("pending");
  pulse.stop();
});
