import type { Socket as Connection } from "engine.io";
import type { Sink } from "../../realtime/device.ts";
import { changesText, shared, textOf } from "./encode.ts";
import { createSendBuffer } from "./send-buffer.ts";

/** An event in Socket.IO's protocol (version 5). Encoded here, one text serves all connections. */
const packet = (event: string, json: string): string => `2["${event}",${json}]`;

const changesPacket = shared((changes) => {
  const { type, text } = changesText(changes);
  return packet(type, text);
});

/** The queue dialect's event. */
const newItems = shared(({ changes }) =>
  changes.flatMap((one) => {
    if (one.change !== "new") return [];
    const { id, body, title, key } = one.item;
    return [packet("notification", JSON.stringify({ message: body ?? title ?? key, id }))];
  }),
);

/** `sent` is called when the network has taken a text. `flush` sends what waits in this process. */
export function eventSink(conn: Connection, sent: () => void): { sink: Sink; flush: () => boolean } {
  const write = (text: string) => conn.write(text, {}, sent);
  const { push, flush, backlog } = createSendBuffer<string>(write, () => backlogOf(conn));
  const sink: Sink = {
    state: (standing) => write(packet("state", textOf({ type: "state", ...standing }))),
    changes(changes) {
      write(changesPacket(changes));
      push(newItems(changes));
    },
    resync: (standing) => write(packet("resync", textOf({ type: "resync", ...standing }))),
    backlog,
    leave(retryMs) {
      write(packet("bye", textOf({ type: "bye", retry_ms: retryMs })));
      // After `disconnect` a client would not reconnect.
      conn.close();
    },
  };
  return { sink, flush };
}

/** Characters that the transport has not got, and bytes that its WebSocket has not sent. Both lack a type. */
function backlogOf(conn: Connection): number {
  const { writeBuffer, transport } = conn as unknown as {
    writeBuffer: Array<{ data?: { length: number } }>;
    transport: { socket?: { bufferedAmount: number } };
  };
  const waiting = writeBuffer.reduce((sum, { data }) => sum + (data?.length ?? 0), 0);
  return waiting + (transport.socket?.bufferedAmount ?? 0);
}
