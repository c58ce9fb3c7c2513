import { BelfryError } from "../../model/errors.ts";

/** A socket, a response or a Socket.IO connection. */
export interface Closing {
  on(event: "close", listener: () => void): unknown;
}

/** Limits the open connections of a key, such as an address or a user. */
export function createConnectionLimit(max: number) {
  const open = new Map<string, number>();
  let onEmpty = () => {};
  /** Throws `too_many_connections`. */
  const check = (key: string): void => {
    if ((open.get(key) ?? 0) >= max) throw new BelfryError("too_many_connections");
  };
  return {
    check,
    /** Counts the connection until it closes. Throws as `check` does. */
    count(key: string, connection: Closing): void {
      check(key);
      open.set(key, (open.get(key) ?? 0) + 1);
      connection.on("close", () => {
        const left = (open.get(key) ?? 0) - 1;
        if (left > 0) open.set(key, left);
        else open.delete(key);
        if (open.size === 0) onEmpty();
      });
    },
    /** Resolves when no connection is open. */
    emptied: (): Promise<void> =>
      new Promise((resolve) => {
        onEmpty = resolve;
        if (open.size === 0) resolve();
      }),
  };
}

/**
 * Limits the connections of a key that have not sent a token yet. One more closes the oldest, so silent clients cannot
 * block others.
 */
export function createWaitingRoom(max: number) {
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
      if (ofKey.size <= max || !oldest) return;
      leave(key, oldest[0]);
      oldest[1]();
    },
    leave,
  };
}
