import type { Settlement } from "../model/delivery.ts";
import type { Claims } from "../store/claims.ts";
import type { WorkerOptions } from "./worker.ts";

/**
 * Counts that the worker processes that took these deliveries ended. Deliveries with too many such interruptions are
 * claimed, so that nobody sends them, and fail with reason `poison`. Rejects when the database does.
 */
export async function giveUpPoison(
  ids: string[],
  repeated: boolean,
  claims: Pick<Claims, "interrupt" | "claimById" | "settle">,
  options: Pick<WorkerOptions, "leaseMs" | "now" | "newToken" | "onSettled" | "log">,
): Promise<void> {
  const { now, log } = options;
  const enough = await claims.interrupt(ids, now(), !repeated);
  if (enough.length === 0) return;
  const lease = { token: options.newToken(), until: now() + options.leaseMs };
  const held = await claims.claimById(enough, lease, now());
  if (held.length === 0) return;
  const settlements = held.map((delivery): Settlement => {
    const detail = "each worker process that took it ended";
    return { delivery, attempts: [], state: "failed", tries: delivery.tries, reason: "poison", detail };
  });
  await claims.settle(settlements, now());
  for (const settlement of settlements) options.onSettled(settlement);
  log.warn(
    { count: held.length },
    "deliveries failed with reason poison: each worker process that took them ended",
  );
}
