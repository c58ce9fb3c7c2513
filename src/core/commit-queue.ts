import { type Batcher, createBatcher } from "../lib/batcher.ts";
import { BelfryError } from "../model/errors.ts";
import { Contended, type PlannedNotification } from "../model/notification.ts";

/**
 * The others that wait for the next commit wait no longer than these bytes take (decision 007). 300 ordinary
 * notifications have a tenth of it; a single one may have 250 KB.
 */
const maxBytes = 2 * 1024 * 1024;

/** A silent socket to MongoDB is given up after 30 s only, and there may be a batch in front. */
const defaultAnswerMs = 18_000;

type Commits = Batcher<PlannedNotification, undefined>;

/**
 * Gathers notifications into batches. Two of them are in flight, so that MongoDB works on one while it waits for the
 * other's journal. A user's notifications always take the same of the two batchers, so they stay in order, and two
 * transactions of this process never touch the same user. A user whom another transaction locks takes the slow path: a
 * batcher of the user's own until it is drained (decision 013).
 *
 * `commit`: one entry each, in order. `Contended` ones are committed again apart from others, with `waitForLock`.
 */
export function createCommitQueue(options: {
  commit: (batch: PlannedNotification[], waitForLock: boolean) => Promise<Array<undefined | Error>>;
  maxItems: number;
  answerMs?: number | undefined;
}) {
  const { commit, maxItems, answerMs = defaultAnswerMs } = options;
  const limits = { maxItems, maxBytes, bytesOf: ({ bytes = 0 }: PlannedNotification) => bytes };
  const batchers: Commits[] = Array.from({ length: 2 }, () => createBatcher({ ...limits, run: commitBatch }));
  /** By locked user. */
  const slowPath = new Map<string, { batcher: Commits; open: number }>();
  let slow = 0;
  /** Their callers got an error, so they are not stored unless that is under way. */
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
     * Resolves once the notification is stored. `request`: what it came with, all of which waits as one. Rejects with its
     * own error, or with `database_unavailable` when there is no answer in time.
     */
    submit(planned: PlannedNotification, request?: object): Promise<undefined> {
      const batcher = batchers[batcherOf(planned.user)] as Commits;
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
    /** Notifications that wait for a commit, and all on the slow path. */
    get waiting() {
      return batchers.reduce((sum, batcher) => sum + batcher.waiting, slow);
    },
    async drained() {
      await Promise.all(batchers.map((batcher) => batcher.drained()));
      await Promise.all(Array.from(slowPath.values(), ({ batcher }) => batcher.drained()));
    },
  };
}

/** The last digits of an ObjectId count up, and other ids end in what distinguishes them. */
const batcherOf = (user: string): number => user.charCodeAt(user.length - 1) & 1;
