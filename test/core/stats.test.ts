import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createStats, type Totals } from "../../src/core/stats.ts";

beforeEach(() => void vi.useFakeTimers({ now: 1_800_000_000_000 }));
afterEach(() => void vi.useRealTimers());

/** A service double with settable counters. */
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
  const waits = { channel: "email", state: "pending" } as const;
  const depth = vi.fn(async () => ({
    counts: [
      { ...waits, count: 3 },
      { ...waits, count: 4 },
    ],
    oldestDue: Date.now() - 2_500,
  }));
  const stats = createStats({
    totals: async () => structuredClone(totals),
    depth,
    connections: () => 2,
    now: Date.now,
  });
  stats.start();
  const pass = (seconds: number) => vi.advanceTimersByTimeAsync(seconds * 1_000);
  return { totals, depth, stats, pass };
}

test("counts events per interval and keeps 15 minutes", async () => {
  const { totals, stats, pass } = start();
  await pass(5);
  totals.accepted += 20;
  totals.outcomes = { sent: 10, failed: 2, delivered: 1 };
  // Ten answers: eight took up to 10 ms, one up to 100 ms, one longer.
  totals.latency = totals.latency.map(({ le, count }, at) => ({ le, count: count + [8, 9, 10][at]! }));
  await pass(5);
  const nothing = { accepted: 0, sent: 0, delivered: 0, failed: 0, skipped: 0, uncertain: 0, connections: 2 };
  const waiting = { pending: 7, oldest_age_seconds: 2.5 };
  expect(stats.read().map(({ at }) => at - 1_800_000_000_000)).toEqual([0, 5_000, 10_000]);
  expect(stats.read()[1]).toStrictEqual({ at: 1_800_000_005_000, ...nothing, ...waiting });
  expect(stats.read()[2]).toStrictEqual({
    at: 1_800_000_010_000,
    ...nothing,
    ...waiting,
    accepted: 20,
    sent: 3,
    failed: 2,
    delivered: 1,
    latency_ms_p50: 6.25,
    latency_ms_p99: 100,
  });
  await pass(3_600);
  const kept = stats.read();
  expect(kept.length).toBeLessThanOrEqual(182);
  expect(kept[0]!.at).toBeGreaterThanOrEqual(Date.now() - 15 * 60_000);
  stats.stop();
});

test("samples the queue from the start of the process, even when nobody reads it", async () => {
  const { depth, stats, pass } = start();
  await pass(60);
  expect(depth).toHaveBeenCalledTimes(13);
  expect(stats.read()).toHaveLength(13);
  for (const sample of stats.read()) expect(sample).toMatchObject({ pending: 7, oldest_age_seconds: 2.5 });
  stats.stop();
});

test("spends at most a hundredth of the time on counting a long queue", async () => {
  const { depth, stats, pass } = start();
  depth.mockImplementation(async () => {
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    return { counts: [], oldestDue: undefined as never };
  });
  // The first look, at the start, was quick.
  depth.mockClear();
  await pass(2_000);
  expect(depth).toHaveBeenCalledTimes(10);
  stats.stop();
});

test("continues when the database does not answer", async () => {
  const { depth, stats, pass } = start();
  depth.mockRejectedValue(new Error("away"));
  await pass(20);
  expect(stats.read()).toHaveLength(5);
  expect(stats.read().at(-1)).not.toHaveProperty("pending");
  stats.stop();
});
