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
  /** Changes may have been missed, so connected users must resync. */
  onLost: () => void;
  /** From 0 up to 1. */
  random: () => number;
  log: { info(details: object, message: string): void; warn(details: object, message: string): void };
}

export interface UserWatch {
  /** Whether the change stream is open. */
  readonly open: boolean;
  /** Takes at most a second. */
  close(): Promise<void>;
}

const maxPauseMs = 2_000;
const closeMs = 1_000;

/**
 * Follows all changes of users' documents until `close`. The process has one change stream, on its own client because
 * it occupies a connection. A change is only a hint, so only the id is read.
 *
 * A broken stream is reopened after the last change seen. The driver could do that itself, but without a pause: when
 * every answer was an error it used half a core. `onLost` is called when the stream opens without a resume token: at
 * the start, when the history is no longer kept, and after the collection was dropped. While MongoDB answers but
 * refuses the stream, for example because a privilege is missing, `onLost` is called every 1 to 2 s instead.
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
    // Emitted for each answer without a change. By then the changes of earlier answers have been reported.
    stream.on("resumeTokenChanged", (token) => {
      if (open) healthy();
      else if (place === undefined) onLost();
      open = true;
      place = token;
    });
    for await (const event of stream.stream()) {
      // The collection was dropped or renamed.
      if (!("documentKey" in event)) {
        place = undefined;
        return;
      }
      // The first answer may already bring changes. Then no other event reports that the stream opened.
      if (!open && place === undefined) onLost();
      open = true;
      healthy();
      const { _id: user } = event.documentKey;
      // The collection is the product team's own: documents with other ids are not our users and have no inbox.
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
      // A server that does not answer would block the driver for a minute.
      await Promise.race([Promise.all([client.close(), ended]), sleep(closeMs, undefined, { ref: false })]);
    },
  };
}

const pollMs = 2_000;

/** For a server without change streams: calls `onLost` every 2 s, since anything may have changed. */
export function pollUsers({ onLost }: Pick<WatchOptions, "onLost">): UserWatch {
  const polling = setInterval(onLost, pollMs);
  return { open: false, close: async () => clearInterval(polling) };
}
