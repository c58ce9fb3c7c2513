import { stateOf } from "../model/inbox-dto.ts";
import { fromNothing, fromNow, type InboxChanges, type InboxState } from "../model/live.ts";

/** One device's connection: the encoder of a transport. Its methods return at once and do not throw. */
export interface Sink {
  /** Always the first call: the inbox's `rev` and counts. */
  state(standing: InboxState): void;
  /** Devices that are equally far behind get the same object, so an encoder can encode it once. */
  changes(changes: InboxChanges): void;
  resync(standing: InboxState): void;
  /** Bytes of memory that hold messages which the network has not taken. */
  backlog(): number;
  /** The server stops: tells the device when to reconnect, and closes. */
  leave(retryMs: number): void;
}

export interface Device {
  sink: Sink;
  /** Its `rev` after everything that was sent. Before the greeting: the `rev` that it named. */
  rev: number;
  greeted: boolean;
  /** Changes were not sent, because too much waits. They follow after `drained`. */
  heldBack: boolean;
  /** The current read includes this device, so its answer is not older than what the device knows. */
  asked: boolean;
}

/** A device that stops reading keeps less than 1 MiB: this, and one more message below 512 KiB. */
const maxBacklog = 256 * 1024;

/** The lowest `rev` of the devices that a read is for. Undefined when all of them are held back: then no read is needed. */
export function leastKnown(devices: Iterable<Device>): number | undefined {
  let least: number | undefined;
  for (const device of devices) {
    device.asked = !device.heldBack;
    if (device.asked && (least === undefined || device.rev < least)) least = device.rev;
  }
  return least;
}

/** Whether the device should get what is stored under this `rev`. One that is held back, or not greeted, is read anyway. */
export const isBehind = ({ greeted, heldBack, rev }: Device, stored: number): boolean =>
  greeted && !heldBack && rev !== stored;

/** Sends the device what it has not seen. A view may not be able to serve it: then it needs another read. */
export function catchUp(
  device: Device,
  since: number,
  view: InboxChanges,
  copyFor: (rev: number) => InboxChanges,
): "done" | "read again" {
  const { sink } = device;
  if (!device.greeted) {
    device.greeted = true;
    sink.state(stateOf(view));
    const isEmpty = view.rev === 0 && view.total === 0;
    if (device.rev === fromNow || (device.rev === fromNothing && isEmpty)) device.rev = view.rev;
  }
  if (device.rev === view.rev) return "done";
  device.heldBack = sink.backlog() > maxBacklog;
  if (device.heldBack) return "done";
  // The device knows more than the database: the user was erased, or the database restored.
  if (device.rev > view.rev || (view.resync && device.rev === since)) sink.resync(stateOf(view));
  // A view from the beginning has no deletions, which a device with a later `rev` needs.
  else if (view.resync || (since <= 0 && device.rev > 0)) return "read again";
  else sink.changes(copyFor(device.rev));
  device.rev = view.rev;
  return "done";
}
