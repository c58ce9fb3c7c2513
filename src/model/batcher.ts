import { BelfryError } from "./errors.ts";

export interface Batcher<Item, Result> {
  /** Resolves with the item's own result. Rejects with its own error, or `overloaded` when the queue is full. */
  submit(item: Item): Promise<Result>;
  /** Items waiting for a batch; those in flight are not counted. */
  readonly waiting: number;
  /** Resolves when nothing waits and nothing is in flight. */
  drained(): Promise<void>;
}

/**
 * Group commit: while a batch is in flight the next one gathers, so an idle service answers at once
 * and a busy one shares round trips. There is no timer: `setImmediate` only lets the requests that
 * the event loop has already read join the first batch.
 *
 * `run` gets 1 to `maxItems` items and answers with one entry each, in order: a result or an `Error`.
 * When it throws, every item of that batch is rejected with what it threw.
 * With `inFlight` 1 batches never overlap, so items are handled in the order of `submit`.
 */
export function createBatcher<Item, Result>(options: {
  run: (items: Item[]) => Promise<Array<Result | Error>>;
  maxItems: number;
  maxWaiting: number;
  inFlight?: number;
}): Batcher<Item, Result> {
  interface Entry {
    item: Item;
    resolve: (result: Result) => void;
    reject: (error: unknown) => void;
  }
  const { run, maxItems, maxWaiting, inFlight = 1 } = options;
  let waiting: Entry[] = [];
  let running = 0;
  let scheduled = false;
  const idle: Array<() => void> = [];

  function start(): void {
    while (running < inFlight && waiting.length > 0) {
      const batch = waiting.length <= maxItems ? waiting : waiting.slice(0, maxItems);
      waiting = waiting.length <= maxItems ? [] : waiting.slice(maxItems);
      running++;
      void settle(batch);
    }
  }

  async function settle(batch: Entry[]): Promise<void> {
    let results: Array<Result | Error>;
    try {
      results = await run(batch.map((entry) => entry.item));
    } catch (error) {
      const failure = error instanceof Error ? error : new Error(String(error));
      results = batch.map(() => failure);
    }
    running--;
    // The next batch leaves before these are answered: its receiver works while we do.
    start();
    for (const [index, entry] of batch.entries()) {
      const result = results[index] as Result | Error;
      if (result instanceof Error) entry.reject(result);
      else entry.resolve(result);
    }
    if (running === 0 && waiting.length === 0) for (const done of idle.splice(0)) done();
  }

  return {
    submit(item) {
      if (waiting.length >= maxWaiting) return Promise.reject(new BelfryError("overloaded"));
      return new Promise((resolve, reject) => {
        waiting.push({ item, resolve, reject });
        if (running >= inFlight || scheduled) return;
        scheduled = true;
        setImmediate(() => {
          scheduled = false;
          start();
        });
      });
    },
    get waiting() {
      return waiting.length;
    },
    drained() {
      if (running === 0 && waiting.length === 0) return Promise.resolve();
      return new Promise((resolve) => idle.push(resolve));
    },
  };
}
