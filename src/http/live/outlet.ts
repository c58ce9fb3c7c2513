/** The network is given no more while so much waits there. */
const fullBytes = 256 * 1024;

/**
 * What a text that waits takes beside its bytes. Node makes small buffers as parts of 8 KB, each of which is held by any of
 * its parts: 256 KiB of texts of 300 B each, written now and then, hold 4 MB.
 */
export const textBytes = 8 * 1024;

/**
 * For clients that take a text for each new item and know of no `resync`: a thousand long ones at once are many times what
 * may wait for one connection, so they leave as fast as they are read. `backlog`: bytes that hold what waits in the network.
 */
export function createOutlet<Text extends string | Buffer>(
  send: (text: Text) => void,
  backlog: () => number,
) {
  const waiting: Text[] = [];
  /** Goes on; true when nothing waits here any more. */
  const flush = (): boolean => {
    // Out of the list before it is sent: what is taken at once calls this again.
    while (waiting.length > 0 && backlog() < fullBytes) send(waiting.shift() as Text);
    return waiting.length === 0;
  };
  return {
    push(texts: Text[]): void {
      waiting.push(...texts);
      flush();
    },
    flush,
    /** For the hub, which holds back what follows while something waits here. */
    backlog: (): number => (waiting.length === 0 ? backlog() : Number.POSITIVE_INFINITY),
  };
}
