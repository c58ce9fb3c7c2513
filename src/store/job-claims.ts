import { type Db, type Document, ObjectId } from "mongodb";
import type { HeldJob, JobCounts, JobState } from "../model/job.ts";
import { isRefusal, orUnavailable } from "./failures.ts";
import { endedStates, type JobDocument, jobsOf } from "./jobs.ts";

/** How the run of a job ended. `scheduled`: it goes on at `due`. */
export type JobSettlement =
  | ({ state: "done" | "failed"; error?: string } & JobCounts)
  | { state: "scheduled"; due: number; tries: number; error?: string };

const dayMs = 24 * 60 * 60_000;

/** A pause or cancel that was asked for. */
const atCheckpoint = {
  $cond: [
    { $eq: ["$stop", "cancel"] },
    "canceled",
    { $cond: [{ $eq: ["$stop", "pause"] }, "paused", "running"] },
  ],
};

/** The runner's queries. Each names the lease that it depends on, so it may be repeated. */
export function createJobClaims(db: Db, retentionDays: number) {
  const jobs = jobsOf(db);

  const heldBy = ({ id, token }: HeldJob) => ({
    _id: new ObjectId(id),
    state: "running" as const,
    "lease.token": new ObjectId(token),
  });

  /**
   * The last stages of each update. A job that is to stop keeps that until a checkpoint: only there the counts are exact. An
   * ended job expires.
   */
  function moveTo(state: Document | JobState, now: number): Document[] {
    const expireAt = new Date(now + retentionDays * dayMs);
    const isOpen = { $in: ["$state", ["running", "scheduled"]] };
    return [
      { $set: { state } },
      {
        $set: {
          lease: { $cond: [{ $eq: ["$state", "running"] }, "$lease", "$$REMOVE"] },
          stop: { $cond: [isOpen, "$stop", "$$REMOVE"] },
          expireAt: { $cond: [{ $in: ["$state", endedStates] }, expireAt, "$$REMOVE"] },
          updatedAt: new Date(now),
        },
      },
    ];
  }

  function settled({ job, settlement }: { job: HeldJob; settlement: JobSettlement }, now: number) {
    const { state, error, ...rest } = settlement;
    const { due, ...counts } = { due: undefined, ...rest };
    const $set = {
      ...counts,
      ...(due !== undefined && { due: new Date(due) }),
      error: error === undefined ? "$$REMOVE" : { $literal: error },
    };
    return { updateOne: { filter: heldBy(job), update: [{ $set }, ...moveTo(state, now)] } };
  }

  return {
    /**
     * The earliest jobs of a kind that are due, leased. Three round trips, as in `store/claims.ts`: a conditional update, in
     * which the loser of a race matches nothing, and a read by token of what was won.
     */
    async claim(
      kind: string,
      limit: number,
      lease: { token: string; until: number },
      now: number,
    ): Promise<HeldJob[]> {
      const due = { kind, state: "scheduled" as const, due: { $lte: new Date(now) } };
      const candidates = await jobs
        .find(due, { projection: { _id: 1 } })
        .sort({ due: 1 })
        .limit(limit)
        .toArray();
      if (candidates.length === 0) return [];
      const _id = { $in: candidates.map((one) => one._id) };
      const token = new ObjectId(lease.token);
      const claimed = { token, until: new Date(lease.until) };
      await jobs
        .updateMany(
          { ...due, _id },
          { $set: { state: "running", lease: claimed, updatedAt: new Date(now) } },
          { hint: { _id: 1 } },
        )
        .catch((error: unknown) => {
          // The update may have been applied although its answer was lost. The read below finds out.
          if (isRefusal(error)) throw error;
        });
      const won = await jobs.find({ _id, "lease.token": token }).sort({ due: 1 }).toArray();
      return won.map((one) => heldOf(one, lease.token));
    },

    /** The ids of the jobs whose leases are still ours. */
    async renew(held: HeldJob[], until: number): Promise<Set<string>> {
      const ours = { $or: held.map(heldBy) };
      await jobs.updateMany(ours, { $set: { "lease.until": new Date(until) } });
      const kept = await jobs.find(ours, { projection: { _id: 1 } }).toArray();
      return new Set(kept.map((one) => one._id.toHexString()));
    },

    /** A checkpoint. Returns the job's state, which is no longer `running` after a pause or cancel; undefined: the lease is lost. */
    async save(job: HeldJob, cursor: unknown, counts: JobCounts, now: number): Promise<JobState | undefined> {
      const progress = { $set: { ...counts, cursor: { $literal: cursor }, tries: 0 } };
      const saved = await jobs.findOneAndUpdate(
        heldBy(job),
        [progress, { $unset: "error" }, ...moveTo(atCheckpoint, now)],
        { returnDocument: "after", projection: { state: 1 } },
      );
      return saved?.state;
    },

    /** Ends a run. Changes nothing when the lease is lost, or when the job was paused or canceled at its last checkpoint. */
    async settle(ended: Array<{ job: HeldJob; settlement: JobSettlement }>, now: number): Promise<void> {
      await jobs.bulkWrite(
        ended.map((one) => settled(one, now)),
        { ordered: false },
      );
    },

    /**
     * Handles expired leases and returns how many (index `lease`). A job whose process has ended goes on from its last
     * checkpoint. One that has been interrupted `mostTries` times since then fails. `own`: jobs that this process runs, whose
     * leases it is about to renew, however late. On a busy machine it would otherwise start them again and again.
     */
    async sweep(now: number, mostTries: number, own: HeldJob[] = []): Promise<number> {
      const expired = {
        state: "running" as const,
        "lease.until": { $lt: new Date(now) },
        "lease.token": { $nin: own.map(({ token }) => new ObjectId(token)) },
      };
      const spent = { $gte: ["$tries", mostTries] };
      const { modifiedCount } = await jobs.updateMany(expired, [
        { $set: { tries: { $add: ["$tries", 1] }, due: new Date(now) } },
        {
          $set: {
            error: { $cond: [spent, "Each process that ran it ended or did not answer.", "$error"] },
          },
        },
        ...moveTo({ $cond: [spent, "failed", "scheduled"] }, now),
      ]);
      return modifiedCount;
    },

    /** For the gauges: how many jobs are due and wait, and since when (Unix ms) the oldest one does. Index `due`. */
    async due(kinds: string[], now: number) {
      const counts = await Promise.all(
        kinds.map(async (kind) => ({
          kind,
          count: await jobs.countDocuments({ kind, state: "scheduled", due: { $lte: new Date(now) } }),
        })),
      );
      return { counts, oldestDue: await nextDue(kinds) };
    },

    nextDue,
  };

  /** When the earliest scheduled job is due (Unix ms); undefined when there is none. */
  async function nextDue(kinds: string[]): Promise<number | undefined> {
    const [first] = await orUnavailable(() =>
      jobs
        .find({ kind: { $in: kinds }, state: "scheduled" }, { projection: { due: 1 } })
        .sort({ due: 1 })
        .limit(1)
        .toArray(),
    );
    return first?.due.getTime();
  }
}

export type JobClaims = ReturnType<typeof createJobClaims>;

function heldOf(stored: JobDocument, token: string): HeldJob {
  const { _id, kind, key, command, cursor, due, done, failed, total, tries } = stored;
  return {
    id: _id.toHexString(),
    kind,
    ...(key !== undefined && { key }),
    command,
    ...(cursor !== undefined && { cursor }),
    due: due.getTime(),
    done,
    failed,
    ...(total !== undefined && { total }),
    tries,
    token,
  };
}
