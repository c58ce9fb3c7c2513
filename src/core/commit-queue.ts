import { type Batcher, createBatcher } from "../lib/batcher.ts";
import { BelfryError } from "../model/errors.ts";
import { Contended, type PlannedNotification } from "../model/notification.ts";

/**
 * A notification that waits for the next commit waits no longer than this many bytes take (decision 007). 300
 * ordinary notifications have a tenth of it; a single one may have 250 KB.
 */
const maxBytes = 2 * 1024 * 1024;

/**
 * A broadcast's own batches while nobody else sends, and its pages. Batches of 100 take a quarter more processor time for
 * a user (measured).
 */
const alone = { maxItems: 500, inFlight: 3, page: 1_000 };
/**
 * While others send: they find few users locked, a processor free, and an event loop that is not late. With pages of
 * 1,000 it was late by more than 6 ms for 9 % of the time, with 200 for 3 % (measured).
 */
const beside = { maxItems: 25, inFlight: 1, page: 200 };
/** This long after the last send, a broadcast goes on as before. */
const besideMs = 1_000;
/** A broadcast's batch waits this long for sends that are being stored. They take 10 ms. */
const turnMs = 25;

/** The driver gives up a silent socket to MongoDB only after 30 s, and another batch may be ahead. */
const defaultAnswerMs = 18_000;

type Commits = Batcher<PlannedNotification, undefined>;

/**
 * Gathers notifications into batches. Two batches are in flight, so that MongoDB works on one while it waits for the
 * journal write of the other. A user's notifications always use the same one of the two batchers. So they stay in
 * order, and two transactions of this process never touch the same user. A user whom another transaction locks takes
 * the slow path: a batcher for that user alone, until it is drained (decision 013).
 *
 * Broadcasts have a batcher of their own, so that nobody else waits behind one of their batches, and that batcher slows
 * down while others send. Two transactions may meet at a user then, and the one that loses takes the slow path, too.
 *
 * `commit`: returns one entry each, in order. `Contended` ones are committed again apart from others, with
 * `waitForLock`.
 */
export function createCommitQueue(options: {
  commit: (batch: PlannedNotification[], waitForLock: boolean) => Promise<Array<undefined | Error>>;
  maxItems: number;
  answerMs?: number | undefined;
}) {
  const { commit, maxItems, answerMs = defaultAnswerMs } = options;
  const limits = { maxItems, maxBytes, bytesOf: ({ bytes = 0 }: PlannedNotification) => bytes };
  const batchers: Commits[] = Array.from({ length: 2 }, () => createBatcher({ ...limits, run: commitBatch }));
  const bulk: Commits = createBatcher({
    ...limits,
    maxItems: () => pace().maxItems,
    inFlight: () => pace().inFlight,
    async run(batch) {
      await turn();
      return commitBatch(batch);
    },
  });
  /** By locked user. */
  const slowPath = new Map<string, { batcher: Commits; open: number }>();
  let slow = 0;
  /** Their callers got an error, so they are not stored unless the commit is already under way. */
  const givenUp = new Set<PlannedNotification>();
  /** Notifications that are not a broadcast's and not yet stored, and when the last one was (`performance.now()`). */
  let single = 0;
  let singleAt = Number.NEGATIVE_INFINITY;
  /** Batches of broadcasts that let them go first. */
  const turns = new Set<() => void>();

  const pace = () => (single > 0 || performance.now() - singleAt < besideMs ? beside : alone);

  function turn(): Promise<void> {
    return new Promise((resolve) => {
      if (single === 0) return resolve();
      const go = () => {
        turns.delete(go);
        resolve();
      };
      turns.add(go);
      setTimeout(go, turnMs);
    });
  }

  /** A notification for a locked user joins the slow path here, behind the user's earlier ones. */
  async function commitBatch(batch: PlannedNotification[]) {
    const free = slowPath.size === 0 ? batch : batch.filter((one) => !slowPath.has(one.user));
    const results = free.length === 0 ? [] : await commitWanted(free, false);
    if (free.length === batch.length && !results.some((one) => one instanceof Contended)) return results;
    const settled = new Map(free.map((one, at) => [one, results[at]]));
    return batch.map((one) => {
      const result = settled.has(one) ? settled.get(one) : new Contended();
      return result instanceof Contended ? commitSlowly(one) : result;
    });
  }

  function commitSlowly(planned: PlannedNotification): Promise<undefined> {
    const { user } = planned;
    const run = (batch: PlannedNotification[]) => commitWanted(batch, true);
    const own = slowPath.get(user) ?? { batcher: createBatcher({ ...limits, run }), open: 0 };
    slowPath.set(user, own);
    own.open++;
    slow++;
    return own.batcher.submit(planned).finally(() => {
      slow--;
      if (--own.open === 0) slowPath.delete(user);
    });
  }

  async function commitWanted(batch: PlannedNotification[], waitForLock: boolean) {
    if (givenUp.size === 0) return commit(batch, waitForLock);
    const wanted = batch.filter((one) => !givenUp.has(one));
    const results = wanted.length === 0 ? [] : await commit(wanted, waitForLock);
    const settled = new Map(wanted.map((one, at) => [one, results[at]]));
    return batch.map((one) =>
      settled.has(one) ? settled.get(one) : new BelfryError("database_unavailable"),
    );
  }

  return {
    /**
     * Resolves once the notification is stored. `request`: the request that it came with; a request's notifications
     * wait as one group. Rejects with the notification's own error, or with `database_unavailable` when there is no
     * answer in time. `isBulk`: it belongs to a broadcast, which waits as long as it takes.
     */
    submit(planned: PlannedNotification, request?: object, isBulk = false): Promise<undefined> {
      if (isBulk) return bulk.submit(planned, request);
      const batcher = batchers[batcherOf(planned.user)] as Commits;
      single++;
      return new Promise((resolve, reject) => {
        const late = setTimeout(() => {
          givenUp.add(planned);
          reject(new BelfryError("database_unavailable"));
        }, answerMs);
        const end = () => {
          clearTimeout(late);
          givenUp.delete(planned);
          singleAt = performance.now();
          if (--single === 0) for (const go of turns) go();
        };
        batcher.submit(planned, request).finally(end).then(resolve, reject);
      });
    },
    /** Notifications that wait for a commit, and all those on the slow path. Broadcasts wait apart. */
    get waiting() {
      return batchers.reduce((sum, batcher) => sum + batcher.waiting, slow);
    },
    /** Users that a broadcast should submit at once. */
    get bulkPage() {
      return pace().page;
    },
    async drained() {
      await Promise.all([...batchers, bulk].map((batcher) => batcher.drained()));
      await Promise.all(Array.from(slowPath.values(), ({ batcher }) => batcher.drained()));
    },
  };
}

/** An ObjectId's last digits count up, and other ids also differ most at their end. */
const batcherOf = (user: string): number => user.charCodeAt(user.length - 1) & 1;
