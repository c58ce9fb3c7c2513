import { subscribe } from "node:diagnostics_channel";
import type { Socket } from "node:net";

/**
 * Wakes code that waits for the `drain` event of a socket that is already closed. This applies to every socket of the
 * process, so only the service calls it: the library runs inside other people's programs.
 *
 * The reason is a defect of the driver (7.8). For a command written between the end of a connection and its `close`
 * event, `write` returns `false`, and the driver waits without a time limit for a `drain` that never comes. Once
 * woken, it notices the closed connection and fails as it should. Without this, about 1 of 40 kills of a primary left
 * a batch of creates, and with it half of a process's users, waiting until the process was restarted.
 */
export function wakeClosedSockets(): void {
  subscribe("net.client.socket", (message) => {
    const { socket } = message as { socket: Socket };
    socket.once("close", () => setImmediate(() => socket.listenerCount("drain") > 0 && socket.emit("drain")));
  });
}
