import type { Settlement } from "../model/delivery.ts";
import type { DeliveryBooks, WorkerOptions } from "./worker.ts";

export interface PoisonBooks extends Pick<DeliveryBooks, "claimById" | "settle"> {
  /** Counts an interruption (or only looks) of those of `ids` that are pending and due; answers with those that have had enough. */
  interrupt(ids: string[], now: number, count: boolean): Promise<string[]>;
}

/**
 * Notes that whoever was to take these ended each time. Those that had it happen too often are claimed, so that nobody
 * sends them meanwhile, and end as `failed`, reason `poison`. Rejects when the database does.
 */
export async function giveUpPoison(
  ids: string[],
  repeated: boolean,
  books: PoisonBooks,
  options: Pick<WorkerOptions, "leaseMs" | "now" | "newToken" | "onSettled" | "log">,
): Promise<void> {
  const { now, log } = options;
  const enough = await books.interrupt(ids, now(), !repeated);
  if (enough.length === 0) return;
  const lease = { token: options.newToken(), until: now() + options.leaseMs };
  const held = await books.claimById(enough, lease, now());
  if (held.length === 0) return;
  const settlements = held.map((delivery): Settlement => {
    const detail = "each worker that was to take it ended";
    return { delivery, attempts: [], state: "failed", tries: delivery.tries, reason: "poison", detail };
  });
  await books.settle(settlements, now());
  for (const settlement of settlements) options.onSettled(settlement);
  log.warn({ count: held.length }, "deliveries are given up: each worker that was to take them ended");
}
