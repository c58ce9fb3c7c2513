import type { Duplex } from "node:stream";
import { WebSocket } from "ws";
import type { InboxChanges, InboxState } from "../../model/live.ts";
import type { Sink } from "../../realtime/device.ts";
import type { Hub, Subscription } from "../../realtime/hub.ts";
import type { Heartbeat, Peer } from "./heartbeat.ts";
import { createRateLimit } from "./rate-limit.ts";
import { textBytes } from "./send-buffer.ts";

export interface Listener {
  user: string;
  /** The `rev` that the device knows, or `fromNow`. */
  since: number;
  /** When the permission ends, in Unix milliseconds. Absent: never. */
  expiresAt?: number | undefined;
}

export const asText = { binary: false };

/**
 * A device's connection. 10,000 of them may be idle, so this is a class: with closures a connection takes 5.2 KB of heap
 * instead of 3.7. A bare WebSocket takes 2.8 KB.
 */
export abstract class LiveSocket extends WebSocket implements Peer, Sink {
  expiresAt?: number | undefined;
  #heartbeat?: Heartbeat;
  #subscription?: Subscription | undefined;
  #mayReceive?: () => boolean;
  #answered = true;
  #backlog = 0;
  /** Texts that the network has not taken, and the callback for each that it takes. */
  #waiting = 0;
  #onTaken?: () => void;

  abstract state(standing: InboxState): void;
  abstract changes(changes: InboxChanges): void;
  abstract resync(standing: InboxState): void;
  abstract backlog(): number;
  abstract leave(retryMs: number): void;
  /** Handles a text of the client. */
  abstract receive(text: Buffer): void;
  /** Sends what waits in this process; true when nothing is left. */
  abstract flush(): boolean;

  listen(
    { hub, heartbeat }: { hub: Hub; heartbeat: Heartbeat },
    socket: Duplex,
    { user, since, expiresAt }: Listener,
  ): void {
    this.expiresAt = expiresAt;
    this.#heartbeat = heartbeat;
    this.on("message", this.#onMessage);
    this.on("ping", this.#onPing);
    this.on("pong", this.#onPong);
    this.on("close", this.#unsubscribe);
    // After an invalid or oversized frame `ws` closes the connection.
    this.on("error", this.#unsubscribe);
    socket.on("drain", () => {
      this.#answered = true;
      this.#continue();
    });
    heartbeat.add(this);
    this.#subscription = hub.subscribe(user, since, this);
  }

  /** Sends a text and continues when the network has taken it: a few small texts cause no `drain`. */
  protected sendTracked(text: Buffer): void {
    this.#waiting++;
    this.#onTaken ??= () => {
      if (--this.#waiting === 0) this.#continue();
    };
    this.send(text, asText, this.#onTaken);
  }

  /** Memory of everything that waits in the network, in bytes. */
  protected waiting(): number {
    return this.bufferedAmount + this.#waiting * textBytes;
  }

  #continue(): void {
    if (this.flush()) this.#subscription?.drained();
  }

  beat(): void {
    const before = this.#backlog;
    this.#backlog = this.bufferedAmount;
    // The client must read everything before the ping first, so a shrinking backlog counts as an answer.
    if (!this.#answered && this.#backlog >= before) {
      this.terminate();
      return;
    }
    this.#answered = false;
    this.ping();
  }

  expire(): void {
    this.end(1008, "token_expired");
  }

  /** Ends the subscription and closes with a reason. */
  end(code: number, reason: string): void {
    this.#unsubscribe();
    this.close(code, reason);
  }

  #unsubscribe(): void {
    this.#subscription?.close();
    this.#subscription = undefined;
    this.#heartbeat?.remove(this);
  }

  #isFlood(): boolean {
    this.#mayReceive ??= createRateLimit();
    return !this.#mayReceive();
  }

  #onMessage(data: Buffer, isBinary: boolean): void {
    // An earlier message may have ended the connection.
    if (!this.#subscription) return;
    if (isBinary) this.end(1003, "text_only");
    else if (this.#isFlood()) this.end(1008, "too_many_messages");
    else this.receive(data);
  }

  #onPing(): void {
    if (this.#subscription && this.#isFlood()) this.end(1008, "too_many_messages");
  }

  #onPong(): void {
    this.#answered = true;
  }
}
