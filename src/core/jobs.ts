import { BelfryError } from "../model/errors.ts";
import type { JobFilter, JobRecord, JobStop } from "../model/job.ts";
import type { Store } from "../store/index.ts";
import { type CursorText, decodeCursor, encodeCursor, type Page, pageOf } from "./cursor.ts";
import { idForm } from "./deliveries.ts";

const reasons: Record<JobRecord["state"], string> = {
  scheduled: "it has not begun",
  running: "it is under way and cannot be stopped",
  paused: "it is paused",
  done: "it already ran",
  canceled: "it was canceled",
  failed: "it ended with an error",
};

/** Looks up jobs, and pauses, resumes and cancels them. `onJob` gets the time at which a job is due again. */
export function createJobs({ jobs }: Pick<Store, "jobs">, onJob: (due: number) => void) {
  async function show(id: string): Promise<JobRecord> {
    const found = await jobs.one(id);
    if (!found) throw new BelfryError("not_found", `There is no job ${id}.`);
    return found;
  }

  const refused = ({ id, state }: JobRecord) =>
    new BelfryError("job_not_changeable", `The job ${id} is ${state}: ${reasons[state]}.`);

  /** Moves a job that does not run, or asks a running one. It may begin or end between the two. */
  async function stop(id: string, how: JobStop, ended: JobRecord["state"]): Promise<JobRecord> {
    for (let tries = 1; ; tries++) {
      if ((await jobs[how](id)) || (await jobs.stop(id, how))) return show(id);
      const job = await show(id);
      if (job.state === ended) return job;
      if (job.state !== "scheduled" || tries === 3) throw refused(job);
    }
  }

  return {
    /** Newest first. Jobs added in the meantime do not move the pages. */
    async list(filter: JobFilter, limit: number, cursor?: CursorText): Promise<Page<JobRecord>> {
      const before = cursor && decodeCursor(cursor.text, filter, idForm, cursor.pointer);
      const found = await jobs.page(filter, before, limit + 1);
      return pageOf(found, limit, (last) => encodeCursor(filter, last.id));
    },

    show,

    /**
     * Cancels the job. A running one goes on to its next checkpoint, and has `stop` until then. Rejects with `not_found`, and
     * with `job_not_changeable` when it already ran, or runs and has no checkpoints. Repeating it has no further effect.
     */
    cancel: (id: string) => stop(id, "cancel", "canceled"),
    /** The same for a pause. */
    pause: (id: string) => stop(id, "pause", "paused"),
    /** Goes on with a paused job. Work that was due meanwhile is done at once. */
    async resume(id: string): Promise<JobRecord> {
      const moved = await jobs.resume(id);
      const job = await show(id);
      if (!moved && job.state !== "scheduled" && job.state !== "running") throw refused(job);
      onJob(job.due);
      return job;
    },
  };
}

export type Jobs = ReturnType<typeof createJobs>;
