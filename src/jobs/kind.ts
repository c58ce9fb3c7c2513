import type { HeldJob, JobCounts } from "../model/job.ts";

export interface JobTools<Cursor = unknown> {
  /**
   * A checkpoint: stores where a later run goes on, and the counts so far. Rejects with `JobStopped`, which `run` passes
   * on, when the job was paused or canceled, when this process stops, or when another process has the job.
   */
  save(cursor: Cursor, counts: JobCounts): Promise<void>;
  /** Aborts when the process stops or the lease is lost. */
  signal: AbortSignal;
}

/**
 * A kind of job. `run` may be called again from the last checkpoint, even while an earlier run has not noticed that its
 * lease is lost. It resolves with the final counts; a job that reached nobody and failed somebody has failed. When it
 * rejects it is retried for about an hour, or fails at once after a `BelfryError` that a retry would not change.
 */
// biome-ignore lint/suspicious/noExplicitAny: each kind knows the form of its own command and cursor.
export interface JobKind<Command = any, Cursor = any> {
  name: string;
  /** How many of them a process runs at once. */
  atOnce: number;
  run(job: HeldJob<Command, Cursor>, tools: JobTools<Cursor>): Promise<JobCounts & { error?: string }>;
}

/** The run ends at its checkpoint. */
export class JobStopped extends Error {}
