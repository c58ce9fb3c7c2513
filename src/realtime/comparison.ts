import { isBehind } from "./device.ts";
import type { Listener } from "./listeners.ts";

/** Users in one comparison. */
const atOnce = 1_000;

/**
 * Finds changes of which no hint told: compares the stored `rev` of every user who listens with what the devices know, and marks the
 * users who are behind. After a failure, the next comparison finds them. Returns what ends it.
 */
export function startComparisons(options: {
  everyMs: number;
  listeners: () => Listener[];
  readRevs: (users: string[]) => Promise<number[]>;
  mark: (listener: Listener) => void;
}): () => void {
  const { everyMs, listeners, readRevs, mark } = options;
  let comparing = false;
  let ended = false;

  async function compare(): Promise<void> {
    const all = listeners();
    for (let at = 0; at < all.length && !ended; at += atOnce) {
      const some = all.slice(at, at + atOnce);
      const revs = await readRevs(some.map(({ user }) => user));
      for (const [index, listener] of some.entries())
        if ([...listener.devices].some((device) => isBehind(device, revs[index] as number))) mark(listener);
    }
  }

  const timer = setInterval(() => {
    if (comparing) return;
    comparing = true;
    compare()
      .catch(() => {})
      .finally(() => {
        comparing = false;
      });
  }, everyMs).unref();
  return () => {
    ended = true;
    clearInterval(timer);
  };
}
