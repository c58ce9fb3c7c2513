import { createTokenBucket } from "../lib/token-bucket.ts";

/** `14/s`, `600/min`, `5000/h`. */
export interface Rate {
  count: number;
  perMs: number;
}

/**
 * Allows bursts of one second's worth of messages, and at least one. `take(cost)` returns how long to wait before
 * sending.
 */
export function createRateLimit(rate: Rate, now: () => number, patienceMs: number) {
  const perMs = rate.count / rate.perMs;
  const bucket = createTokenBucket({ perMs, most: Math.max(1, perMs * 1000), now });
  return { take: (cost: number) => bucket.take(cost, patienceMs) };
}

export type RateLimit = ReturnType<typeof createRateLimit>;
