/** An open connection. */
export interface Peer {
  /** Pings the client, or closes the connection when it has not answered the last ping. */
  beat(): void;
  /** When its permission ends, in Unix milliseconds. Absent: never. */
  expiresAt?: number | undefined;
  /** Closes the connection because its permission has ended. */
  expire(): void;
}

export type Heartbeat = ReturnType<typeof createHeartbeat>;

const tickMs = 1_000;

/**
 * One timer for all connections, since a timer each would be 10,000 of them. Each peer beats every `heartbeatMs`, at a random
 * second: after a reconnect storm all would be due at once. `now`: the clock of `expiresAt`.
 */
export function createHeartbeat(heartbeatMs: number, now: () => number) {
  const peers = new Map<Peer, number>();
  const ticks = Math.round(heartbeatMs / tickMs);
  const timer = setInterval(() => {
    if (peers.size === 0) return;
    const time = now();
    for (const [peer, left] of peers) {
      if (peer.expiresAt !== undefined && peer.expiresAt <= time) {
        peers.delete(peer);
        peer.expire();
      } else if (left > 1) {
        peers.set(peer, left - 1);
      } else {
        peers.set(peer, ticks);
        peer.beat();
      }
    }
  }, tickMs);
  timer.unref();
  return {
    add: (peer: Peer): void => void peers.set(peer, 1 + Math.floor(Math.random() * ticks)),
    remove: (peer: Peer): void => void peers.delete(peer),
    close: (): void => clearInterval(timer),
  };
}
