import type { Core } from "../core/core.ts";
import type { Store } from "../store/index.ts";
import { later } from "./later.ts";
import { createRunner, type RunnerOptions } from "./runner.ts";

/** The runner of every kind of job. */
export const createJobRunner = (store: Store, core: Pick<Core, "notifyEach">, options: RunnerOptions) =>
  createRunner(store, [later(core)], options);
