import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { WebSocket, WebSocketServer } from "ws";
import { startChild } from "../child.ts";

/**
 * What a program without Belfry would do, in a process of its own: a bare `ws` server that greets, sends a text back to
 * whom it came from (`/`) or to everyone (`/all`), and asks idle connections whether they are still there. It stores nothing.
 */
export const startBare = (heartbeatSeconds: number) =>
  startChild(fileURLToPath(import.meta.url), `${heartbeatSeconds}`);

if (process.argv[1] === fileURLToPath(import.meta.url)) serve(Number(process.argv[2]) * 1000);

function serve(heartbeatMs: number): void {
  const http = createServer();
  const server = new WebSocketServer({ server: http, perMessageDeflate: false, maxPayload: 64 * 1024 });
  const silent = new WeakSet<WebSocket>();
  server.on("connection", (socket, request) => {
    const all = request.url === "/all";
    socket.on("error", () => {});
    socket.on("pong", () => silent.delete(socket));
    socket.on("message", (data, isBinary) => {
      if (!all) return socket.send(data, { binary: isBinary });
      for (const one of server.clients)
        if (one.readyState === WebSocket.OPEN) one.send(data, { binary: isBinary });
    });
    socket.send(JSON.stringify({ type: "state", rev: 0, unread: 0, total: 0 }));
  });
  const beat = setInterval(() => {
    for (const socket of server.clients) {
      if (silent.has(socket)) socket.terminate();
      silent.add(socket);
      socket.ping();
    }
  }, heartbeatMs);
  http.listen(0, "127.0.0.1", () => process.send?.((http.address() as AddressInfo).port));
  process.on("disconnect", () => {
    clearInterval(beat);
    for (const socket of server.clients) socket.terminate();
    http.close();
  });
}
