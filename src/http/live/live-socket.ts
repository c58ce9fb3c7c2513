import type { Duplex } from "node:stream";
import { WebSocket } from "ws";
import type { Hub, Sink, Subscription } from "../../model/hub.ts";
import type { InboxChanges, Standing } from "../../model/live.ts";
import { createBucket } from "./bucket.ts";
import { textBytes } from "./outlet.ts";
import type { Peer, Pulse } from "./pulse.ts";

export interface Listener {
  user: string;
  /** The `rev` that the device knows, or `fromNow`. */
  since: number;
  /** Unix milliseconds; absent: its permission has no end. */
  expiresAt?: number | undefined;
}

export const asText = { binary: false };

/**
 * A device's connection. A class, since 10,000 of them are idle: with a closure for each thing to do a connection took
 * 5.2 KB of heap instead of 3.7; a bare one takes 2.8.
 */
export abstract class LiveSocket extends WebSocket implements Peer, Sink {
  expiresAt?: number | undefined;
  #pulse?: Pulse;
  #subscription?: Subscription | undefined;
  #mayReceive?: () => boolean;
  #answered = true;
  #backlog = 0;
  /** Texts that the network has not taken, and who is told that it has taken one. */
  #waiting = 0;
  #onTaken?: () => void;

  abstract state(standing: Standing): void;
  abstract changes(changes: InboxChanges): void;
  abstract resync(standing: Standing): void;
  abstract backlog(): number;
  abstract leave(retryMs: number): void;
  /** The client has sent a text. */
  abstract hear(text: Buffer): void;
  /** Goes on with what is left to say; true when there is no more. */
  abstract flush(): boolean;

  listen(
    { hub, pulse }: { hub: Hub; pulse: Pulse },
    socket: Duplex,
    { user, since, expiresAt }: Listener,
  ): void {
    this.expiresAt = expiresAt;
    this.#pulse = pulse;
    this.on("message", this.#onMessage);
    this.on("ping", this.#onPing);
    this.on("pong", this.#onPong);
    this.on("close", this.#unsubscribe);
    // What is no WebSocket frame, or too long: `ws` closes by itself.
    this.on("error", this.#unsubscribe);
    socket.on("drain", () => {
      this.#answered = true;
      this.#goOn();
    });
    pulse.add(this);
    this.#subscription = hub.subscribe(user, since, this);
  }

  /** Writes what may have to wait. Each is told of when it is taken: a few small ones are too little for a `drain`. */
  protected tell(text: Buffer): void {
    this.#waiting++;
    this.#onTaken ??= () => {
      if (--this.#waiting === 0) this.#goOn();
    };
    this.send(text, asText, this.#onTaken);
  }

  /** Bytes that hold what waits, told or sent besides. */
  protected waiting(): number {
    return this.bufferedAmount + this.#waiting * textBytes;
  }

  #goOn(): void {
    if (this.flush()) this.#subscription?.drained();
  }

  beat(): void {
    const before = this.#backlog;
    this.#backlog = this.bufferedAmount;
    // Its pong cannot come before what lies in front of the ping has been read: then reading is answer enough.
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

  /** Listens no more, and says why. */
  end(code: number, reason: string): void {
    this.#unsubscribe();
    this.close(code, reason);
  }

  #unsubscribe(): void {
    this.#subscription?.close();
    this.#subscription = undefined;
    this.#pulse?.remove(this);
  }

  #isFlood(): boolean {
    this.#mayReceive ??= createBucket();
    return !this.#mayReceive();
  }

  #onMessage(data: Buffer, isBinary: boolean): void {
    // It may have been ended by what came before.
    if (!this.#subscription) return;
    if (isBinary) this.end(1003, "text_only");
    else if (this.#isFlood()) this.end(1008, "too_many_messages");
    else this.hear(data);
  }

  #onPing(): void {
    if (this.#subscription && this.#isFlood()) this.end(1008, "too_many_messages");
  }

  #onPong(): void {
    this.#answered = true;
  }
}
