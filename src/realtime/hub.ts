import { backoffMs } from "../lib/backoff.ts";
import { BelfryError } from "../model/errors.ts";
import type { Hub, Sink } from "../model/hub.ts";
import { standingOf } from "../model/inbox-wire.ts";
import { fromNothing, fromNow, type InboxChanges } from "../model/live.ts";
import { canonicalUser } from "../model/user-id.ts";
import { changesAfter } from "./view.ts";

export interface HubOptions {
  /**
   * What changed for each, in order. It must see what was committed before it was asked: no secondary's view. Undefined:
   * too much to be read together with others.
   */
  read: (requests: Array<{ user: string; since: number }>) => Promise<Array<InboxChanges | undefined>>;
  /** At a stop devices are told to come back within so many milliseconds. */
  jitterMs: number;
  /** From 0 up to 1. */
  random: () => number;
  /** Told how many users each read was for. */
  onRead?: (users: number) => void;
  log: { info(details: object, message: string): void; warn(details: object, message: string): void };
}

interface Device {
  sink: Sink;
  /** What it shows once it has all that was written; what it named, until it is greeted. */
  rev: number;
  greeted: boolean;
  /** Something was not written, because too much waits; `drained` brings it. */
  heldBack: boolean;
  /** The read under way is for it, too: its answer is no older than what it knows. */
  asked: boolean;
}

/** The devices of one user. */
interface Listener {
  user: string;
  devices: Set<Device>;
  /** The database refused a read that this user was part of, or there is too much to tell: read it without the others. */
  alone: boolean;
}

/** A question about a user's inbox: what changed since the least that its devices know? */
interface Look {
  listener: Listener;
  since: number;
}

/** Users in one read. */
const maxBatch = 200;
/** With one message more, which is below 512 KiB, a device that stops reading holds less than 1 MiB. */
const maxBacklog = 256 * 1024;
const maxPauseMs = 2_000;

/**
 * Brings every device where its user's inbox stands. A hint makes the user *dirty*; a read, for up to 200 users at a
 * time, clears that and answers what changed since the least that any of its devices knows. So bursts coalesce, and a
 * hint that comes during a read causes another one.
 *
 * One read is in flight and the next one gathers meanwhile: a user's views never overtake each other. Nothing runs
 * while nothing happens.
 */
export function createHub({ read, jitterMs, random, onRead, log }: HubOptions): Hub {
  const listeners = new Map<string, Listener>();
  const dirty = new Set<Listener>();
  /** Whose last read failed. */
  const failing = new Set<Listener>();
  let connections = 0;
  /** Those of the dirty ones who are read alone. */
  const lone = new Set<Listener>();
  let takesLone = false;
  let working = false;
  let closed = false;
  let failures = 0;
  let retry: NodeJS.Timeout | undefined;

  function mark(listener: Listener): void {
    (listener.alone ? lone : dirty).add(listener);
    if (listener.alone) dirty.delete(listener);
    if (working) return;
    working = true;
    setImmediate(work);
  }

  async function work(): Promise<void> {
    while (dirty.size + lone.size > 0) {
      const batch = takeBatch();
      if (batch.length === 0) continue;
      try {
        const views = await read(batch.map(({ listener: { user }, since }) => ({ user, since })));
        onRead?.(batch.length);
        worked(batch);
        for (const [index, look] of batch.entries()) deliver(look, views[index]);
      } catch (error) {
        failed(batch, error);
      }
    }
    working = false;
  }

  /** A user who is read alone takes turns with the others: who has much to be told holds them up once, not each time. */
  function takeBatch(): Look[] {
    takesLone = lone.size > 0 && (!takesLone || dirty.size === 0);
    const from = takesLone ? lone : dirty;
    const batch: Look[] = [];
    for (const listener of from) {
      from.delete(listener);
      const since = leastKnown(listener);
      if (since !== undefined) batch.push({ listener, since });
      if (takesLone || batch.length === maxBatch) break;
    }
    return batch;
  }

  /** Nothing when all of the user's devices are held back: then there is nobody to read for. */
  function leastKnown({ devices }: Listener): number | undefined {
    let least: number | undefined;
    for (const device of devices) {
      device.asked = !device.heldBack;
      if (device.asked && (least === undefined || device.rev < least)) least = device.rev;
    }
    return least;
  }

  function deliver({ listener, since }: Look, view: InboxChanges | undefined): void {
    if (!view) {
      listener.alone = true;
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
      // Held back when the read began, or come since: a read of its own follows.
      if (!device.asked) continue;
      try {
        if (!bring(device, since, view, copyFor)) mark(listener);
      } catch (error) {
        log.warn({ err: error }, "a live connection failed unexpectedly and is closed");
        remove(listener, device);
        sendAway(device.sink);
      }
    }
  }

  /** False when the view tells nothing to this device, although there is something to tell. */
  function bring(
    device: Device,
    since: number,
    view: InboxChanges,
    copyFor: (rev: number) => InboxChanges,
  ): boolean {
    const { sink } = device;
    if (!device.greeted) {
      device.greeted = true;
      sink.state(standingOf(view));
      const isEmpty = view.rev === 0 && view.total === 0;
      if (device.rev === fromNow || (device.rev === fromNothing && isEmpty)) device.rev = view.rev;
    }
    if (device.rev === view.rev) return true;
    device.heldBack = sink.backlog() > maxBacklog;
    if (device.heldBack) return true;
    // Less than it knows: the user was erased, or the database restored.
    if (device.rev > view.rev || (view.resync && device.rev === since)) sink.resync(standingOf(view));
    // What tells all to who has seen nothing does not tell who has seen an inbox before this one what is gone.
    else if (view.resync || (since <= 0 && device.rev > 0)) return false;
    else sink.changes(copyFor(device.rev));
    device.rev = view.rev;
    return true;
  }

  function worked(batch: Look[]): void {
    for (const { listener } of batch) {
      listener.alone = false;
      failing.delete(listener);
    }
    if (failures === 0 || failing.size > 0) return;
    failures = 0;
    clearTimeout(retry);
    retry = undefined;
    log.info({}, "changes can be read again; devices catch up");
  }

  /**
   * They stay dirty until a later try. A read that the database refuses, and not for want of a server, may be one user's
   * fault: then each is tried alone, so that nobody pays for a neighbour's document.
   */
  function failed(batch: Look[], error: unknown): void {
    if (closed) return;
    const unavailable = error instanceof BelfryError && error.code === "database_unavailable";
    for (const { listener } of batch) {
      if (listener.devices.size === 0) continue;
      listener.alone ||= !unavailable;
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

  function remove(listener: Listener, device: Device): void {
    device.heldBack = false;
    if (!listener.devices.delete(device)) return;
    connections--;
    if (listener.devices.size > 0) return;
    listeners.delete(listener.user);
    dirty.delete(listener);
    lone.delete(listener);
    failing.delete(listener);
  }

  /** At different moments, so that they do not all come back at once. */
  function sendAway(sink: Sink): void {
    try {
      sink.leave(Math.floor(random() * jitterMs));
    } catch (error) {
      log.warn({ err: error }, "a live connection could not be closed");
    }
  }

  return {
    subscribe(name, rev, sink) {
      if (closed) {
        sendAway(sink);
        return { drained() {}, close() {} };
      }
      const user = canonicalUser(name);
      const listener = listeners.get(user) ?? { user, devices: new Set(), alone: false };
      listeners.set(user, listener);
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
    touch(users) {
      if (listeners.size === 0) return;
      for (const user of users) {
        const listener = listeners.get(canonicalUser(user));
        if (listener) mark(listener);
      }
    },
    touchAll() {
      for (const listener of listeners.values()) mark(listener);
    },
    connections: (user) => listeners.get(canonicalUser(user))?.devices.size ?? 0,
    get size() {
      return { users: listeners.size, connections };
    },
    close() {
      closed = true;
      clearTimeout(retry);
      for (const listener of [...listeners.values()])
        for (const device of listener.devices) {
          remove(listener, device);
          sendAway(device.sink);
        }
    },
  };
}
