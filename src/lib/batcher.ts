export interface Batcher<Item, Result> {
  /**
   * `group`: the request that the item belongs to; items without one form a group. Resolves with the item's own
   * result. Rejects with its own error, or with `whenFull()` when the queue is full.
   */
  submit(item: Item, group?: object): Promise<Result>;
  /** Items waiting for a batch; those in flight are not counted. */
  readonly waiting: number;
  /** Resolves when nothing waits and nothing is in flight. */
  drained(): Promise<void>;
}

/**
 * Group commit: while a batch is in flight, the next one gathers. So an idle service answers at once and a busy one
 * shares round trips. There is no timer: `setImmediate` only lets requests that the event loop has already read join
 * the first batch, when a batch may have more than one item.
 *
 * `run` gets 1 to `maxItems` items and returns one entry each, in order: a result, an `Error`, or a promise of a
 * result, for which neither the batch nor `drained` waits. When it throws, every item of that batch is rejected with
 * that error. With `inFlight` 1 batches never overlap, so a group's items are handled in the order of `submit`.
 *
 * Each waiting group has an equal share of a batch, plus what the others leave of theirs. So a thousand items that
 * came at once do not delay a later one. A batch also ends when its items have `maxBytes` together.
 *
 * A limit that changes is a function, which is asked before each batch.
 */
export function createBatcher<Item, Result>(options: {
  run: (items: Item[]) => Promise<Array<Result | Error | Promise<Result>>>;
  maxItems: number | (() => number);
  maxBytes?: number;
  bytesOf?: (item: Item) => number;
  maxWaiting?: number;
  /** Makes the error for an item that finds `maxWaiting` items waiting. */
  whenFull?: () => Error;
  inFlight?: number | (() => number);
}): Batcher<Item, Result> {
  interface Entry {
    item: Item;
    resolve: (result: Result | Promise<Result>) => void;
    reject: (error: unknown) => void;
  }
  const { run } = options;
  const mostItems = asFunction(options.maxItems);
  const mostRunning = asFunction(options.inFlight ?? 1);
  const { maxBytes = Number.POSITIVE_INFINITY, maxWaiting = Number.POSITIVE_INFINITY } = options;
  const whenFull = options.whenFull ?? (() => new Error("the queue is full"));
  const bytesOf = options.bytesOf ?? (() => 0);
  /** By group; the group that is served next comes first. */
  const queues = new Map<object | undefined, Entry[]>();
  let waiting = 0;
  let running = 0;
  let scheduled = false;
  const idle: Array<() => void> = [];

  function start(): void {
    while (running < mostRunning() && waiting > 0) {
      const batch = nextBatch();
      waiting -= batch.length;
      running++;
      void settle(batch);
    }
  }

  function nextBatch(): Entry[] {
    let batch: Entry[] = [];
    let bytes = 0;
    const maxItems = mostItems();
    const part = 1 / queues.size;
    for (const [group, queue] of queues) {
      let taken = 0;
      let takenBytes = 0;
      let full = false;
      while (taken < queue.length && !(taken >= maxItems * part || takenBytes >= maxBytes * part)) {
        const more = bytesOf((queue[taken] as Entry).item);
        const together = batch.length + taken;
        full = together === maxItems || (together > 0 && bytes + takenBytes + more > maxBytes);
        if (full) break;
        taken++;
        takenBytes += more;
      }
      bytes += takenBytes;
      if (taken > 0) {
        queues.delete(group);
        // The loop visits a group that is set again once more, after all others have had their share.
        if (taken < queue.length) queues.set(group, queue.slice(taken));
        const some = taken === queue.length ? queue : queue.slice(0, taken);
        batch = batch.length === 0 ? some : batch.concat(some);
      }
      if (full) break;
    }
    return batch;
  }

  async function settle(batch: Entry[]): Promise<void> {
    let results: Array<Result | Error | Promise<Result>>;
    try {
      results = await run(batch.map((entry) => entry.item));
    } catch (error) {
      const failure = error instanceof Error ? error : new Error(String(error));
      results = batch.map(() => failure);
    }
    running--;
    // Start the next batch before answering these: its receiver works while we do.
    start();
    for (const [index, entry] of batch.entries()) {
      const result = results[index] as Result | Error | Promise<Result>;
      if (result instanceof Error) entry.reject(result);
      else entry.resolve(result);
    }
    if (running === 0 && waiting === 0) for (const done of idle.splice(0)) done();
  }

  return {
    submit(item, group) {
      if (waiting >= maxWaiting) return Promise.reject(whenFull());
      return new Promise((resolve, reject) => {
        const entry = { item, resolve, reject };
        const queue = queues.get(group);
        if (queue) queue.push(entry);
        else queues.set(group, [entry]);
        waiting++;
        if (running >= mostRunning() || scheduled) return;
        if (mostItems() === 1) return start();
        scheduled = true;
        setImmediate(() => {
          scheduled = false;
          start();
        });
      });
    },
    get waiting() {
      return waiting;
    },
    drained() {
      if (running === 0 && waiting === 0) return Promise.resolve();
      return new Promise((resolve) => idle.push(resolve));
    },
  };
}

const asFunction = (limit: number | (() => number)) => (typeof limit === "number" ? () => limit : limit);
