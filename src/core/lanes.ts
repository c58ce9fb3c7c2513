import { type Batcher, createBatcher } from "../lib/batcher.ts";
import { BelfryError } from "../model/errors.ts";
import { type PlannedNotification, Unsettled } from "../model/notification.ts";

export interface Lanes {
  /**
   * Resolves once it is stored. `request`: what it came with, all of which waits as one. Rejects with its own error, or
   * `database_unavailable` when there is no answer in time.
   */
  submit(planned: PlannedNotification, request?: object): Promise<undefined>;
  /** Notifications that are waiting for a commit, and all that are on a detour. */
  readonly waiting: number;
  drained(): Promise<void>;
}

/**
 * In one commit: whoever waits for the next one waits no longer than these take (decision 007). 300 notifications of an
 * ordinary kind have a tenth of it; one alone may have 250 KB.
 */
const maxBytes = 2 * 1024 * 1024;

/** A socket to MongoDB that stays silent is given up after 30 s only, and there may be a batch in front. */
const defaultAnswerMs = 18_000;

/**
 * Gathers notifications into batches. Two of them are in flight, so that MongoDB works on one while it waits for the
 * other's journal. A user's notifications all take the same lane: they stay in order, and two transactions of this process
 * never touch the same user. What somebody's open transaction locks takes a detour (decision 005).
 *
 * `commit`: one entry each, in order; `Unsettled` is asked for again alone, and `patient`.
 */
export function createLanes(options: {
  commit: (batch: PlannedNotification[], patient: boolean) => Promise<Array<undefined | Error>>;
  maxItems: number;
  answerMs?: number | undefined;
}): Lanes {
  const { commit, maxItems, answerMs = defaultAnswerMs } = options;
  const limits = {
    maxItems,
    maxBytes,
    bytesOf: ({ bytes = 0 }: PlannedNotification) => bytes,
  };
  const lanes: Array<Batcher<PlannedNotification, undefined>> = Array.from({ length: 2 }, () =>
    createBatcher({ ...limits, run: commitLane }),
  );
  /** Of users whom somebody's open transaction has locked; each is there until it is drained. */
  const detours = new Map<string, { batcher: Batcher<PlannedNotification, undefined>; open: number }>();
  let detoured = 0;
  /** Their callers have been told that they are not stored: what is not under way yet had better not be. */
  const givenUp = new Set<PlannedNotification>();

  /** Who is on a detour stays on it, and so does what comes for them meanwhile: all of it passes here, in order. */
  async function commitLane(batch: PlannedNotification[]) {
    const free = detours.size === 0 ? batch : batch.filter((one) => !detours.has(one.user));
    const results = free.length === 0 ? [] : await commitWanted(free, false);
    if (free.length === batch.length && !results.some((one) => one instanceof Unsettled)) return results;
    const settled = new Map(free.map((one, at) => [one, results[at]]));
    return batch.map((one) => {
      const result = settled.has(one) ? settled.get(one) : new Unsettled();
      return result instanceof Unsettled ? commitOnDetour(one) : result;
    });
  }

  function commitOnDetour(planned: PlannedNotification): Promise<undefined> {
    const { user } = planned;
    const run = (batch: PlannedNotification[]) => commitWanted(batch, true);
    const detour = detours.get(user) ?? {
      batcher: createBatcher({ ...limits, run }),
      open: 0,
    };
    detours.set(user, detour);
    detour.open++;
    detoured++;
    return detour.batcher.submit(planned).finally(() => {
      detoured--;
      if (--detour.open === 0) detours.delete(user);
    });
  }

  async function commitWanted(batch: PlannedNotification[], patient: boolean) {
    if (givenUp.size === 0) return commit(batch, patient);
    const wanted = batch.filter((one) => !givenUp.has(one));
    const results = wanted.length === 0 ? [] : await commit(wanted, patient);
    const settled = new Map(wanted.map((one, at) => [one, results[at]]));
    return batch.map((one) =>
      settled.has(one) ? settled.get(one) : new BelfryError("database_unavailable"),
    );
  }

  return {
    submit(planned, request) {
      const lane = lanes[laneOf(planned.user)] as (typeof lanes)[number];
      return new Promise((resolve, reject) => {
        const late = setTimeout(() => {
          givenUp.add(planned);
          reject(new BelfryError("database_unavailable"));
        }, answerMs);
        const end = () => {
          clearTimeout(late);
          givenUp.delete(planned);
        };
        lane.submit(planned, request).finally(end).then(resolve, reject);
      });
    },
    get waiting() {
      return lanes.reduce((sum, lane) => sum + lane.waiting, detoured);
    },
    async drained() {
      await Promise.all(lanes.map((lane) => lane.drained()));
      await Promise.all(Array.from(detours.values(), ({ batcher }) => batcher.drained()));
    },
  };
}

/** An ObjectId's last digits count up, other ids end in what tells them apart. */
const laneOf = (user: string): number => user.charCodeAt(user.length - 1) & 1;
