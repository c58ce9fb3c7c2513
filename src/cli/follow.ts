import { setTimeout as sleep } from "node:timers/promises";
import type { Deliveries } from "../core/deliveries.ts";
import type { DeliveryFilter, DeliverySummary } from "../model/delivery-record.ts";

const pageSize = 100;
const everyMs = 1_000;
/** Older ones are forgotten, and may be shown again. */
const mostKnown = 10_000;

/**
 * Shows the newest deliveries, oldest first, and then each new one and each new status of those shown, until `signal`
 * aborts. A delivery's id may be older than those already stored, so each round looks at the whole newest page.
 */
export async function follow(
  list: Deliveries["list"],
  filter: DeliveryFilter,
  first: number,
  show: (one: DeliverySummary) => void,
  signal: AbortSignal,
): Promise<void> {
  const shown = new Map<string, DeliverySummary>();
  for (const one of (await list(filter, Math.min(first, pageSize))).data.reverse()) showOnce(one);
  while (!signal.aborted) {
    await sleep(everyMs, undefined, { signal }).catch(() => {});
    if (signal.aborted) return;
    const newest = await unseen();
    const open = [...shown.values()]
      .filter(({ state }) => state === "pending" || state === "sending" || state === "sent")
      .slice(-pageSize)
      .map(({ id }) => id);
    const changed = open.length > 0 ? (await list({ ...filter, ids: open }, pageSize)).data : [];
    for (const one of [...changed, ...newest].sort((a, b) => a.updatedAt - b.updatedAt)) showOnce(one);
  }

  /** Page after page, until one has something that was shown: more may be stored in a second than a page has. */
  async function unseen(): Promise<DeliverySummary[]> {
    const found: DeliverySummary[] = [];
    for (let next: string | undefined; found.length < mostKnown; ) {
      const page = await list(
        filter,
        pageSize,
        next === undefined ? undefined : { text: next, pointer: "cursor" },
      );
      found.push(...page.data);
      next = page.next;
      if (next === undefined || page.data.some(({ id }) => shown.has(id))) break;
    }
    return found;
  }

  function showOnce(one: DeliverySummary): void {
    const before = shown.get(one.id);
    if (before?.state === one.state && before.tries === one.tries) return;
    shown.delete(one.id);
    shown.set(one.id, one);
    const [oldest] = shown.keys();
    if (shown.size > mostKnown && oldest !== undefined) shown.delete(oldest);
    show(one);
  }
}
