import type { Socket } from "node:net";
import { Connection } from "rabbitmq-client";

/** Well above any frame that is agreed on (8 KiB, or 128 KiB), well below what a text taken for a length amounts to. */
const longestRead = 1024 * 1024;

/**
 * rabbitmq-client takes the first bytes of whatever answers for the length of a frame and asks its socket for as many.
 * Where no AMQP is spoken (an HTTP port, a proxy's error page) that can be gigabytes, which Node refuses by throwing
 * inside an event of the socket: out of reach of the library's own handling, so it would end the process.
 * Here such a read ends the connection instead, and is told as any other error of it.
 */
export class BoundedConnection extends Connection {
  /** The library's own, called for the first connection and for each that follows. Its name is internal to 5.0.8. */
  _connect(): Socket {
    const socket = (Connection.prototype as unknown as { _connect(): Socket })._connect.call(this);
    const read = socket.read.bind(socket);
    socket.read = (size) => {
      if (size === undefined || size <= longestRead) return read(size);
      const error = new Error("what answers at AMQP_URL does not speak AMQP 0-9-1");
      socket.destroy(Object.assign(error, { code: "NOT_AMQP" }));
      return null;
    };
    return socket;
  }
}
