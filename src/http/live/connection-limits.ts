import { BelfryError } from "../../model/errors.ts";

/** Anything that emits `close` when it is over: a socket, a response, a Socket.IO connection. */
export interface Closing {
  on(event: "close", listener: () => void): unknown;
}

export interface ConnectionLimit {
  /** Throws `too_many_connections` when the key has as many open as it may. */
  check(key: string): void;
  /** Counts `connection` for the key until it closes. Throws as `check` does. */
  hold(key: string, connection: Closing): void;
  /** Resolves when none is open. */
  emptied(): Promise<void>;
}

/** Counts open connections by a key, such as an address or a user. */
export function createConnectionLimit(most: number): ConnectionLimit {
  const open = new Map<string, number>();
  let onEmpty = () => {};
  const check = (key: string) => {
    if ((open.get(key) ?? 0) >= most) throw new BelfryError("too_many_connections");
  };
  return {
    check,
    hold(key, connection) {
      check(key);
      open.set(key, (open.get(key) ?? 0) + 1);
      connection.on("close", () => {
        const left = (open.get(key) ?? 0) - 1;
        if (left > 0) open.set(key, left);
        else open.delete(key);
        if (open.size === 0) onEmpty();
      });
    },
    emptied: () =>
      new Promise((resolve) => {
        onEmpty = resolve;
        if (open.size === 0) resolve();
      }),
  };
}

/**
 * Connections that have not shown a token yet, a few per key. When one more arrives the oldest is closed: a client that
 * goes on at once is never in the way of another, and one that stays silent keeps nobody out.
 */
export function createWaitingRoom(most: number) {
  const waiting = new Map<string, Map<Closing, () => void>>();
  function leave(key: string, connection: Closing): void {
    const ofKey = waiting.get(key);
    ofKey?.delete(connection);
    if (ofKey?.size === 0) waiting.delete(key);
  }
  return {
    /** `dismiss` closes the connection. */
    enter(key: string, connection: Closing, dismiss: () => void): void {
      const ofKey = waiting.get(key) ?? new Map<Closing, () => void>();
      waiting.set(key, ofKey.set(connection, dismiss));
      connection.on("close", () => leave(key, connection));
      const [oldest] = ofKey;
      if (ofKey.size <= most || !oldest) return;
      leave(key, oldest[0]);
      oldest[1]();
    },
    leave,
  };
}
