import { type Collection, type Db, ObjectId } from "mongodb";
import { pause } from "../lib/backoff.ts";
import { userHash } from "../model/user-id.ts";
import { newId, newIdAt } from "./ids.ts";

interface Hint {
  /** Its time is the database's. */
  _id: ObjectId;
  /** Which process wrote it. */
  from: string;
  /** Hashes of users whose inboxes may have changed. Null: anyone's. A hash, because nothing may keep an erased user's id. */
  users: number[] | null;
}

/** Bytes of hints to keep. An instance that falls further behind reads every listening user. */
export const hintBytes = 16 * 1024 * 1024;

export const hintsOf = (db: Db): Collection<Hint> => db.collection("hints");

const usersOfHint = 1_000;
/**
 * The pause after a hint, for each of its users. So at 100 changes a second hardly any of them waits, and at 1,000 the hints
 * are few and large. One for each of 200 commits a second made creates slower (decision 027).
 */
const pauseMsPerUser = 2;
const longestPauseMs = 12;
/** More than this are "anyone". MongoDB is too slow then, and a list of them would only take memory. */
const mostWaiting = 20_000;

/**
 * Tells the other instances whose inboxes may have changed. A hint may be lost: it costs latency, never a notification.
 *
 * `hints` is a capped collection, which any kind of deployment can follow. Through mongos a change stream reports a change
 * after up to 10 s, because it waits for idle shards; a hint takes milliseconds (decision 021).
 */
export function createHints(db: Db, serverNow: () => number, sleep: (ms: number) => Promise<void> = pause) {
  const from = newId();
  const waiting = new Set<number>();
  let isAnyone = false;
  let writing: Promise<void> | undefined;

  /** The first one begins at once. The next one takes what has come until the pause ends. */
  async function write(): Promise<void> {
    while (waiting.size > 0) {
      const users = [...waiting];
      const isTooMany = isAnyone;
      waiting.clear();
      isAnyone = false;
      const parts = Array.from({ length: Math.ceil(users.length / usersOfHint) }, (_, part) =>
        users.slice(part * usersOfHint, (part + 1) * usersOfHint),
      );
      await insert(isTooMany ? [null] : parts).catch(() => {});
      await sleep(Math.min(longestPauseMs, users.length * pauseMsPerUser));
    }
    writing = undefined;
  }

  async function insert(lists: Array<number[] | null>): Promise<void> {
    const hints = lists.map((users) => ({ _id: new ObjectId(newIdAt(serverNow())), from, users }));
    // As a plain command: a retryable write costs a session record, and creates 5 % of their rate (measured).
    await db.command({ insert: hintsOf(db).collectionName, documents: hints, writeConcern: { w: 1 } });
  }

  return {
    from,
    /** Returns at once. */
    tell(users: string[]): void {
      if (waiting.size + users.length > mostWaiting) isAnyone = true;
      else for (const user of users) waiting.add(userHash(user));
      if (waiting.size > 0) writing ??= write();
    },
    /** Resolves when everything told so far is written, or was lost. */
    written: (): Promise<void> => writing ?? Promise.resolve(),
  };
}
