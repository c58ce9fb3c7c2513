/** An open connection, as the pulse sees it. */
export interface Peer {
  /** Asks whether it is still there; or ends it, when it has not answered since the last time. */
  beat(): void;
  /** Unix milliseconds from which on it may not listen any more; absent: never. */
  expiresAt?: number | undefined;
  /** Its permission is over. */
  expire(): void;
}

export interface Pulse {
  add(peer: Peer): void;
  remove(peer: Peer): void;
  close(): void;
}

const tickMs = 1_000;

/**
 * One timer for all connections: a timer each would be 10,000 of them. Every `heartbeatMs` it asks each peer, those of a
 * second at a time, since after a reconnect storm all would be due at once. `now`: the clock of `expiresAt`.
 */
export function createPulse(heartbeatMs: number, now: () => number): Pulse {
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
    add: (peer) => void peers.set(peer, 1 + Math.floor(Math.random() * ticks)),
    remove: (peer) => void peers.delete(peer),
    close: () => clearInterval(timer),
  };
}
