import type { Settlement } from "../model/delivery.ts";
import type { DeliveryBooks, WorkerOptions } from "./worker.ts";

export interface PoisonBooks extends Pick<DeliveryBooks, "claimById" | "settle"> {
  /** With `count`, counts an interruption of each pending and due delivery. Returns the ids that reached the limit. */
  interrupt(ids: string[], now: number, count: boolean): Promise<string[]>;
}

/**
 * Counts that the worker processes that took these deliveries ended. Deliveries with too many such interruptions are
 * claimed, so that nobody sends them, and fail with reason `poison`. Rejects when the database does.
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
    const detail = "each worker process that took it ended";
    return { delivery, attempts: [], state: "failed", tries: delivery.tries, reason: "poison", detail };
  });
  await books.settle(settlements, now());
  for (const settlement of settlements) options.onSettled(settlement);
  log.warn(
    { count: held.length },
    "deliveries failed with reason poison: each worker process that took them ended",
  );
}
