import { type ClientSession, type Collection, type Db, MongoServerError, ObjectId } from "mongodb";
import type { NewJob } from "../model/job.ts";
import type { Schedule, ScheduleRecord, ScheduleState, ScheduleTiming, ZoneTime } from "../model/schedule.ts";
import { duplicateKey, orUnavailable } from "./failures.ts";
import type { createJobStore } from "./jobs.ts";
import type { createTransactions } from "./transactions.ts";

interface ScheduleDocument extends Omit<Schedule, "key" | "startsAt" | "endsAt"> {
  /** The key. */
  _id: string;
  startsAt?: Date;
  endsAt?: Date;
  state: ScheduleState;
  zones: Array<{ zone: string; next?: Date }>;
  /** When to look at it again. Only while active. */
  due?: Date;
  version: ObjectId;
  createdAt: Date;
  updatedAt: Date;
}

/** What is written: everything but what the store itself keeps. */
export type StoredSchedule = Schedule & ScheduleTiming & { createdAt: number };

const schedulesOf = (db: Db): Collection<ScheduleDocument> => db.collection("schedules");

const patienceMs = 8_000;

/** Schedules, by their keys. Each call rejects with `database_unavailable`. */
export function createScheduleStore(options: {
  db: Db;
  jobs: Pick<ReturnType<typeof createJobStore>, "insert">;
  /** Absent on a standalone server. */
  inTransaction: ReturnType<typeof createTransactions> | undefined;
  /** The clock of the transactions' deadlines. */
  serverNow: () => number;
  now: () => number;
}) {
  const { db, jobs, inTransaction, serverNow, now } = options;
  const schedules = schedulesOf(db);

  const changed = () => ({ version: new ObjectId(), updatedAt: new Date(now()) });

  async function setTiming(
    { key, version }: ScheduleRecord,
    { state, zones, due }: ScheduleTiming,
    session?: ClientSession,
  ): Promise<boolean> {
    const $set = {
      ...changed(),
      state,
      zones: zones.map(storedZone),
      ...(due !== undefined && { due: new Date(due) }),
    };
    const { matchedCount } = await schedules.updateOne(
      { _id: key, version: new ObjectId(version) },
      due === undefined ? { $set, $unset: { due: 1 } } : { $set },
      session ? { session } : {},
    );
    return matchedCount === 1;
  }

  return {
    async one(key: string): Promise<ScheduleRecord | undefined> {
      const found = await orUnavailable(() => schedules.findOne({ _id: key }));
      return found ? recordOf(found) : undefined;
    },

    /** By key, only those behind `after`. */
    async page(after: string | undefined, limit: number): Promise<ScheduleRecord[]> {
      const found = await orUnavailable(() =>
        schedules
          .find(after === undefined ? {} : { _id: { $gt: after } }, { batchSize: limit + 1 })
          .sort({ _id: 1 })
          .limit(limit)
          .toArray(),
      );
      return found.map(recordOf);
    },

    /** Stores a new schedule, or one in place of the version. False when somebody else was faster. */
    async put(schedule: StoredSchedule, version: string | undefined): Promise<boolean> {
      const { key, startsAt, endsAt, zones, due, createdAt, ...rest } = schedule;
      const document = {
        ...rest,
        ...(startsAt !== undefined && { startsAt: new Date(startsAt) }),
        ...(endsAt !== undefined && { endsAt: new Date(endsAt) }),
        zones: zones.map(storedZone),
        ...(due !== undefined && { due: new Date(due) }),
        createdAt: new Date(createdAt),
        ...changed(),
      };
      return orUnavailable(async () => {
        if (version !== undefined) {
          const known = { _id: key, version: new ObjectId(version) };
          return (await schedules.replaceOne(known, document)).matchedCount === 1;
        }
        try {
          await schedules.insertOne({ _id: key, ...document });
          return true;
        } catch (error) {
          if (!isDuplicate(error)) throw error;
          return false;
        }
      });
    },

    /** False when there is none. */
    remove: (key: string): Promise<boolean> =>
      orUnavailable(async () => (await schedules.deleteOne({ _id: key })).deletedCount === 1),

    /** False when the schedule has changed meanwhile. */
    setTiming: (schedule: ScheduleRecord, timing: ScheduleTiming) =>
      orUnavailable(() => setTiming(schedule, timing)),

    /** Active schedules to look at, longest due first. Index `due`. */
    async due(limit: number): Promise<ScheduleRecord[]> {
      const found = await orUnavailable(() =>
        schedules
          .find({ due: { $lte: new Date(now()) } })
          .sort({ due: 1 })
          .limit(limit)
          .toArray(),
      );
      return found.map(recordOf);
    },

    /** When to look at the first one (Unix ms); undefined when none is active. */
    async nextDue(): Promise<number | undefined> {
      const [first] = await orUnavailable(() =>
        schedules
          .find({ due: { $exists: true } }, { projection: { due: 1 } })
          .sort({ due: 1 })
          .limit(1)
          .toArray(),
      );
      return first?.due?.getTime();
    },

    /**
     * Stores the jobs of the occurrences and moves the schedule on, in one transaction. Nothing happens when another instance
     * was faster: the schedule has another version. A job that is stored already, because the schedule was deleted and
     * stored again, is left as it is. A standalone server stores the jobs first; after a crash they are found stored.
     */
    async advance(schedule: ScheduleRecord, timing: ScheduleTiming, occurrences: NewJob[]): Promise<void> {
      if (inTransaction && occurrences.length > 0) {
        const deadline = serverNow() + patienceMs;
        try {
          await inTransaction(
            async (session) => {
              if (!(await setTiming(schedule, timing, session))) return;
              for (const job of occurrences) await jobs.insert(job, session);
            },
            { conflicts: deadline, deadline },
          );
          return;
        } catch (error) {
          if (!isDuplicate(error)) throw error;
        }
      }
      for (const job of occurrences) await jobs.insert(job);
      await orUnavailable(() => setTiming(schedule, timing));
    },
  };
}

/** Takes the user out of every schedule. Index `recipients`. */
export async function eraseFromSchedules(db: Db, user: string): Promise<void> {
  const changed = { $pull: { recipients: user }, $set: { version: new ObjectId() } };
  await schedulesOf(db).updateMany({ recipients: { $eq: user } }, changed);
}

const isDuplicate = (error: unknown): boolean =>
  error instanceof MongoServerError && error.code === duplicateKey;

const storedZone = ({ zone, next }: ZoneTime) => ({
  zone,
  ...(next !== undefined && { next: new Date(next) }),
});

function recordOf(stored: ScheduleDocument): ScheduleRecord {
  const { _id, startsAt, endsAt, zones, due: _, version, createdAt, updatedAt, ...rest } = stored;
  return {
    ...rest,
    key: _id,
    ...(startsAt && { startsAt: startsAt.getTime() }),
    ...(endsAt && { endsAt: endsAt.getTime() }),
    zones: zones.map(({ zone, next }) => ({ zone, ...(next && { next: next.getTime() }) })),
    version: version.toHexString(),
    createdAt: createdAt.getTime(),
    updatedAt: updatedAt.getTime(),
  };
}
