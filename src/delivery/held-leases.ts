import { type Batcher, createBatcher } from "../lib/batcher.ts";
import type { HeldDelivery, Settlement } from "../model/delivery.ts";
import type { WorkerOptions } from "./worker.ts";

/**
 * The leases of the deliveries that a worker has claimed and not settled yet. A process that was suspended and resumed may
 * still list leases that another worker has by now; each query is conditional on the lease, so it changes nothing then.
 */
export function createHeldLeases(
  options: Pick<WorkerOptions, "claims" | "leaseMs" | "now" | "random" | "newToken" | "log">,
) {
  const { claims, leaseMs, now, log } = options;
  const heldUntil = new Map<HeldDelivery, number>();

  const settlements: Batcher<Settlement, void> = createBatcher({
    async run(batch) {
      const { lost } = await claims.settle(batch, now());
      if (lost > 0)
        log.warn(
          { lost },
          "late outcomes refused: another worker holds the leases, or a try without an answer has stored them",
        );
      return batch.map(() => undefined);
    },
    maxItems: 500,
  });

  return {
    /** A lease that begins now, for deliveries about to be claimed or committed. */
    next: () => ({ token: options.newToken(), until: now() + leaseMs }),
    hold(delivery: HeldDelivery, until: number): void {
      heldUntil.set(delivery, until);
    },
    drop(delivery: HeldDelivery): void {
      heldUntil.delete(delivery);
    },
    /** The deliveries that are claimed: waiting or in progress. */
    held: () => heldUntil.keys(),
    /** Whether a third of the lease remains: enough to begin a send. */
    isFresh: (delivery: HeldDelivery) => now() <= (heldUntil.get(delivery) ?? 0) - leaseMs / 3,
    async renew(): Promise<void> {
      const held = [...heldUntil.keys()];
      if (held.length === 0) return;
      const renewedUntil = now() + leaseMs;
      const kept = await claims.renew(held, renewedUntil);
      for (const delivery of held)
        if (kept.has(delivery.id) && heldUntil.has(delivery)) heldUntil.set(delivery, renewedUntil);
    },
    /** Tries until the outcome is stored or the lease has expired; then another worker has the delivery. */
    async settle(settlement: Settlement): Promise<"stored" | "expired"> {
      const { delivery } = settlement;
      for (;;) {
        try {
          await settlements.submit(settlement);
          heldUntil.delete(delivery);
          return "stored";
        } catch (error) {
          log.warn({ err: error, delivery: delivery.id }, "an outcome could not be stored; trying again");
          if (now() > (heldUntil.get(delivery) ?? 0)) {
            heldUntil.delete(delivery);
            return "expired";
          }
          await new Promise((resolve) => setTimeout(resolve, 200 + 300 * options.random()));
        }
      }
    },
    /** Returns deliveries to pending, unsent. */
    async giveBack(deliveries: HeldDelivery[], due: number): Promise<void> {
      if (deliveries.length === 0) return;
      for (const delivery of deliveries) heldUntil.delete(delivery);
      await claims.release(deliveries, due, now()).catch((error: unknown) => {
        log.warn(
          { err: error, count: deliveries.length },
          "could not release deliveries; they are pending again when their leases expire",
        );
      });
    },
  };
}

export type HeldLeases = ReturnType<typeof createHeldLeases>;
