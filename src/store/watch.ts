import { setTimeout as sleep } from "node:timers/promises";
import { MongoClient, ObjectId } from "mongodb";
import { backoffMs, pause } from "../lib/backoff.ts";
import { clientOptions, databaseName } from "./connect.ts";
import { hintsOf } from "./hints.ts";
import { newIdAt } from "./ids.ts";

export interface WatchOptions {
  uri: string;
  /** The inboxes of users with these hashes may have changed (`userHash`). */
  onChange: (hashes: number[]) => void;
  /** Hints may have been missed, so connected users must resync. */
  onLost: () => void;
  /** From 0 up to 1. */
  random: () => number;
  log: { info(details: object, message: string): void; warn(details: object, message: string): void };
}

export interface UserWatch {
  /** Whether hints are followed. */
  readonly open: boolean;
  /** Takes at most a second. */
  close(): Promise<void>;
}

const maxPauseMs = 2_000;
const closeMs = 1_000;
/** MongoDB answers a cursor that waits at the latest after this. Far below the time that a socket may be silent. */
const waitMs = 5_000;
/** Hints that are older when the cursor opens are not read. Instances know the database's time to a second. */
const overlapMs = 30_000;

/**
 * Follows the hints of other instances until `close`, on a client of its own because the cursor occupies a connection.
 * After a failure it opens a new cursor, with growing pauses. `onLost` is called each time a cursor opens.
 */
export function watchUsers(
  { uri, onChange, onLost, random, log }: WatchOptions,
  { from, serverNow }: { from: string; serverNow: () => number },
): UserWatch {
  const client = new MongoClient(uri, { ...clientOptions, maxPoolSize: 2 });
  const hints = hintsOf(client.db(databaseName(uri)));
  const stop = new AbortController();
  let open = false;
  let failures = 0;
  const idAt = (ms: number) => new ObjectId(newIdAt(ms));

  async function follow(): Promise<void> {
    // In an empty collection a tailable cursor ends at once, and without a hint the first answer takes `waitMs`.
    const ours = { _id: idAt(serverNow()), from: "a cursor that opens", users: [] };
    await hints.insertOne(ours, { writeConcern: { w: 1 } });
    const cursor = hints.find(
      { _id: { $gt: idAt(serverNow() - overlapMs) }, from: { $ne: from } },
      { tailable: true, awaitData: true, maxAwaitTimeMS: waitMs, batchSize: 1_000 },
    );
    try {
      while (!stop.signal.aborted) {
        const isAsked = cursor.bufferedCount() === 0;
        const hint = await cursor.tryNext();
        if (!open) onLost();
        // A cursor that opens may still fail whenever it is asked for more.
        else if (isAsked) healthy();
        open = true;
        if (hint?.users) onChange(hint.users);
        else if (hint) onLost();
        else if (cursor.id?.isZero()) throw new Error("MongoDB ended the cursor");
      }
    } finally {
      await cursor.close();
    }
  }

  function healthy(): void {
    if (failures > 0) log.info({}, "changes of other instances are followed again");
    failures = 0;
  }

  async function followOn(): Promise<void> {
    while (!stop.signal.aborted) {
      const error = await follow().catch((thrown: unknown) => thrown);
      open = false;
      if (stop.signal.aborted) return;
      if (failures === 0)
        log.warn(
          { err: error },
          "changes of other instances cannot be followed: they arrive late until they can be again",
        );
      await pause(backoffMs(++failures, 50, maxPauseMs, random), stop.signal);
    }
  }

  const ended = followOn();
  return {
    get open() {
      return open;
    },
    async close() {
      stop.abort();
      // A server that does not answer would block the driver for a minute.
      await Promise.race([Promise.all([client.close(), ended]), sleep(closeMs, undefined, { ref: false })]);
    },
  };
}
