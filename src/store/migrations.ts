import type { Db } from "mongodb";

/**
 * A change of what is stored. Processes of the former version run beside it, so that version must be able to read what
 * it has changed, and this one what it has not changed yet. Anything else takes two releases.
 */
export interface Migration {
  /** The id of its record, so it never changes. */
  name: string;
  /** Asked at every start, so it must be cheap. A former version that was started again may have undone the change. */
  isNeeded(db: Db): Promise<boolean>;
  /** Begins at the cursor of the last `save`. It may run again from there after a crash, and ends when `save` rejects. */
  run(db: Db, from: { cursor: unknown; save: SaveMigration }): Promise<unknown>;
}

/** A checkpoint. Rejects when the process stops, or has lost the lease. `total`: as far as it is known. */
export type SaveMigration = (cursor: unknown, counts: { done: number; total?: number }) => Promise<void>;

const namespaceNotFound = 26;
const indexNotFound = 27;

/** All migrations, in their order. The service runs them at its start; `belfry doctor` lists those that are pending. */
export const migrations: Migration[] = [
  // `claim` has replaced it.
  dropIndex("deliveries", "due"),
  // Preferences are read within the append.
  dropIndex("users", "preferences"),
];

/** An index that nothing uses any more only costs writes. */
function dropIndex(collection: string, index: string): Migration {
  return {
    name: `drop index ${index} of ${collection}`,
    // Even for an index that is not there, MongoDB would wait for every open transaction, and others behind it.
    isNeeded: (db) => db.collection(collection).indexExists(index).catch(falseIf(namespaceNotFound)),
    run: (db) => db.collection(collection).dropIndex(index).catch(falseIf(indexNotFound)),
  };
}

const falseIf = (expected: number) => (error: { code?: unknown }) => {
  if (error.code !== expected) throw error;
  return false;
};
