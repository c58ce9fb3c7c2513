import type { Attempt, HeldDelivery } from "../model/delivery.ts";
import type { WorkerOptions } from "./worker.ts";

/** Claimed deliveries that wait for a slot, in order, those of broadcasts last. One to a slow or paused target lets the others pass. */
export function createWaiting({ targets, targetOf }: Pick<WorkerOptions, "targets" | "targetOf">) {
  const queue: HeldDelivery[] = [];
  const known = new WeakMap<HeldDelivery, string>();
  const singles = () => {
    const first = queue.findIndex((one) => one.bulk);
    return first < 0 ? queue.length : first;
  };

  return {
    size: () => queue.length,
    /** How many are no part of a broadcast. */
    singles,
    add(deliveries: HeldDelivery[]): void {
      queue.splice(singles(), 0, ...deliveries.filter((one) => !one.bulk));
      queue.push(...deliveries.filter((one) => one.bulk));
    },
    takeAll: () => queue.splice(0),
    /** Reads the deliveries' targets, which `next` and `begin` use. */
    async findTargets(deliveries: HeldDelivery[]): Promise<void> {
      // The delivery's own run reports a profile that cannot be read.
      const found = await Promise.all(deliveries.map((one) => targetOf?.(one).catch(() => undefined)));
      for (const [at, target] of found.entries())
        if (target !== undefined) known.set(deliveries[at] as HeldDelivery, target);
    },
    /** The first delivery whose target can take one. Those before it, whose targets are paused, are put back. */
    next(putBack: (delivery: HeldDelivery, due: number) => void): HeldDelivery | undefined {
      for (let at = 0; at < queue.length; ) {
        const delivery = queue[at] as HeldDelivery;
        const target = known.get(delivery);
        const admission = target === undefined ? "go" : (targets?.admit(target) ?? "go");
        if (admission === "wait") at++;
        else queue.splice(at, 1);
        if (admission === "go") return delivery;
        if (admission !== "wait") putBack(delivery, admission.until);
      }
      return undefined;
    },
    /** A send begins. Call the result with its last attempt, if one was made. */
    begin(delivery: HeldDelivery): (attempt: Attempt | undefined) => void {
      const target = known.get(delivery);
      return (target !== undefined && targets?.begin(target)) || (() => {});
    },
  };
}
