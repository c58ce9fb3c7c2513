import { canonicalUser, userHash } from "../model/user-id.ts";
import type { Device } from "./device.ts";

/** The devices of one user. */
export interface Listener {
  user: string;
  devices: Set<Device>;
  /** Read without other users: a read that included this user failed, or there are too many changes. */
  isolated: boolean;
}

/** Users with a device, found by their id, and by its hash, which is all that other instances tell. */
export function createListeners() {
  const byUser = new Map<string, Listener>();
  const byHash = new Map<number, Set<Listener>>();
  return {
    all: (): Listener[] => [...byUser.values()],
    of: (user: string): Listener | undefined => byUser.get(canonicalUser(user)),
    withHash: (hash: number): Iterable<Listener> => byHash.get(hash) ?? [],
    get size() {
      return byUser.size;
    },
    /** The user's, made if there is none. */
    open(name: string): Listener {
      const user = canonicalUser(name);
      const known = byUser.get(user);
      if (known) return known;
      const listener = { user, devices: new Set<Device>(), isolated: false };
      byUser.set(user, listener);
      const hash = userHash(user);
      byHash.set(hash, (byHash.get(hash) ?? new Set()).add(listener));
      return listener;
    },
    delete(listener: Listener): void {
      byUser.delete(listener.user);
      const hash = userHash(listener.user);
      byHash.get(hash)?.delete(listener);
      if (byHash.get(hash)?.size === 0) byHash.delete(hash);
    },
  };
}
