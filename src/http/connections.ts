import type { Server } from "node:http";
import type { Socket } from "node:net";
import { endWithProblem } from "./errors.ts";

export interface ConnectionOptions {
  /** Plain HTTP connections open at once, in all and from one address. */
  most: number;
  mostPerAddress: number;
  /** The address that counts for `mostPerAddress`; undefined for a trusted proxy or this machine, which stand for many clients. */
  peerAddress(socket: Socket): string | undefined;
  log: { warn(details: object, message: string): void };
  /** How long a socket may stay open after our side has ended. */
  lingerMs?: number;
}

export interface Connections {
  /** The connection is a stream or a WebSocket from now on, which have limits of their own. */
  release(socket: object | null | undefined): void;
}

/** A peer has this long to read our last answer and close. */
const defaultLingerMs = 1_000;
const warnEveryMs = 60_000;

/**
 * Limits the server's plain HTTP connections and lets go of those that have ended. Node's HTTP server keeps a socket until
 * the peer closes its side too, so a peer that never does would hold a descriptor forever.
 */
export function limitConnections(server: Server, options: ConnectionOptions): Connections {
  const { most, mostPerAddress, peerAddress, lingerMs = defaultLingerMs } = options;
  const open = new Map<object, string | undefined>();
  const perAddress = new Map<string, number>();
  const lingering = new WeakSet<Socket>();
  let warnedAt = Number.NEGATIVE_INFINITY;

  function release(socket: object | null | undefined): void {
    if (!socket || !open.has(socket)) return;
    const address = open.get(socket);
    open.delete(socket);
    if (address === undefined) return;
    const left = (perAddress.get(address) ?? 0) - 1;
    if (left > 0) perAddress.set(address, left);
    else perAddress.delete(address);
  }

  function refuse(socket: Socket, status: 429 | 503, variable: string, address: string | undefined): void {
    const detail = "Too many connections are open: close some, or try again later.";
    const code = status === 429 ? "too_many_connections" : "overloaded";
    endWithProblem(socket, { status, title: code.replaceAll("_", " "), detail, code });
    socket.destroySoon();
    if (performance.now() - warnedAt < warnEveryMs) return;
    warnedAt = performance.now();
    options.log.warn({ address }, `${variable} is reached: new HTTP connections are refused`);
  }

  // Before Node's own listener, which reads the first request.
  server.prependListener("connection", (socket: Socket) => {
    if (!lingering.has(socket)) {
      lingering.add(socket);
      socket.once("finish", () => {
        const timer = setTimeout(() => socket.destroy(), lingerMs).unref();
        socket.once("close", () => clearTimeout(timer));
      });
      socket.once("close", () => release(socket));
    }
    const address = peerAddress(socket);
    const ofAddress = address === undefined ? 0 : (perAddress.get(address) ?? 0);
    if (ofAddress >= mostPerAddress) return refuse(socket, 429, "HTTP_CONNECTIONS_PER_ADDRESS", address);
    if (open.size >= most) return refuse(socket, 503, "HTTP_CONNECTIONS", address);
    open.set(socket, address);
    if (address !== undefined) perAddress.set(address, ofAddress + 1);
  });
  return { release };
}
