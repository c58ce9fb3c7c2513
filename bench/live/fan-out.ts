import { setTimeout as sleep } from "node:timers/promises";
import { median } from "../figures.ts";
import { connectAll, newDevice, type Target, textOf } from "./device.ts";
import { create } from "./writer.ts";

/** Milliseconds, medians. */
export type FanOutFigures = {
  /** From the request, or from the text to the bare server, until the last socket has it. */
  all: number;
  /** From the request until the 201. */
  stored?: number;
};

const warm = 5;
const pauseMs = 20;

/** One change after another to all sockets of one user. */
export async function fanOut(task: {
  target: Target;
  sockets: number;
  changes: number;
}): Promise<{ figures: FanOutFigures }> {
  const { target, sockets } = task;
  let missing = 0;
  let done = () => {};
  const heard = () => {
    if (--missing === 0) done();
  };
  const devices = Array.from({ length: sockets }, (_, index) =>
    newDevice({ target, user: 0, index, broadcast: true }, heard),
  );
  await connectAll(devices);
  const all: number[] = [];
  const stored: number[] = [];
  for (let n = 0; n < warm + task.changes; n++) {
    await sleep(pauseMs);
    missing = sockets;
    const everywhere = new Promise<void>((resolve) => {
      done = resolve;
    });
    const began = performance.now();
    if (target.kind === "bare") devices[0]?.socket.send(textOf(n));
    else create(target.near, 0, { n }).then(() => void (n >= warm && stored.push(performance.now() - began)));
    await everywhere;
    if (n >= warm) all.push(performance.now() - began);
  }
  return { figures: { all: median(all), ...(stored.length > 0 && { stored: median(stored) }) } };
}
