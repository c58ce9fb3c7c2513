import { setTimeout as sleep } from "node:timers/promises";
import { MongoClient, ObjectId, type ResumeToken } from "mongodb";
import { backoffMs, pause } from "../lib/backoff.ts";
import { clientOptions, databaseName } from "./connect.ts";
import { isRefusal } from "./failures.ts";
import { wireUserId } from "./ids.ts";
import { usersOf } from "./inbox.ts";

export interface WatchOptions {
  uri: string;
  /** A user's document has changed. The id has its public form. */
  onChange: (user: string) => void;
  /** Changes may have been missed, so connected users must be read again. */
  onLost: () => void;
  /** From 0 up to 1. */
  random: () => number;
  log: { info(details: object, message: string): void; warn(details: object, message: string): void };
}

export interface UserWatch {
  /** Whether the change stream is open. */
  readonly open: boolean;
  /** Takes a second at most. */
  close(): Promise<void>;
}

const maxPauseMs = 2_000;
const closeMs = 1_000;

/**
 * Follows all changes of users' documents, until `close`. One change stream for the process, on a client of its own: it
 * occupies its connection. What it says is a hint, so only the id is asked for.
 *
 * A stream that breaks is opened again after the last change seen. The driver could do that by itself, but without a
 * pause: where every answer was an error it took half a core. `onLost` is called once the stream is open without a place to
 * go on from: at the start, when the history is no longer kept, and after the collection was dropped. While MongoDB answers
 * but refuses the stream, for want of a privilege say, `onLost` comes every 1 to 2 s instead.
 */
export function watchUsers({ uri, onChange, onLost, random, log }: WatchOptions): UserWatch {
  const client = new MongoClient(uri, { ...clientOptions, maxPoolSize: 2 });
  const users = usersOf(client.db(databaseName(uri)));
  const stop = new AbortController();
  let place: ResumeToken;
  let open = false;
  let failures = 0;

  async function follow(): Promise<void> {
    const stream = users.watch([{ $project: { "documentKey._id": 1 } }], {
      batchSize: 1_000,
      ...(place !== undefined && { resumeAfter: place }),
    });
    // Comes with each answer that brings no change; by then what earlier ones brought has been told.
    stream.on("resumeTokenChanged", (token) => {
      if (open) healthy();
      else if (place === undefined) onLost();
      open = true;
      place = token;
    });
    for await (const event of stream.stream()) {
      // Of the collection: dropped, or renamed.
      if (!("documentKey" in event)) {
        place = undefined;
        return;
      }
      // The first answer may bring changes already: that it opened is told by nothing else.
      if (!open && place === undefined) onLost();
      open = true;
      healthy();
      const { _id: user } = event.documentKey;
      // The collection is the product team's own: what is no user of ours has no inbox.
      if (typeof user === "string" || user instanceof ObjectId) onChange(wireUserId(user));
      place = event._id;
    }
  }

  function healthy(): void {
    if (failures === 0) return;
    failures = 0;
    log.info({}, "the change stream is open again");
  }

  async function followOn(): Promise<void> {
    while (!stop.signal.aborted) {
      const error = await follow().then(
        () => new Error("the change stream ended"),
        (thrown: unknown) => thrown,
      );
      open = false;
      if (stop.signal.aborted) return;
      if (failures === 0)
        log.warn(
          { err: error },
          "the change stream cannot be followed: changes of other instances arrive late until it opens again",
        );
      const refused = isRefusal(error);
      if (refused) place = undefined;
      await pause(backoffMs(++failures, 50, maxPauseMs, random), stop.signal);
      if (refused) onLost();
    }
  }

  const ended = followOn();
  return {
    get open() {
      return open;
    },
    async close() {
      stop.abort();
      // A server that does not answer would hold the driver up for a minute.
      await Promise.race([Promise.all([client.close(), ended]), sleep(closeMs, undefined, { ref: false })]);
    },
  };
}

const pollMs = 2_000;

/** For a server without change streams: anything may have changed, again and again. */
export function pollUsers({ onLost }: Pick<WatchOptions, "onLost">): UserWatch {
  const polling = setInterval(onLost, pollMs);
  return { open: false, close: async () => clearInterval(polling) };
}
