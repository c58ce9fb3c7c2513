import { backoffMs } from "../lib/backoff.ts";
import { BelfryError } from "../model/errors.ts";
import type { InboxChanges } from "../model/live.ts";
import { startComparisons } from "./comparison.ts";
import { catchUp, type Device, leastKnown, type Sink } from "./device.ts";
import { createListeners, type Listener } from "./listeners.ts";
import { changesAfter } from "./view.ts";

export interface Subscription {
  /** The network has taken everything, so the hub can send what it held back. */
  drained(): void;
  close(): void;
}

export type Hub = ReturnType<typeof createHub>;

export interface HubOptions {
  /**
   * Reads the changes of each request, in order. It must see everything that was committed before the call, so it may not
   * read from a secondary. Undefined: too many changes to be read together with other users.
   */
  read: (requests: Array<{ user: string; since: number }>) => Promise<Array<InboxChanges | undefined>>;
  /** The `rev` of each user's inbox, in order. */
  readRevs: (users: string[]) => Promise<number[]>;
  /** How often these are compared with what the devices know, because a hint may be lost. */
  compareMs: number;
  /** At a stop devices are told to reconnect within this time. */
  jitterMs: number;
  /** From 0 up to 1. */
  random: () => number;
  /** Called after each read, with the number of users. */
  onRead?: (users: number) => void;
  log: { info(details: object, message: string): void; warn(details: object, message: string): void };
}

interface ReadRequest {
  listener: Listener;
  /** The lowest `rev` of the user's devices. */
  since: number;
}

/** Users in one read. */
const maxBatch = 200;
const maxPauseMs = 2_000;

/**
 * Sends every device the changes of its user's inbox. A hint marks the user as *dirty*. A read, for up to 200 users at a
 * time, clears the mark and returns what changed since the lowest `rev` of the user's devices. So bursts coalesce, and a hint
 * that arrives during a read causes another read.
 *
 * Only one read runs at a time and the next one gathers meanwhile, so a user's changes arrive in order. A hub without devices
 * does nothing.
 */
export function createHub({ read, readRevs, compareMs, jitterMs, random, onRead, log }: HubOptions) {
  const listeners = createListeners();
  const dirty = new Set<Listener>();
  /** Users whose last read failed. */
  const failing = new Set<Listener>();
  let connections = 0;
  /** Dirty users who are read alone. */
  const isolated = new Set<Listener>();
  let batchOf: "isolated" | "others" = "others";
  let working = false;
  let closed = false;
  let failures = 0;
  let retry: NodeJS.Timeout | undefined;

  function mark(listener: Listener): void {
    (listener.isolated ? isolated : dirty).add(listener);
    if (listener.isolated) dirty.delete(listener);
    if (working) return;
    working = true;
    setImmediate(work);
  }

  async function work(): Promise<void> {
    while (dirty.size + isolated.size > 0) {
      const batch = takeBatch();
      if (batch.length === 0) continue;
      try {
        const views = await read(batch.map(({ listener: { user }, since }) => ({ user, since })));
        onRead?.(batch.length);
        worked(batch);
        for (const [index, request] of batch.entries()) deliver(request, views[index]);
      } catch (error) {
        failed(batch, error);
      }
    }
    working = false;
  }

  /** Isolated users alternate with batches of the others, so a user with many changes cannot delay all reads. */
  function takeBatch(): ReadRequest[] {
    batchOf = isolated.size > 0 && (batchOf === "others" || dirty.size === 0) ? "isolated" : "others";
    const from = batchOf === "isolated" ? isolated : dirty;
    const batch: ReadRequest[] = [];
    for (const listener of from) {
      from.delete(listener);
      const since = leastKnown(listener.devices);
      if (since !== undefined) batch.push({ listener, since });
      if (batchOf === "isolated" || batch.length === maxBatch) break;
    }
    return batch;
  }

  function deliver({ listener, since }: ReadRequest, view: InboxChanges | undefined): void {
    if (!view) {
      listener.isolated = true;
      mark(listener);
      return;
    }
    const copies = new Map([[since, view]]);
    const copyFor = (rev: number) => {
      const copy = copies.get(rev) ?? changesAfter(rev, view);
      copies.set(rev, copy);
      return copy;
    };
    for (const device of listener.devices) {
      // It was held back when the read began, or connected since. Another read follows.
      if (!device.asked) continue;
      try {
        if (catchUp(device, since, view, copyFor) === "read again") mark(listener);
      } catch (error) {
        log.warn({ err: error }, "a live connection failed unexpectedly and is closed");
        remove(listener, device);
        sendAway(device.sink);
      }
    }
  }

  function worked(batch: ReadRequest[]): void {
    for (const { listener } of batch) {
      listener.isolated = false;
      failing.delete(listener);
    }
    if (failures === 0 || failing.size > 0) return;
    failures = 0;
    clearTimeout(retry);
    retry = undefined;
    log.info({}, "changes can be read again; devices catch up");
  }

  /**
   * The users stay dirty and are read again later. Unless the database was unavailable, one user's document may have caused
   * the error, so each user of the batch is then read alone.
   */
  function failed(batch: ReadRequest[], error: unknown): void {
    if (closed) return;
    const unavailable = error instanceof BelfryError && error.code === "database_unavailable";
    for (const { listener } of batch) {
      if (listener.devices.size === 0) continue;
      listener.isolated ||= !unavailable;
      failing.add(listener);
    }
    if (failures === 0) log.warn({ err: error }, "changes cannot be read; devices wait");
    retry ??= setTimeout(
      () => {
        retry = undefined;
        for (const listener of failing) mark(listener);
      },
      backoffMs(++failures, 50, maxPauseMs, random),
    );
  }

  const endComparisons = startComparisons({ everyMs: compareMs, listeners: listeners.all, readRevs, mark });

  function remove(listener: Listener, device: Device): void {
    device.heldBack = false;
    if (!listener.devices.delete(device)) return;
    connections--;
    if (listener.devices.size > 0) return;
    listeners.delete(listener);
    dirty.delete(listener);
    isolated.delete(listener);
    failing.delete(listener);
  }

  /** Devices get different pauses, so that they do not all reconnect at once. */
  function sendAway(sink: Sink): void {
    try {
      sink.leave(Math.floor(random() * jitterMs));
    } catch (error) {
      log.warn({ err: error }, "a live connection could not be closed");
    }
  }

  return {
    /** `rev`: the last one that the device knows, or `fromNow`. */
    subscribe(name: string, rev: number, sink: Sink): Subscription {
      if (closed) {
        sendAway(sink);
        return { drained() {}, close() {} };
      }
      const listener = listeners.open(name);
      const device: Device = { sink, rev, greeted: false, heldBack: false, asked: false };
      listener.devices.add(device);
      connections++;
      mark(listener);
      return {
        drained() {
          if (!device.heldBack) return;
          device.heldBack = false;
          mark(listener);
        },
        close: () => remove(listener, device),
      };
    },
    /** A hint that these users' inboxes may have changed. Users without a device cost one lookup. */
    touch(users: Iterable<string>): void {
      if (listeners.size === 0) return;
      for (const user of users) {
        const listener = listeners.of(user);
        if (listener) mark(listener);
      }
    },
    /** The same for the hints of other instances, which have hashes of the users. */
    touchHashes(hashes: Iterable<number>): void {
      for (const hash of hashes) for (const listener of listeners.withHash(hash)) mark(listener);
    },
    /** Hints were lost: reads for every user with a device. */
    touchAll(): void {
      for (const listener of listeners.all()) mark(listener);
    },
    connections: (user: string): number => listeners.of(user)?.devices.size ?? 0,
    get size() {
      return { users: listeners.size, connections };
    },
    /** Tells every device to reconnect, at different times. */
    close(): void {
      closed = true;
      clearTimeout(retry);
      endComparisons();
      for (const listener of listeners.all())
        for (const device of listener.devices) {
          remove(listener, device);
          sendAway(device.sink);
        }
    },
  };
}
