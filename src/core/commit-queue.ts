import { type Batcher, createBatcher } from "../lib/batcher.ts";
import { BelfryError } from "../model/errors.ts";
import { Contended, type PlannedNotification } from "../model/notification.ts";

/**
 * A notification that waits for the next commit waits no longer than this many bytes take (decision 007). 300
 * ordinary notifications have a tenth of it; a single one may have 250 KB.
 */
const maxBytes = 2 * 1024 * 1024;

/**
 * A broadcast's own batches. Larger ones cost no less processor time for a user (measured: about 200 µs of Node.js and mongod
 * together, at 250 and at 1,000), but lock their users for longer, and single sends to one of them wait.
 */
const bulkItems = 100;
const bulkInFlight = 2;

/** The driver gives up a silent socket to MongoDB only after 30 s, and another batch may be ahead. */
const defaultAnswerMs = 18_000;

type Commits = Batcher<PlannedNotification, undefined>;

/**
 * Gathers notifications into batches. Two batches are in flight, so that MongoDB works on one while it waits for the
 * journal write of the other. A user's notifications always use the same one of the two batchers. So they stay in
 * order, and two transactions of this process never touch the same user. A user whom another transaction locks takes
 * the slow path: a batcher for that user alone, until it is drained (decision 013).
 *
 * Broadcasts have a batcher of their own, so that nobody else waits behind one of their batches. Two transactions may meet
 * at a user then, and the one that loses takes the slow path, too.
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
    maxItems: bulkItems,
    inFlight: bulkInFlight,
    run: commitBatch,
  });
  /** By locked user. */
  const slowPath = new Map<string, { batcher: Commits; open: number }>();
  let slow = 0;
  /** Their callers got an error, so they are not stored unless the commit is already under way. */
  const givenUp = new Set<PlannedNotification>();

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
     * wait as one group. `isBulk`: it belongs to a broadcast. Rejects with the notification's own error, or with `database_unavailable` when there is no
     * answer in time.
     */
    submit(planned: PlannedNotification, request?: object, isBulk = false): Promise<undefined> {
      const batcher = isBulk ? bulk : (batchers[batcherOf(planned.user)] as Commits);
      return new Promise((resolve, reject) => {
        const late = setTimeout(() => {
          givenUp.add(planned);
          reject(new BelfryError("database_unavailable"));
        }, answerMs);
        const end = () => {
          clearTimeout(late);
          givenUp.delete(planned);
        };
        batcher.submit(planned, request).finally(end).then(resolve, reject);
      });
    },
    /** Notifications that wait for a commit, and all those on the slow path. Broadcasts wait apart. */
    get waiting() {
      return batchers.reduce((sum, batcher) => sum + batcher.waiting, slow);
    },
    async drained() {
      await Promise.all([...batchers, bulk].map((batcher) => batcher.drained()));
      await Promise.all(Array.from(slowPath.values(), ({ batcher }) => batcher.drained()));
    },
  };
}

/** An ObjectId's last digits count up, and other ids also differ most at their end. */
const batcherOf = (user: string): number => user.charCodeAt(user.length - 1) & 1;
