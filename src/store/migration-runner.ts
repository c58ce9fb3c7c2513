import { type Collection, type Db, MongoError, MongoServerError, type UpdateFilter } from "mongodb";
import { backoffMs, pause } from "../lib/backoff.ts";
import { duplicateKey, isPassing, unauthorized } from "./failures.ts";
import { type Migration, migrations, type SaveMigration } from "./migrations.ts";

interface MigrationRecord {
  _id: string;
  state: "running" | "failed" | "done";
  /** The number of the run. A new run fences out the former one with it. */
  run: number;
  /** While a process runs it. */
  leasedUntil?: Date;
  cursor?: unknown;
  done: number;
  total?: number;
  /** When its first run began. */
  at: Date;
  /** From then to its end. */
  ms?: number;
  error?: string;
  remedy?: string;
  /** Failures since the last checkpoint. */
  failures?: number;
  retryAt?: Date;
}

/** A migration that is not done. `waiting`: no process has begun it. */
export interface PendingMigration {
  name: string;
  state: "waiting" | "running" | "failed";
  done: number;
  total?: number;
  error?: string;
  remedy?: string;
}

const pollMs = 500;
const progressMs = 2_000;
const firstRetryMs = 1_000;
const longestRetryMs = 60_000;
/** A stop waits this long for a step that MongoDB has not finished. The lease of a run that goes on expires. */
const graceMs = 2_000;

const recordsOf = (db: Db): Collection<MigrationRecord> => db.collection("migrations");

/** The migrations that are not done, with what is recorded about them. Those of a later version are not looked at. */
export async function pendingMigrations(db: Db, list = migrations): Promise<PendingMigration[]> {
  const records = await recordsOf(db)
    .find({ _id: { $in: list.map((one) => one.name) } })
    .toArray();
  const pending = list.map(async (one) => {
    const record = records.find(({ _id }) => _id === one.name);
    return (await isPending(db, one, record)) ? [pendingOf(one, record)] : [];
  });
  return (await Promise.all(pending)).flat();
}

const isPending = async (db: Db, migration: Migration, record: MigrationRecord | null | undefined) =>
  (record && record.state !== "done") || (await migration.isNeeded(db));

function pendingOf({ name }: Migration, record?: MigrationRecord | null): PendingMigration {
  if (!record || record.state === "done") return { name, state: "waiting", done: 0 };
  const { state, done, total, error, remedy } = record;
  return {
    name,
    state,
    done,
    ...(total !== undefined && { total }),
    ...(state === "failed" && { ...(error && { error }), ...(remedy && { remedy }) }),
  };
}

/**
 * Runs what is pending, in its order, in one process at a time. The others wait and take over when the lease of a dead
 * process expires. `now`: MongoDB's clock.
 */
export function createMigrationRunner(db: Db, now: () => number, list: Migration[] = migrations) {
  const records = recordsOf(db);
  const leased = (leaseMs: number) => new Date(now() + leaseMs);
  const stopping = new AbortController();
  let pending: PendingMigration[] = [];
  let working: Promise<void> | undefined;

  async function work(options: MigrationOptions): Promise<void> {
    const { log } = options;
    const began = performance.now();
    const progress = setInterval(() => {
      const ms = Math.round(performance.now() - began);
      log.info({ migrations: pending, ms }, "not ready yet: migrations are under way");
    }, progressMs);
    let failures = 0;
    while (pending.length > 0 && !stopping.signal.aborted) {
      try {
        const [first] = pending as [PendingMigration];
        await advance(list.find((one) => one.name === first.name) as Migration, options);
        failures = 0;
      } catch (error) {
        failures++;
        log.warn({ err: error }, "could not read or record migrations; trying again");
        await pause(backoffMs(failures, pollMs, longestRetryMs), stopping.signal);
      }
    }
    clearInterval(progress);
    if (pending.length === 0) log.info({}, "all migrations are done");
  }

  /** Runs the first pending migration, or waits while another process runs it. */
  async function advance(migration: Migration, options: MigrationOptions): Promise<void> {
    const seen = await records.findOne({ _id: migration.name });
    if (!(await isPending(db, migration, seen))) {
      pending = pending.slice(1);
      return;
    }
    const held = await take(migration, seen, options.leaseMs);
    pending = [pendingOf(migration, held ?? seen), ...pending.slice(1)];
    if (held) await run(migration, held, options);
    else await pause(pollMs, stopping.signal);
  }

  /** Null when another process runs it, or it is too early for another try. */
  async function take(migration: Migration, seen: MigrationRecord | null, leaseMs: number) {
    const none = null as never;
    const isOver = { $not: { $gt: new Date(now()) } };
    const goesOn = seen?.state === "running" || seen?.state === "failed";
    return records
      .findOneAndUpdate(
        // Nobody has begun or ended a run since the record was read.
        {
          _id: migration.name,
          run: seen?.run ?? none,
          state: seen?.state ?? none,
          leasedUntil: isOver,
          retryAt: isOver,
        },
        {
          $set: {
            state: "running",
            run: (seen?.run ?? 0) + 1,
            leasedUntil: leased(leaseMs),
            ...(!goesOn && { at: new Date(now()), done: 0 }),
          },
          ...(!goesOn && { $unset: { cursor: 1, total: 1, ms: 1 } }),
        },
        { upsert: true, returnDocument: "after" },
      )
      .catch((error: { code?: unknown }) => {
        if (error.code === duplicateKey) return null;
        throw error;
      });
  }

  async function run(migration: Migration, held: MigrationRecord, options: MigrationOptions): Promise<void> {
    const { leaseMs, log } = options;
    const { name } = migration;
    const isLost = new AbortController();
    const signal = AbortSignal.any([stopping.signal, isLost.signal]);
    let { failures = 0 } = held;

    /** Changes the record, if this run still has the lease. */
    async function change(update: UpdateFilter<MigrationRecord>): Promise<void> {
      const ours = { _id: name, run: held.run, state: "running" as const };
      const { matchedCount } = await records.updateOne(ours, update);
      if (matchedCount === 0) isLost.abort();
    }
    const save: SaveMigration = async (cursor, counts) => {
      signal.throwIfAborted();
      const $set = { cursor, ...counts, leasedUntil: leased(leaseMs) };
      await change({ $set, $unset: { failures: 1 } });
      signal.throwIfAborted();
      failures = 0;
      pending = [{ name, state: "running", ...counts }, ...pending.slice(1)];
    };
    const renewal = setInterval(() => {
      const renewed = change({ $set: { leasedUntil: leased(leaseMs) } });
      renewed.catch((error) => log.warn({ err: error, migration: name }, "could not renew a lease"));
    }, leaseMs / 3);
    log.info({ migration: name, run: held.run }, "a migration begins");
    try {
      await migration.run(db, { cursor: held.cursor, save });
      const ms = now() - held.at.getTime();
      await change({ $set: { state: "done", ms }, $unset: ofRun });
    } catch (error) {
      if (signal.aborted) return await change({ $unset: { leasedUntil: 1 } });
      failures++;
      const retryAt = new Date(now() + backoffMs(failures, firstRetryMs, longestRetryMs));
      const why = explained(error);
      log.error({ err: error, migration: name, ...why }, "a migration failed; it is retried");
      await change({ $set: { state: "failed", ...why, failures, retryAt }, $unset: { leasedUntil: 1 } });
    } finally {
      clearInterval(renewal);
    }
  }

  return {
    /** Finds out what is pending. Without a `start`, nothing is changed. */
    async look(): Promise<void> {
      pending = await pendingMigrations(db, list);
    },
    /** Begins with what `look` has found, and resolves at once. */
    start(options: MigrationOptions): void {
      if (pending.length > 0) working = work(options);
    },
    pending: (): PendingMigration[] => pending,
    /** Another process can go on at once, unless MongoDB is busy with a step. */
    async stop(): Promise<void> {
      stopping.abort();
      if (working) await Promise.race([working, pause(graceMs)]);
    },
  };
}

export interface MigrationOptions {
  leaseMs: number;
  log: Record<"info" | "warn" | "error", (details: object, message: string) => void>;
}

/** The fields that a migration loses when it is done. */
const ofRun = { leasedUntil: 1, error: 1, remedy: 1, failures: 1, retryAt: 1 } as const;

/** For `/readyz`, which is public: without MongoDB's own words, which may contain documents. */
function explained(error: unknown): { error: string; remedy: string } {
  if (error instanceof MongoServerError && error.code === unauthorized)
    return {
      error: "MongoDB does not permit it",
      remedy: "Give the MongoDB user of DB_URI the role readWrite on Belfry's database.",
    };
  if (isPassing(error))
    return {
      error: `MongoDB did not answer (${(error as Error).name})`,
      remedy: "Belfry tries again by itself. Check that MongoDB has a primary.",
    };
  const { code, codeName, message } = error as { code?: unknown; codeName?: unknown; message: string };
  return {
    error: error instanceof MongoError ? `MongoDB refused it: ${codeName ?? error.name} (${code})` : message,
    remedy:
      "Belfry tries again by itself. If it fails again, let the former version run on, and read MongoDB's log.",
  };
}
