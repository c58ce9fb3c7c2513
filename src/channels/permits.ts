import { SendError } from "../model/delivery.ts";

/**
 * At most `count` sends at once; the others wait in order. A send whose signal aborts while it waits has handed nothing
 * over, so it ends as a retry and not as `unknown`.
 */
export function createPermits(count: number): (signal?: AbortSignal) => Promise<() => void> {
  let free = count;
  const waiting = new Set<() => void>();
  const release = () => {
    const [next] = waiting;
    if (next) next();
    else free++;
  };

  return (signal) =>
    new Promise((resolve, reject) => {
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
        const text = `all ${count} connections stayed busy`;
        reject(new SendError({ kind: "retry", code: "BUSY", text }));
      };
      waiting.add(go);
      signal?.addEventListener("abort", stop, { once: true });
    });
}
