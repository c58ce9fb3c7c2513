import type { InboxChanges } from "../../model/live.ts";
import { notificationOnWire } from "../dialects/live-wire.ts";
import { shared } from "./encode.ts";
import { asText, LiveSocket } from "./live-socket.ts";
import { createSendBuffer } from "./send-buffer.ts";

/** Limit for a client that sends and does not read the echo. */
const maxEchoBacklog = 1024 * 1024;

const newItems = shared(({ changes }) =>
  changes.flatMap((one) =>
    one.change === "new"
      ? [Buffer.from(JSON.stringify({ type: "notification", data: notificationOnWire(one.item) }))]
      : [],
  ),
);

/** Sends only new items and the echo of the client's own texts. */
export class DialectSocket extends LiveSocket {
  readonly #sendBuffer = createSendBuffer<Buffer>(
    (text) => this.sendTracked(text),
    () => this.waiting(),
  );

  state(): void {}
  changes(changes: InboxChanges): void {
    this.#sendBuffer.push(newItems(changes));
  }
  resync(): void {}
  backlog(): number {
    return this.#sendBuffer.backlog();
  }
  leave(): void {
    this.end(1001, "leaving");
  }
  receive(text: Buffer): void {
    this.send(text, asText);
    if (this.bufferedAmount > maxEchoBacklog) this.end(1013, "not_reading");
  }
  flush(): boolean {
    return this.#sendBuffer.flush();
  }
}
