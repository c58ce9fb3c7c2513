import { memoryOf } from "../../test/support/memory.ts";
import { percentile } from "../figures.ts";
import { residentMb } from "../machine.ts";
import { type BelfryTarget, connectAll, newDevice } from "./device.ts";
import { atRate, create, until } from "./writer.ts";

export type StallFigures = {
  /** Milliseconds from the 201 until a device shows it; over all changes and all devices that read. */
  p50: number;
  p99: number;
  /** MB that the service's resident memory was at most above that after a collection before the changes. */
  growthMb: number;
  /** MB of its heap and buffers in use after the changes, while the one still does not read, above the same before. */
  heldMb: number;
};

const readers = 4;
const text = "x".repeat(1_000);
const sampleMs = 100;

/**
 * Changes of one user, whose devices read; but for one, when it is `stalled`: that one must have caught up afterwards. The
 * service must have been started with `collectOnSignal`.
 */
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
  const memory = () => memoryOf(target.near, () => process.kill(target.pid, "SIGUSR2"));
  const before = await memory();
  if (task.stalled) last.socket.pause();

  let most = residentMb(target.pid);
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
  const after = await memory();
  last.socket.resume();
  await until(
    () => last.rev === devices[0]?.rev,
    () => `the last device at rev ${devices[0]?.rev}, not ${last.rev}`,
  );
  for (const shown of all) for (const [n, at] of shown.entries()) took.push(at - (stored[n] ?? at));
  const held = ({ heap, external }: typeof before) => heap + external;
  return {
    figures: {
      p50: percentile(took, 0.5),
      p99: percentile(took, 0.99),
      growthMb: most - before.resident,
      heldMb: held(after) - held(before),
    },
  };
}
