import { percentile } from "../figures.ts";
import { residentMb } from "../machine.ts";
import { type BelfryTarget, connectAll, newDevice } from "./device.ts";
import { atRate, create, until } from "./writer.ts";

export type StallFigures = {
  /** Milliseconds from the 201 until a device shows it; over all changes and all devices that read. */
  p50: number;
  p99: number;
  /** How much the service's resident memory grew at most, MB. */
  growthMb: number;
};

const readers = 4;
const text = "x".repeat(1_000);
const sampleMs = 100;

/** Changes of one user, whose devices read; but for one, when it is `stalled`: that one must have caught up afterwards. */
export async function stall(task: {
  target: BelfryTarget;
  rate: number;
  changes: number;
  stalled: boolean;
}): Promise<{ figures: StallFigures }> {
  const { target, rate, changes } = task;
  const stored: number[] = [];
  const took: number[] = [];
  /** A device that falls behind skips states: what it then shows is all that was stored before, too. */
  const reader = (index: number) => {
    const shown: number[] = [];
    return newDevice({ target, user: 0, index }, (numbers) => {
      const now = performance.now();
      const newest = Math.max(...numbers);
      while (shown.length <= newest) shown.push(now);
      if (shown.length === changes) all.push(shown);
    });
  };
  const all: number[][] = [];
  const devices = Array.from({ length: readers }, (_, index) => reader(index));
  const last = newDevice({ target, user: 0, index: readers });
  await connectAll([...devices, last]);
  if (task.stalled) last.socket.pause();

  const before = residentMb(target.pid);
  let most = before;
  const sampling = setInterval(() => {
    most = Math.max(most, residentMb(target.pid));
  }, sampleMs);
  await atRate(rate, changes, async (n) => {
    await create(target.near, 0, { n, text });
    stored[n] = performance.now();
  });
  await until(
    () => all.length === readers,
    () => `all changes at ${all.length} of ${readers} devices`,
  );
  clearInterval(sampling);
  last.socket.resume();
  await until(
    () => last.rev === devices[0]?.rev,
    () => `the last device at rev ${devices[0]?.rev}, not ${last.rev}`,
  );
  for (const shown of all) for (const [n, at] of shown.entries()) took.push(at - (stored[n] ?? at));
  const growthMb = Math.round((most - before) * 10) / 10;
  return { figures: { p50: percentile(took, 0.5), p99: percentile(took, 0.99), growthMb } };
}
