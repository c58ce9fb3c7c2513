export interface Semaphore {
  /**
   * Waits for a place, in order, and resolves with the function that releases it. Rejects with the signal's reason
   * when the signal aborts first.
   */
  acquire(signal?: AbortSignal): Promise<() => void>;
  /** Runs a task in a place. Rejects as `acquire` does when the signal aborts before the task starts. */
  run<T>(task: () => Promise<T>, signal?: AbortSignal): Promise<T>;
}

/** Lets at most `count` tasks run at the same time. */
export function createSemaphore(count: number): Semaphore {
  let free = count;
  const waiting = new Set<() => void>();
  const release = () => {
    const [next] = waiting;
    if (next) next();
    else free++;
  };
  const acquire = (signal?: AbortSignal) =>
    new Promise<() => void>((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      if (free > 0) {
        free--;
        return resolve(release);
      }
      const go = () => {
        waiting.delete(go);
        signal?.removeEventListener("abort", stop);
        resolve(release);
      };
      const stop = () => {
        waiting.delete(go);
        reject(signal?.reason);
      };
      waiting.add(go);
      signal?.addEventListener("abort", stop, { once: true });
    });
  return {
    acquire,
    async run(task, signal) {
      const leave = await acquire(signal);
      try {
        return await task();
      } finally {
        leave();
      }
    },
  };
}
