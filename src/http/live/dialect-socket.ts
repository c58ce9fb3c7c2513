import type { InboxChanges } from "../../model/live.ts";
import { notificationOnWire } from "../dialects/live-wire.ts";
import { shared } from "./encode.ts";
import { asText, LiveSocket } from "./live-socket.ts";
import { createOutlet } from "./outlet.ts";

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
  readonly #outlet = createOutlet<Buffer>(
    (text) => this.tell(text),
    () => this.waiting(),
  );

  state(): void {}
  changes(changes: InboxChanges): void {
    this.#outlet.push(newItems(changes));
  }
  resync(): void {}
  backlog(): number {
    return this.#outlet.backlog();
  }
  leave(): void {
    this.end(1001, "leaving");
  }
  hear(text: Buffer): void {
    this.send(text, asText);
    if (this.bufferedAmount > maxEchoBacklog) this.end(1013, "not_reading");
  }
  flush(): boolean {
    return this.#outlet.flush();
  }
}
