import type { Core } from "../core/core.ts";
import type { Store } from "../store/index.ts";
import { broadcast } from "./broadcast.ts";
import { later } from "./later.ts";
import { occurrence } from "./occurrence.ts";
import { createRunner, type RunnerOptions } from "./runner.ts";
import { createScheduleFeed } from "./schedules.ts";

export interface JobOptions extends Omit<RunnerOptions, "feed"> {
  /** Called when a schedule has moved on. */
  onAdvance?: () => void;
}

/** Their names. A process that runs none of them still counts those that are due. */
export const jobKinds = ["later", "occurrence", "broadcast"];

/** The runner of every kind of job, which also makes the jobs of schedules. */
export function createJobRunner(
  store: Store,
  core: Pick<Core, "notifyEach" | "broadcastPage" | "schedules" | "broadcasts">,
  { onAdvance, ...options }: JobOptions,
) {
  const { recipientsByZone } = core.schedules;
  const { log } = options;
  const kinds = [later(core), occurrence(store, core, recipientsByZone), broadcast(core)];
  const feed = createScheduleFeed(store, { recipientsByZone, log, ...(onAdvance && { onAdvance }) });
  return createRunner(store, kinds, { ...options, feed });
}
