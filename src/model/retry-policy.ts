/** When to try again after a transient failure. Times in milliseconds. */
export interface RetryPolicy {
  /** Wait before the first retry. */
  delayMs: number;
  /** Each further wait is the one before times this; 1 keeps it fixed. */
  factor: number;
  /** Retries after the first attempt; 0 means one attempt in all. */
  maxRetries: number;
}

/** No wait grows beyond this, however often a delivery has failed. */
export const maxDelayMs = 6 * 60 * 60 * 1000;

/**
 * The wait before the next attempt, or undefined when the tries are used up.
 * `tries`: attempts made that count, at least 1. `afterMs`: what the provider asked for; never undercut.
 * `random` in [0, 1) spreads a growing wait by ±20 % so that a failed burst does not come back as a burst; a fixed one
 * (factor 1) is what its callers count on, and kept.
 */
export function nextDelayMs(
  policy: RetryPolicy,
  tries: number,
  random: number,
  afterMs = 0,
): number | undefined {
  if (tries > policy.maxRetries) return undefined;
  const planned = Math.min(policy.delayMs * policy.factor ** (tries - 1), maxDelayMs);
  const spread = policy.factor === 1 ? 1 : 0.8 + 0.4 * random;
  return Math.max(Math.round(planned * spread), afterMs);
}
