import type { Socket } from "node:net";
import { Connection } from "rabbitmq-client";

/** Well above any negotiated frame (8 KiB or 128 KiB), well below any text read as a length. */
const longestRead = 1024 * 1024;

/**
 * rabbitmq-client takes the first bytes of any answer for the length of a frame, and reads as many from its socket.
 * If the server does not speak AMQP (an HTTP port, a proxy's error page), that can be gigabytes. Node then throws inside
 * an event of the socket, where the library does not catch it, and the process would end. Here such a read closes the
 * connection with an error instead.
 */
export class BoundedConnection extends Connection {
  /** The library calls this for the first connection and for each reconnect. Its name is internal to 5.0.8. */
  _connect(): Socket {
    const socket = (Connection.prototype as unknown as { _connect(): Socket })._connect.call(this);
    const read = socket.read.bind(socket);
    socket.read = (size) => {
      if (size === undefined || size <= longestRead) return read(size);
      const error = new Error("the server at AMQP_URL does not speak AMQP 0-9-1: check host and port");
      socket.destroy(Object.assign(error, { code: "NOT_AMQP" }));
      return null;
    };
    return socket;
  }
}
