import { BelfryError } from "../../model/errors.ts";

/** Anything that says when it is over: a socket, a response, a Socket.IO connection. */
export interface Closing {
  on(event: "close", listener: () => void): unknown;
}

export interface Seats {
  /** Throws `too_many_connections` when the key has no seat left. */
  check(key: string): void;
  /** Takes one of the key's seats until `connection` closes. Throws as `check` does. */
  hold(key: string, connection: Closing): void;
  /** Resolves when none is taken. */
  emptied(): Promise<void>;
}

/** Counts what is open by a key, such as an address or a user. */
export function createSeats(most: number): Seats {
  const taken = new Map<string, number>();
  let onEmpty = () => {};
  const check = (key: string) => {
    if ((taken.get(key) ?? 0) >= most) throw new BelfryError("too_many_connections");
  };
  return {
    check,
    hold(key, connection) {
      check(key);
      taken.set(key, (taken.get(key) ?? 0) + 1);
      connection.on("close", () => {
        const left = (taken.get(key) ?? 0) - 1;
        if (left > 0) taken.set(key, left);
        else taken.delete(key);
        if (taken.size === 0) onEmpty();
      });
    },
    emptied: () =>
      new Promise((resolve) => {
        onEmpty = resolve;
        if (taken.size === 0) resolve();
      }),
  };
}
