import { setTimeout as sleep } from "node:timers/promises";
import { slope } from "../figures.ts";
import { cpuSeconds, residentMb } from "../machine.ts";
import { connectAll, newDevice, type Target } from "./device.ts";

export interface IdleResult {
  figures: {
    /** Of the server's resident memory, a connection. */
    bytesEach: number;
    /** Of one core, all of them open, heartbeats among it. */
    cpuPercent: number;
  };
  /** The server's resident memory, MB, after so many connections. */
  points: Array<{ connections: number; mb: number }>;
}

const steps = 5;
const settleMs = 1_000;

/** Connections of as many users that only stay open. */
export async function idle(task: {
  target: Target;
  connections: number;
  seconds: number;
}): Promise<IdleResult> {
  const { target } = task;
  const points = [{ connections: 0, mb: residentMb(target.pid) }];
  for (let step = 1; step <= steps; step++) {
    const from = (points.at(-1) as { connections: number }).connections;
    const connections = Math.round((task.connections * step) / steps);
    await connectAll(
      Array.from({ length: connections - from }, (_, index) => newDevice({ target, user: from + index })),
    );
    await sleep(settleMs);
    points.push({ connections, mb: residentMb(target.pid) });
  }
  const before = cpuSeconds(target.pid);
  await sleep(task.seconds * 1000);
  const cpuPercent = Math.round(((cpuSeconds(target.pid) - before) / task.seconds) * 1000) / 10;
  const bytesEach = Math.round(slope(points.map(({ connections, mb }) => ({ x: connections, y: mb * 1e6 }))));
  return { figures: { bytesEach, cpuPercent }, points };
}
