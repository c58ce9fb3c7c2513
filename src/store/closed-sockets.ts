import { subscribe } from "node:diagnostics_channel";
import type { Socket } from "node:net";

/**
 * Once a socket is closed, whoever still waits for its `drain` is woken.
 *
 * The driver (7.8) does: a command that it writes between a connection's end and its `close` event gets `false` from
 * `write` and waits for a `drain` that never comes, without any time limit of its own. Woken, it notices the closed
 * connection and fails as it should. About 1 of 40 kills of a primary left a batch of creates, and with it half of a
 * process's users, waiting until the process was restarted. Nobody has another use for the `drain` of a closed socket.
 */
subscribe("net.client.socket", (message) => {
  const { socket } = message as { socket: Socket };
  socket.once("close", () => setImmediate(() => socket.listenerCount("drain") > 0 && socket.emit("drain")));
});
