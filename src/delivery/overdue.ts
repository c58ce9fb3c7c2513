import type { WorkerOptions } from "./worker.ts";

/** Counts deliveries that take too long, and logs when that begins and ends. `begun`: the start of each one in progress. */
export function createOverdueWatch(
  { overdueMs, now, log }: Pick<WorkerOptions, "overdueMs" | "now" | "log">,
  begun: ReadonlyMap<unknown, number>,
) {
  let reported: "on time" | "overdue" = "on time";
  const count = () => [...begun.values()].filter((since) => now() - since > overdueMs).length;
  return {
    count,
    async check(): Promise<void> {
      const details = { count: count(), overdueMs };
      const found = details.count > 0 ? "overdue" : "on time";
      if (found === reported) return;
      reported = found;
      if (found === "overdue")
        log.error(details, "deliveries take too long: a provider or the database does not answer");
      else log.info(details, "no delivery is overdue any more");
    },
  };
}
