/** Time that a test moves. It runs with `base`, plus what it was moved ahead, and can be stopped at a moment. Unix ms. */
export function createVirtualClock(base: () => number = Date.now) {
  let running = base;
  let ahead = 0;
  let stopped: number | undefined;
  const now = (): number => stopped ?? running() + ahead;
  return {
    now,
    /** From now on it runs with this clock. */
    over(clock: () => number): () => number {
      running = clock;
      return now;
    },
    stopAt(moment: number): void {
      stopped = moment;
    },
    /** Goes on from where it was stopped. */
    run(): void {
      if (stopped !== undefined) ahead = stopped - running();
      stopped = undefined;
    },
  };
}
