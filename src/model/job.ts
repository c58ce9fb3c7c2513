/**
 * The states of a job:
 *
 *   scheduled ── claimed when due ──▶ running ──▶ done, failed
 *     ▲  ▲                              │ │
 *     │  └── retry, stop of a process ──┘ └── at a checkpoint ──▶ paused, canceled
 *     └── resumed ── paused
 *
 * A scheduled or paused job can be canceled at once. A running one can be paused or canceled if it is `stoppable`.
 */
export const jobStates = ["scheduled", "running", "paused", "done", "canceled", "failed"] as const;
export type JobState = (typeof jobStates)[number];

/** Users who were reached, users who could not be, and all of them if that is known. */
export interface JobCounts {
  done: number;
  failed: number;
  total?: number;
}

export interface NewJob {
  /** 24 hex characters; they begin with a time. */
  id: string;
  kind: string;
  /** The caller's name for what it belongs to, such as a schedule's key. */
  key?: string;
  /** What to do. Its form depends on the kind. */
  command: object;
  /** Unix ms. */
  due: number;
  total?: number;
  /** Its kind has checkpoints, so it can be paused and canceled while it runs. */
  stoppable?: boolean;
}

/** A job that this process runs. */
export interface HeldJob<Command = unknown, Cursor = unknown> extends JobCounts {
  id: string;
  kind: string;
  key?: string;
  command: Command;
  due: number;
  /** Where the run goes on; absent at first. */
  cursor?: Cursor;
  /** Failed or interrupted runs since the last checkpoint. */
  tries: number;
  /** The lease's token. */
  token: string;
}

/** Which jobs an operator means; every field narrows. */
export interface JobFilter {
  kind?: string;
  states?: JobState[];
  key?: string;
  /** A user whom the job names. */
  user?: string;
}

/** Times in Unix milliseconds. */
export interface JobRecord extends JobCounts {
  id: string;
  kind: string;
  key?: string;
  command: object;
  state: JobState;
  due: number;
  tries: number;
  /** Where the run goes on. Its form depends on the kind. */
  cursor?: unknown;
  /** A running job does this at its next checkpoint. */
  stop?: JobStop;
  error?: string;
  createdAt: number;
  updatedAt: number;
  expireAt?: number;
}

export type JobStop = "pause" | "cancel";
