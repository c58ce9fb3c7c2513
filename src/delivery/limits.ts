import type { Over } from "../model/decide.ts";
import type { HeldDelivery } from "../model/delivery.ts";
import type { Limit } from "../model/limit.ts";
import type { Store } from "../store/index.ts";

/**
 * Counts a message that is about to be sent towards its limits. Returns the first one that is used up, if any. A message that
 * is then not sent after all, since its provider refuses it, has counted.
 */
export async function countTowards(
  { count }: Pick<Store["limits"], "count">,
  { id, user }: Pick<HeldDelivery, "id" | "user">,
  limits: Limit[],
): Promise<Over | undefined> {
  for (const { key, limit, since, until, over } of limits) {
    const oldest = limit === 0 ? since : await count({ delivery: id, user, key, limit, since, until });
    if (oldest !== undefined) return over(oldest);
  }
  return undefined;
}
