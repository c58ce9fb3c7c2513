import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import { BelfryError } from "../../model/errors.ts";
import type { InboxChanges, InboxState } from "../../model/live.ts";
import { DialectSocket } from "./dialect-socket.ts";
import { changesText, shared, textOf } from "./encode.ts";
import type { LiveParts } from "./index.ts";
import { type Listener, LiveSocket } from "./live-socket.ts";

/** `live`: the live dialect's protocol. */
export type WebSocketListener = Listener & { protocol: "own" | "live" };

export const maxPayloadBytes = 64 * 1024;
/** How long a peer may take to read what is left and to answer a close. */
export const closeTimeoutMs = 5_000;

/** Limits of every WebSocket, Socket.IO's as well. The types lack these options. */
export const webSocketLimits = {
  // A fragment costs as much as a message, and the rate limit does not count it.
  maxFragments: 128,
  // Reads of the network that one frame may take.
  maxBufferedChunks: 1024,
  closeTimeout: closeTimeoutMs,
};

/** Our own WebSockets and those of the live dialect, from the upgrade on. */
export function createWebSockets(parts: Pick<LiveParts, "hub" | "heartbeat">) {
  const options = {
    ...webSocketLimits,
    noServer: true,
    clientTracking: false,
    // Compression keeps about 300 KB for each connection.
    perMessageDeflate: false,
    maxPayload: maxPayloadBytes,
    // Pings count against the rate limit, which closes with a code. This option would cut the connection.
    maxPendingAutoPongs: 0,
  };
  const servers = {
    own: new WebSocketServer<typeof OwnSocket>({ ...options, WebSocket: OwnSocket }),
    live: new WebSocketServer<typeof DialectSocket>({ ...options, WebSocket: DialectSocket }),
  };

  return {
    /** Opens the socket. A refused one gets a close code, because a browser cannot read an HTTP answer to an upgrade. */
    open(
      request: IncomingMessage,
      socket: Duplex,
      head: Buffer,
      listener: WebSocketListener | BelfryError,
    ): void {
      const refused = listener instanceof BelfryError;
      servers[refused ? "own" : listener.protocol].handleUpgrade(request, socket, head, (ws) => {
        if (!refused) return ws.listen(parts, socket, listener);
        ws.on("error", () => {});
        ws.close(closeCodeOf(listener), listener.code);
      });
    },
  };
}

function closeCodeOf({ status }: BelfryError): number {
  if (status === 429 || status === 503) return 1013;
  return status >= 500 ? 1011 : 1008;
}

const changesBytes = shared((changes) => Buffer.from(changesText(changes).text));

class OwnSocket extends LiveSocket {
  state(standing: InboxState): void {
    this.send(textOf({ type: "state", ...standing }));
  }
  changes(changes: InboxChanges): void {
    this.sendTracked(changesBytes(changes));
  }
  resync(standing: InboxState): void {
    this.send(textOf({ type: "resync", ...standing }));
  }
  backlog(): number {
    return this.waiting();
  }
  leave(retryMs: number): void {
    this.send(textOf({ type: "bye", retry_ms: retryMs }));
    this.end(1001, "leaving");
  }
  receive(): void {}
  flush(): boolean {
    return true;
  }
}
