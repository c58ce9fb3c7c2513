import { setTimeout as pause } from "node:timers/promises";
import { type ClientSession, type Db, MongoServerError, MongoWriteConcernError } from "mongodb";
import { BelfryError } from "../model/errors.ts";
import { confirm } from "./append.ts";
import { patienceMs } from "./commit.ts";
import { maxTimeExpired } from "./failures.ts";
import { createTransactions, createTurns, isConflict, type Turns } from "./transactions.ts";

/** Makes a write with these options of the driver's. What is made of its answer must be in MongoDB's own reply. */
type Attempt<Reply> = (options: { maxTimeMS?: number } | { session: ClientSession }) => Promise<Reply>;

/**
 * Writes one user's document. `attempt` is asked again only when the last time changed nothing. `creates`: it may make
 * the document.
 *
 * Rejects with what MongoDB says, with `overloaded`, or with `database_unavailable` when somebody held the document until
 * nobody waits any more: then nothing was changed.
 */
export type UserWrites = <Reply>(user: string, attempt: Attempt<Reply>, creates?: boolean) => Promise<Reply>;

/** A pool has 20 connections: these, two for users who are held, and the rest for everything else. */
const atATime = 12;
/** A document that is held for longer is not waited for inside MongoDB: many times what a write takes on a busy server. */
const soonMs = 500;
/** When several are held, others may be as well, and one after the other would take all that time to be found out. */
const several = 4;
const atOnceMs = 50;
/** So many wait for one user, and in all. */
const mostOfOne = 100;
const most = 10_000;

/**
 * One for each pool of connections.
 *
 * A write outside of a transaction waits inside MongoDB for whoever holds the document in one, each with a connection: 25
 * for one user took the whole pool, and a commit for another one waited for 4.9 s. So a user's writes are made one by
 * one, and what has been held up for `soonMs` goes on in transactions, which are told of a conflict at once and have no
 * connection in between (decision 009).
 */
export function createUserWrites(db: Db, transactions: boolean): UserWrites {
  const inTransaction = createTransactions({ client: db.client, now: Date.now });
  const quick = createTurns(atATime);
  const patient = slowly(createTurns(2));
  /** Each is there until nothing of the user's is under way. */
  const queues = new Map<string, { turns: Turns; open: number }>();
  /** The users whom somebody else holds, as far as is known. */
  const held = new Set<string>();
  let open = 0;

  return async function write(user, attempt, creates = false) {
    if (open >= most) throw new BelfryError("overloaded");
    const deadline = Date.now() + patienceMs;
    const queue = queues.get(user) ?? { turns: createTurns(1, mostOfOne), open: 0 };
    queues.set(user, queue);
    queue.open++;
    open++;
    try {
      return await inTime(queue.turns, deadline, () => inTurn(user, attempt, creates, deadline));
    } finally {
      open--;
      if (--queue.open === 0) {
        queues.delete(user);
        held.delete(user);
      }
    }
  };

  async function inTurn<Reply>(
    user: string,
    attempt: Attempt<Reply>,
    creates: boolean,
    deadline: number,
  ): Promise<Reply> {
    // On a standalone server nobody can hold a document.
    if (!transactions) return inTime(quick, deadline, () => attempt({}));
    // MongoDB does not interrupt an upsert that meets another's (decision 005).
    const made = creates ? undefined : await inTime(quick, deadline, () => soon(user, attempt, deadline));
    if (made) return made.reply;
    // The first time at once: MongoDB may only have been slow.
    let rounds = 0;
    const turns: Turns = (round) => inTime(rounds++ === 0 ? quick : patient, deadline, round);
    const replies: Reply[] = [];
    try {
      const work = async (session: ClientSession) => void replies.push(await attempt({ session }));
      await inTransaction(work, { conflicts: deadline, deadline, turns });
    } catch (error) {
      throw isConflict(error) ? tooLate(error) : error;
    }
    held.delete(user);
    return replies.at(-1) as Reply;
  }

  /** Nothing when the user is held. */
  async function soon<Reply>(
    user: string,
    attempt: Attempt<Reply>,
    deadline: number,
  ): Promise<{ reply: Reply } | undefined> {
    if (held.has(user)) return undefined;
    try {
      return { reply: await attempt({ maxTimeMS: held.size < several ? soonMs : atOnceMs }) };
    } catch (error) {
      if (!isConflict(error) && !isTimeUp(error)) throw error;
      if (error instanceof MongoWriteConcernError) {
        // It is applied: the time was up while it waited for the majority.
        await confirm(db, deadline - Date.now());
        return { reply: error.result as Reply };
      }
      held.add(user);
      return undefined;
    }
  }
}

const isTimeUp = (error: unknown): boolean =>
  error instanceof MongoServerError && error.code === maxTimeExpired;

/** Who was in vain keeps the turn for a while, or some hundreds who are held would keep a processor busy with asking. */
function slowly(turns: Turns): Turns {
  return (round) =>
    turns(() =>
      round().catch(async (error) => {
        if (isConflict(error)) await pause(20);
        throw error;
      }),
    );
}

/** What has not had its turn by then is never begun. */
function inTime<Result>(turns: Turns, deadline: number, round: () => Promise<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    let state: "waits" | "begun" | "late" = "waits";
    let timer: NodeJS.Timeout | undefined;
    turns(() => {
      if (state === "late") return Promise.reject(tooLate());
      state = "begun";
      clearTimeout(timer);
      return round();
    })
      .then(resolve, reject)
      .finally(() => clearTimeout(timer));
    // As a rule it begins at once.
    if (state !== "waits") return;
    timer = setTimeout(() => {
      state = "late";
      reject(tooLate());
    }, deadline - Date.now());
  });
}

function tooLate(cause?: unknown): BelfryError {
  const says =
    "Another program's transaction locks the user's document, or MongoDB is slow. Nothing was changed. Try again.";
  return new BelfryError("database_unavailable", says, [], cause);
}
