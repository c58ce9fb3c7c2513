/** `14/s`, `600/min`, `5000/h`. */
export interface Rate {
  count: number;
  perMs: number;
}

/**
 * A token bucket that holds one second's worth (at least one token). `take(cost)` books the cost and answers how many
 * milliseconds to wait before sending; when that is more than `patienceMs`, nothing is booked. A cost above what the
 * bucket can hold goes when it is full and leaves a debt, or it would wait for ever.
 */
export function createRateLimit(rate: Rate, now: () => number, patienceMs: number) {
  const perMs = rate.count / rate.perMs;
  const most = Math.max(1, perMs * 1000);
  let tokens = most;
  let at = now();
  return {
    take(cost: number): number {
      const moment = now();
      tokens = Math.min(most, tokens + (moment - at) * perMs);
      at = moment;
      const wait = Math.max(0, Math.ceil((Math.min(cost, most) - tokens) / perMs));
      if (wait <= patienceMs) tokens -= cost;
      return wait;
    },
  };
}

export type RateLimit = ReturnType<typeof createRateLimit>;
