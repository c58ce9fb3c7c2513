import { type ClientSession, type Db, MongoServerError, MongoWriteConcernError } from "mongodb";
import { createSemaphore, type Semaphore } from "../lib/semaphore.ts";
import { BelfryError } from "../model/errors.ts";
import { confirm } from "./append.ts";
import { patienceMs } from "./commit.ts";
import { maxTimeExpired } from "./failures.ts";
import { createTransactions, isConflict } from "./transactions.ts";

/**
 * Writes with the given driver options. The result must come from MongoDB's own reply. A repeated call may find the
 * change applied: MongoDB can run out of time after it has applied a change, while it prepares the answer.
 */
type Attempt<Reply> = (options: { maxTimeMS?: number } | { session: ClientSession }) => Promise<Reply>;

/**
 * Writes one user's document. `attempt` is called again after a conflict or when its time ran out. `creates`: the
 * write may create the document.
 *
 * Rejects with MongoDB's error, with `overloaded`, or with `database_unavailable` when another transaction locked the
 * document for too long. In that case nothing was changed.
 */
export type UserWrites = <Reply>(user: string, attempt: Attempt<Reply>, creates?: boolean) => Promise<Reply>;

/**
 * The pool has 20 connections. Direct writes use up to 8, writes to locked users 2, and commits for locked users 8.
 * The rest serves everything else.
 */
const directAtOnce = 8;
const lockedAtOnce = 2;
/** How long a write may wait inside MongoDB, where it occupies a connection: many times what a write takes. */
const directMs = 500;
/** The limit when several users are locked: one transaction may lock hundreds. */
const severalMs = 50;
const several = 4;
/** How many writes may wait for one locked user. */
const mostWaiting = 100;

/**
 * Create one for each connection pool.
 *
 * A write outside a transaction waits inside MongoDB for a transaction that locks the document, and occupies a
 * connection. So it gets only `directMs`. After that, the user's writes run one by one in transactions, which fail at
 * once on a conflict and use no connection between tries (decision 013).
 */
export function createUserWrites(
  db: Db,
  transactions: boolean,
  onAbandoned?: (ended: number) => void,
): UserWrites {
  const inTransaction = createTransactions({ client: db.client, now: Date.now, onAbandoned });
  const direct = createSemaphore(directAtOnce);
  const places = createSemaphore(lockedAtOnce);
  /** Users locked by another transaction, as long as any of their writes waits. */
  const locked = new Map<string, { queue: Semaphore; waiting: number }>();

  const entryOf = (user: string) => {
    const entry = locked.get(user) ?? { queue: createSemaphore(1), waiting: 0 };
    locked.set(user, entry);
    return entry;
  };

  return async function write(user, attempt, creates = false) {
    // On a standalone server nothing can lock a document.
    if (!transactions) return attempt({});
    const deadline = Date.now() + patienceMs;
    const late = AbortSignal.timeout(patienceMs);
    // MongoDB does not interrupt an upsert that waits for another transaction's insert (decision 005).
    try {
      const made = creates ? undefined : await direct.run(() => writeDirectly(user, attempt, deadline), late);
      return made ? made.reply : await writeLocked(user, attempt, deadline, late);
    } catch (error) {
      throw isConflict(error) || error === late.reason ? tooLate(error) : error;
    }
  };

  /** Returns undefined when the user is locked. */
  async function writeDirectly<Reply>(
    user: string,
    attempt: Attempt<Reply>,
    deadline: number,
  ): Promise<{ reply: Reply } | undefined> {
    if (locked.has(user)) return undefined;
    try {
      return { reply: await attempt({ maxTimeMS: locked.size < several ? directMs : severalMs }) };
    } catch (error) {
      if (!isConflict(error) && !isTimeUp(error)) throw error;
      if (error instanceof MongoWriteConcernError) {
        // The write was applied; its time ran out while it waited for the majority.
        await confirm(db, deadline - Date.now());
        return { reply: error.result as Reply };
      }
      // Mark the user as locked at once, so that the next write does not wait inside MongoDB as well.
      entryOf(user);
      return undefined;
    }
  }

  async function writeLocked<Reply>(
    user: string,
    attempt: Attempt<Reply>,
    deadline: number,
    late: AbortSignal,
  ): Promise<Reply> {
    const entry = entryOf(user);
    if (entry.waiting >= mostWaiting) throw new BelfryError("overloaded");
    entry.waiting++;
    let reply: Reply | undefined;
    const work = async (session: ClientSession) => {
      reply = await attempt({ session });
    };
    try {
      await entry.queue.run(() => inTransaction(work, { conflicts: deadline, deadline, places }), late);
      return reply as Reply;
    } finally {
      if (--entry.waiting === 0) locked.delete(user);
    }
  }
}

const isTimeUp = (error: unknown): boolean =>
  error instanceof MongoServerError && error.code === maxTimeExpired;

function tooLate(cause: unknown): BelfryError {
  const detail =
    "Another program's transaction locks the user's document, or MongoDB is slow. Nothing was changed. Try again.";
  return new BelfryError("database_unavailable", detail, [], cause);
}
