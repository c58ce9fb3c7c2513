import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { closeAfterTest } from "./closing.ts";

/** A call as a provider sees it. */
export interface ProviderCall {
  method: string;
  path: string;
  headers: IncomingMessage["headers"];
  /** The form's fields, urlencoded or multipart. */
  form: Record<string, string>;
}

/** `hang up` closes the connection without an answer, `silence` never answers. */
export type ProviderAnswer = { status: number; json?: unknown; text?: string } | "hang up" | "silence";

export interface ProviderServer {
  url: string;
  calls: ProviderCall[];
  /** Connections that are open, and that there have been. */
  connections: () => { open: number; ever: number };
  close(): Promise<void>;
}

/** A provider's API over HTTP that answers as told; closed after the test. `earlier`: calls before this one. */
export async function startProvider(
  answer: (call: ProviderCall, earlier: number) => ProviderAnswer | Promise<ProviderAnswer>,
  port = 0,
): Promise<ProviderServer> {
  const calls: ProviderCall[] = [];
  const sockets = new Set<Socket>();
  let ever = 0;
  const http = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const { method = "", url: path = "", headers } = request;
    const type = headers["content-type"] ?? "";
    const form = await new Response(Buffer.concat(chunks), { headers: { "content-type": type } }).formData();
    const fields = Object.fromEntries([...form].map(([name, value]) => [name, String(value)]));
    const call = { method, path, headers, form: fields };
    calls.push(call);
    const verdict = await answer(call, calls.length - 1);
    if (verdict === "silence") return;
    if (verdict === "hang up") return void request.socket.destroy();
    const { status, json, text } = verdict;
    response.writeHead(status, { "content-type": json === undefined ? "text/plain" : "application/json" });
    response.end(json === undefined ? text : JSON.stringify(json));
  });
  // Whoever connected decides when it ends.
  http.keepAliveTimeout = 0;
  http.on("connection", (socket) => {
    ever++;
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  http.listen(port, "127.0.0.1");
  await once(http, "listening");
  const server = {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    calls,
    connections: () => ({ open: sockets.size, ever }),
    async close() {
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
  closeAfterTest(() => server.close());
  return server;
}
