/** The pause before the try after `failures` failures, in milliseconds: it grows, and half of it is chance. */
export function growingPause(failures: number, firstMs: number, maxMs: number): number {
  const whole = Math.min(maxMs, firstMs * 2 ** (failures - 1));
  return whole * (0.5 + Math.random() / 2);
}

/** Resolves after so many milliseconds, and at once when `signal` is aborted. */
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
