// The same as lib/backoff.ts: browsers take this folder as it is, so nothing in it imports another folder.

/** The pause before try `failures` + 1, in milliseconds: doubles each time up to `maxMs`; half of it is random. */
export function backoffMs(failures: number, firstMs: number, maxMs: number, random = Math.random): number {
  const whole = Math.min(maxMs, firstMs * 2 ** (failures - 1));
  return whole * (0.5 + random() / 2);
}

/** Resolves after `ms` milliseconds, or at once when `signal` aborts. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done);
  });
}
