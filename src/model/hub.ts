import type { InboxChanges, Standing } from "./live.ts";

/** One device's connection, as an encoder of some transport offers it. Calls never throw and never wait. */
export interface Sink {
  /** The first call: where the inbox stands. */
  state(standing: Standing): void;
  /** The same object goes to all devices that are equally far, so its text can be made once. */
  changes(changes: InboxChanges): void;
  resync(standing: Standing): void;
  /** Bytes of memory that hold what was written and the network has not taken yet. */
  backlog(): number;
  /** The server leaves: says when to come back, and closes. */
  leave(retryMs: number): void;
}

export interface Subscription {
  /** The network has taken what was written: what was held back meanwhile can follow. */
  drained(): void;
  close(): void;
}

export interface Hub {
  /** `since`: the `rev` that the device knows, or `fromNow`. */
  subscribe(user: string, since: number, sink: Sink): Subscription;
  /** Hints that these users' inboxes may have changed; those that nobody listens to cost a lookup. */
  touch(users: Iterable<string>): void;
  /** Hints were lost: looks after everyone who listens. */
  touchAll(): void;
  connections(user: string): number;
  readonly size: { users: number; connections: number };
  /** Sends everyone away, to come back at different moments. */
  close(): void;
}
