/** While this much waits in the network, nothing more is written to it. */
const maxBacklogBytes = 256 * 1024;

/**
 * Memory that a waiting text takes beside its bytes. Node cuts small buffers out of blocks of 8 KB, and one of them keeps its
 * whole block: 256 KiB of texts of 300 B each, written now and then, keep 4 MB.
 */
export const textBytes = 8 * 1024;

/**
 * Sends texts as fast as the client reads them. For clients that get a text for each new item and know no `resync`: a
 * thousand long texts at once are many times what may wait for one connection. `backlog`: bytes that wait in the network.
 */
export function createSendBuffer<Text extends string | Buffer>(
  send: (text: Text) => void,
  backlog: () => number,
) {
  const waiting: Text[] = [];
  /** Sends what fits; true when nothing waits here any more. */
  const flush = (): boolean => {
    // Remove a text before sending it: when the network takes it at once, it calls this function again.
    while (waiting.length > 0 && backlog() < maxBacklogBytes) send(waiting.shift() as Text);
    return waiting.length === 0;
  };
  return {
    push(texts: Text[]): void {
      waiting.push(...texts);
      flush();
    },
    flush,
    /** The hub sends nothing more while this is above its limit. */
    backlog: (): number => (waiting.length === 0 ? backlog() : Number.POSITIVE_INFINITY),
  };
}
