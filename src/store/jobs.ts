import {
  type ClientSession,
  type Collection,
  type Db,
  type Filter,
  MongoServerError,
  ObjectId,
} from "mongodb";
import type { JobFilter, JobRecord, JobState, JobStop, NewJob } from "../model/job.ts";
import { duplicateKey, orUnavailable } from "./failures.ts";

export interface JobDocument {
  _id: ObjectId;
  kind: string;
  key?: string;
  command: { targets?: Array<{ user: string }>; users?: string[]; actor?: string } & object;
  due: Date;
  state: JobState;
  cursor?: unknown;
  done: number;
  failed: number;
  total?: number;
  /** Failed or interrupted runs since the last checkpoint. */
  tries: number;
  lease?: { token: ObjectId; until: Date };
  stoppable?: boolean;
  /** A running job does this at its next checkpoint. */
  stop?: JobStop;
  error?: string;
  createdAt: Date;
  updatedAt: Date;
  /** When MongoDB deletes it; only on ended jobs. */
  expireAt?: Date;
}

export const jobsOf = (db: Db): Collection<JobDocument> => db.collection("jobs");

const dayMs = 24 * 60 * 60_000;
export const endedStates: JobState[] = ["done", "canceled", "failed"];
const patienceMs = 20_000;
/** No run was interrupted since the last checkpoint, so the counts are exact. Jobs without checkpoints do it all or nothing. */
const atCheckpoint: Filter<JobDocument> = { $or: [{ tries: 0 }, { stoppable: { $exists: false } }] };

/** Stores jobs and what operators do with them. Each call may be repeated, and rejects with `database_unavailable`. */
export function createJobStore(db: Db, retentionDays: number, now: () => number) {
  const jobs = jobsOf(db);

  /** Moves a job from one of these states. False when it is in another one. */
  async function move(id: string, from: Filter<JobDocument>, to: Partial<JobDocument>): Promise<boolean> {
    const { matchedCount } = await orUnavailable(() =>
      jobs.updateOne({ ...from, _id: new ObjectId(id) }, { $set: { ...to, updatedAt: new Date(now()) } }),
    );
    return matchedCount === 1;
  }

  return {
    /** False when a job with this id is already stored. */
    async insert(job: NewJob, session?: ClientSession): Promise<boolean> {
      try {
        await orUnavailable(() => jobs.insertOne(newJob(job, new Date(now())), session && { session }));
        return true;
      } catch (error) {
        if (session || !(error instanceof MongoServerError) || error.code !== duplicateKey) throw error;
        return false;
      }
    },

    async one(id: string): Promise<JobRecord | undefined> {
      const found = await orUnavailable(() => jobs.findOne({ _id: new ObjectId(id) }));
      return found ? recordOf(found) : undefined;
    },

    /** Newest first, only ids below `before`, and without the users that a broadcast names. */
    async page(filter: JobFilter, before: string | undefined, limit: number): Promise<JobRecord[]> {
      const { kind, states, key, user } = filter;
      const query: Filter<JobDocument> = {
        ...(kind !== undefined && { kind }),
        ...(states && { state: { $in: states } }),
        ...(key !== undefined && { key: { $eq: key } }),
        ...(user !== undefined && { "command.targets.user": { $eq: user } }),
        ...(before !== undefined && { _id: { $lt: new ObjectId(before) } }),
      };
      const found = await orUnavailable(() =>
        jobs
          .find(query, { projection: { "command.users": 0 }, batchSize: limit + 1, maxTimeMS: patienceMs })
          .sort({ _id: -1 })
          .limit(limit)
          .toArray(),
      );
      return found.map(recordOf);
    },

    /** Cancels a job that does not run. False in any other state, and for one that was interrupted between two checkpoints. */
    cancel: (id: string) =>
      move(
        id,
        { state: { $in: ["scheduled", "paused"] }, ...atCheckpoint },
        { state: "canceled", expireAt: new Date(now() + retentionDays * dayMs) },
      ),
    pause: (id: string) => move(id, { state: "scheduled", ...atCheckpoint }, { state: "paused" }),
    resume: (id: string) => move(id, { state: "paused" }, { state: "scheduled" }),
    /**
     * Asks a running or interrupted job to stop at its next checkpoint. False when it does not run, has no checkpoints, or is
     * being canceled.
     */
    stop: (id: string, stop: JobStop) =>
      move(
        id,
        {
          $or: [{ state: "running" }, { state: "scheduled", tries: { $gt: 0 } }],
          stoppable: true,
          ...(stop === "pause" && { stop: { $ne: "cancel" } }),
        },
        { stop, due: new Date(now()) },
      ),
  };
}

/**
 * Removes the user from the jobs that name them, broadcasts among them. One that was for this user alone is canceled, and loses its content.
 * Index `user`.
 */
export async function eraseFromJobs(db: Db, user: string, expireAt: Date): Promise<void> {
  const jobs = jobsOf(db);
  // There are few broadcasts: index `kind`.
  const broadcasts = { kind: "broadcast" };
  await jobs.updateMany({ ...broadcasts, "command.users": user }, { $pull: { "command.users": user } });
  await jobs.updateMany({ ...broadcasts, "command.actor": user }, { $unset: { "command.actor": 1 } });
  const found = await jobs
    .find({ "command.targets.user": { $eq: user } }, { projection: { _id: 1 } })
    .toArray();
  if (found.length === 0) return;
  const _id = { $in: found.map((one) => one._id) };
  // First the content: after a failure between the two the user is still found.
  await jobs.updateMany({ _id, "command.targets": { $size: 1 } }, [
    {
      $set: {
        // An expression: a plain object would be merged into the old content.
        "command.notification": { $mergeObjects: [{ type: "$command.notification.type" }] },
        state: { $cond: [{ $in: ["$state", ["scheduled", "paused"]] }, "canceled", "$state"] },
        expireAt: { $ifNull: ["$expireAt", expireAt] },
      },
    },
  ]);
  await jobs.updateMany({ _id }, { $pull: { "command.targets": { user } } });
}

function newJob({ id, kind, key, command, due, total, stoppable }: NewJob, at: Date): JobDocument {
  return {
    _id: new ObjectId(id),
    kind,
    ...(key !== undefined && { key }),
    command,
    due: new Date(due),
    state: "scheduled",
    done: 0,
    failed: 0,
    ...(total !== undefined && { total }),
    ...(stoppable && { stoppable }),
    tries: 0,
    createdAt: at,
    updatedAt: at,
  };
}

function recordOf(stored: JobDocument): JobRecord {
  const { _id, due, lease: _, createdAt, updatedAt, expireAt, ...rest } = stored;
  return {
    ...rest,
    id: _id.toHexString(),
    due: due.getTime(),
    createdAt: createdAt.getTime(),
    updatedAt: updatedAt.getTime(),
    ...(expireAt && { expireAt: expireAt.getTime() }),
  };
}
