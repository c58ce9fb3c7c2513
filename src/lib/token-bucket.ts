/**
 * A token bucket of at most `most` tokens, refilled with `perMs` tokens each millisecond.
 *
 * `take` books the cost and returns how many milliseconds to wait first. When the wait is longer than `patienceMs`,
 * nothing is booked. A cost above `most` is taken from a full bucket and leaves a debt; otherwise it would wait for
 * ever.
 */
export function createTokenBucket({ perMs, most, now }: { perMs: number; most: number; now: () => number }): {
  take(cost: number, patienceMs?: number): number;
} {
  let tokens = most;
  let at = now();
  return {
    take(cost, patienceMs = 0) {
      const moment = now();
      tokens = Math.min(most, tokens + (moment - at) * perMs);
      at = moment;
      const wait = Math.max(0, Math.ceil((Math.min(cost, most) - tokens) / perMs));
      if (wait <= patienceMs) tokens -= cost;
      return wait;
    },
  };
}
