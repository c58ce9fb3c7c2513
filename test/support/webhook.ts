import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";

export interface Call {
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
  /** Unix milliseconds. */
  at: number;
}

export interface Target {
  port: number;
  calls: Call[];
  /** Connections opened so far, whatever came of them. */
  connections: () => number;
  /** Those still open. */
  open: () => number;
  close(): Promise<void>;
}

/** An HTTP server that keeps what it is sent and answers as told, on `host` (all loopback addresses by default). */
export async function startTarget(
  answer: (call: Call, response: ServerResponse, earlier: number) => void,
  listen: { host?: string; port?: number } = {},
): Promise<Target> {
  const calls: Call[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString("utf8");
    const call = { path: request.url ?? "", headers: request.headers, body, at: Date.now() };
    const earlier = calls.filter((one) => one.path === call.path).length;
    calls.push(call);
    answer(call, response, earlier);
  });
  server.on("connection", (socket) => {
    connections++;
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  server.listen(listen.port ?? 0, listen.host ?? "::");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    calls,
    connections: () => connections,
    open: () => sockets.size,
    close() {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
