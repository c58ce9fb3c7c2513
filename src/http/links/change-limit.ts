import { createTokenBucket } from "../../lib/token-bucket.ts";
import { BelfryError } from "../../model/errors.ts";

const atOnce = 30;
const perMs = 1 / 2_000;
const mostUsers = 10_000;

/**
 * Limits the changes that one user's links make. It counts by user and not by address, since a mail service sends the
 * requests of all its users from few addresses. Throws `overloaded`.
 */
export function createChangeLimit(now: () => number): (user: string) => void {
  const buckets = new Map<string, ReturnType<typeof createTokenBucket>>();
  return (user) => {
    const bucket = buckets.get(user) ?? createTokenBucket({ perMs, most: atOnce, now });
    buckets.delete(user);
    buckets.set(user, bucket);
    const [oldest] = buckets.keys();
    if (buckets.size > mostUsers) buckets.delete(oldest as string);
    const wait = bucket.take(1);
    if (wait === 0) return;
    const error = new BelfryError("overloaded", "Too many changes through this link. Try again later.");
    error.retryAfterSeconds = Math.ceil(wait / 1_000);
    throw error;
  };
}
