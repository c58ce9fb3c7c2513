import { expect, test } from "vitest";
import { createTargets } from "../../src/delivery/targets.ts";
import type { Attempt } from "../../src/model/delivery.ts";

function targetsAt(concurrency = 32) {
  const clock = { now: 1_000_000 };
  const targets = createTargets({ now: () => clock.now, concurrency });
  const took = (ms: number): Attempt => ({ at: clock.now, provider: "webhook", outcome: "sent", ms });
  const timedOut: Attempt = { at: 0, provider: "webhook", outcome: "unknown", code: "TIMEOUT", ms: 15_000 };
  /** Begins as many sends as are admitted now. */
  function fill(host: string) {
    const leave: Array<(attempt: Attempt | undefined) => void> = [];
    while (targets.admit(host) === "go" && leave.length < 1_000) leave.push(targets.begin(host));
    return leave;
  }
  return { clock, targets, took, timedOut, fill };
}

test("a new target gets 4 sends at once; the next waits a second in memory and is then put back", () => {
  const { clock, targets, fill } = targetsAt();
  expect(fill("a")).toHaveLength(4);
  expect(targets.admit("a")).toBe("wait");
  expect(targets.admit("b")).toBe("go");
  clock.now += 1_000;
  const until = [targets.admit("a"), targets.admit("a")].map((one) => (one as { until: number }).until);
  expect(until[0]).toBeGreaterThan(clock.now);
  expect(until[1]).toBeGreaterThan(until[0] as number);
});

test("a fast target gets up to half of the slots, and a slow answer resets it", () => {
  const { targets, took, fill } = targetsAt();
  for (let round = 0; round < 20; round++) for (const leave of fill("a")) leave(took(20));
  const keep = targets.begin("a");
  for (let round = 0; round < 20; round++) for (const leave of fill("a")) leave(took(20));
  const all = fill("a");
  expect(all.length + 1).toBe(16);
  all[0]?.(took(5_000));
  for (const leave of all.slice(1)) leave(undefined);
  expect(fill("a").length + 1).toBe(4);
  keep(undefined);
});

test("time-outs pause a target for longer each time, one send probes it, and an answer ends the pauses", () => {
  const { clock, targets, took, timedOut, fill } = targetsAt();
  const pauses: number[] = [];
  for (let round = 0; round < 9; round++) {
    const sends = fill("a");
    expect(sends).toHaveLength(round === 0 ? 4 : 1);
    clock.now += 15_000;
    for (const leave of sends) leave(timedOut);
    const begun = clock.now;
    while (targets.admit("a") !== "go") clock.now += 1_000;
    pauses.push((clock.now - begun) / 1_000);
  }
  expect(pauses).toEqual([10, 20, 40, 80, 160, 320, 600, 600, 600]);
  for (const leave of fill("a")) leave(took(20));
  expect(fill("a")).toHaveLength(4);
});

test("a target may use the only slot", () => {
  expect(targetsAt(1).fill("a")).toHaveLength(1);
});
