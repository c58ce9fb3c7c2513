import { setTimeout as sleep } from "node:timers/promises";
import { connectAll, newDevice, type Target } from "./device.ts";
import { create, until } from "./writer.ts";

export type StormFigures = {
  /** From the drop until every device shows what the server said it had when the device came back. */
  seconds: number;
  /** Changes made meanwhile, each found at its device. */
  changes: number;
};

const changesPerSecond = 200;
const leadMs = 1_000;

/** Devices of as many users lose their sockets at one moment and come back, each from its last `rev`, while changes go on. */
export async function storm(task: { target: Target; sockets: number }): Promise<{ figures: StormFigures }> {
  const { target, sockets } = task;
  const heard = Array.from({ length: sockets }, () => new Set<number>());
  const made = Array.from({ length: sockets }, () => new Set<number>());
  const devices = heard.map((own, user) =>
    newDevice({ target, user }, (numbers) => {
      for (const n of numbers) own.add(n);
    }),
  );
  await connectAll(devices);

  const acts: Array<Promise<void>> = [];
  const changing =
    target.kind === "belfry"
      ? setInterval(() => {
          const n = acts.length;
          const user = (n * 7919) % sockets;
          acts.push(create(target.near, user, { n }).then(() => void made[user]?.add(n)));
        }, 1000 / changesPerSecond)
      : undefined;
  await sleep(leadMs);
  const began = performance.now();
  for (const device of devices) device.drop();
  await connectAll(devices);
  const seconds = (performance.now() - began) / 1000;
  clearInterval(changing);
  await Promise.all(acts);
  const gaps = () => made.flatMap((own, user) => [...own].filter((n) => !heard[user]?.has(n))).length;
  await until(
    () => gaps() === 0,
    () => `${gaps()} of ${acts.length} changes at their devices`,
  );
  return { figures: { seconds, changes: acts.length } };
}
