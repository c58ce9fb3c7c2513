/** How long a delete waits before it is sent. */
const undoMs = 8_000;
/** The button stays while it is focused or under the pointer. */
const againMs = 1_000;

/**
 * Deletes that can still be undone. The service has no way back from a delete, so it is sent only when the time is over, or
 * when the page may go away. Until then other devices still show the item.
 */
export function createUndo(isInUse: () => boolean) {
  /** By item, oldest first: what sends the delete, or drops it. */
  const waiting = new Map<string, (isSent: boolean) => void>();
  const last = () => [...waiting.keys()].at(-1);
  const decide = (id: string | undefined, isSent: boolean) => waiting.get(id as string)?.(isSent);
  const flush = () => {
    for (const id of [...waiting.keys()]) decide(id, true);
  };
  // A browser may freeze or close a hidden page without an event.
  const onHide = () => document.hidden && flush();
  document.addEventListener("visibilitychange", onHide);
  addEventListener("pagehide", flush);

  return {
    get last() {
      return last();
    },
    /** Resolves with true to send the delete, or false to drop it. */
    wait: (id: string): Promise<boolean> =>
      new Promise((resolve) => {
        const tick = () => {
          if (isInUse()) timer = setTimeout(tick, againMs);
          else decide(id, true);
        };
        let timer = setTimeout(tick, undoMs);
        waiting.set(id, (isSent) => {
          clearTimeout(timer);
          waiting.delete(id);
          resolve(isSent);
        });
      }),
    undo(): string | undefined {
      const id = last();
      decide(id, false);
      return id;
    },
    keepOnly(items: readonly { id: string }[]): void {
      for (const id of [...waiting.keys()]) if (!items.some((one) => one.id === id)) decide(id, false);
    },
    flush,
    end(): void {
      flush();
      document.removeEventListener("visibilitychange", onHide);
      removeEventListener("pagehide", flush);
    },
  };
}
