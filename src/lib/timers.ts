/**
 * From `start` to `stop`, calls `onPoll` at the earliest time that was asked for, and at the latest `pollMs` after the last
 * call. In real time: virtual time may jump.
 */
export function createPoll({ pollMs }: { pollMs: number }, onPoll: () => void) {
  let timer: NodeJS.Timeout | undefined;
  let at = Number.NEGATIVE_INFINITY;

  function within(ms: number): void {
    const wait = Math.min(Math.max(ms, 10), pollMs);
    if (Date.now() + wait >= at) return;
    clearTimeout(timer);
    at = Date.now() + wait;
    timer = setTimeout(() => {
      at = Number.POSITIVE_INFINITY;
      within(pollMs);
      onPoll();
    }, wait);
  }

  return {
    within,
    start(): void {
      at = Number.POSITIVE_INFINITY;
      within(0);
    },
    stop(): void {
      clearTimeout(timer);
      at = Number.NEGATIVE_INFINITY;
    },
  };
}

/** Runs the task at once and then every `ms`, never twice at a time, until the result is cleared. */
export function every(
  ms: number,
  task: () => Promise<void>,
  onError: (error: unknown) => void,
): NodeJS.Timeout {
  let state: "idle" | "running" = "idle";
  const tick = () => {
    if (state === "running") return;
    state = "running";
    task()
      .catch(onError)
      .finally(() => {
        state = "idle";
      });
  };
  tick();
  return setInterval(tick, ms);
}
