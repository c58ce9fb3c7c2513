import { fromNow, type InboxChanges, type InboxItem } from "../../src/model/live.ts";
import type { Sink } from "../../src/realtime/device.ts";
import type { Hub, Subscription } from "../../src/realtime/hub.ts";

export interface Known {
  rev: number;
  unseen: number;
  items: InboxItem[];
}

/** What was never read of an inbox. */
export const nothingYet: Known = { rev: fromNow, unseen: 0, items: [] };

/**
 * A page or app as it should be written. Each message is as big as it is told; while the device is stalled they wait in
 * the network.
 */
export class Device implements Sink {
  /** The names of all that it was sent, and what was wrong with it. */
  readonly heard: string[] = [];
  known: Known;
  stalled = false;
  /** Told to come back after so many milliseconds. */
  left: number | undefined;
  /** The biggest backlog there was. */
  most = 0;
  readonly subscription: Subscription;
  readonly #list: () => Known;
  readonly #bytes: number;
  #network: Array<() => void> = [];

  constructor(hub: Hub, user: string, options: { known?: Known; list: () => Known; bytes?: number }) {
    this.known = options.known ?? options.list();
    this.#list = options.list;
    this.#bytes = options.bytes ?? 100 * 1024;
    this.subscription = hub.subscribe(user, this.known.rev, this);
  }

  state(): void {
    this.#receive("state", () => {
      if (this.known.rev === fromNow) this.known = this.#list();
    });
  }
  changes(view: InboxChanges): void {
    this.#receive("changes", () => {
      // A list that was read since says more.
      if (view.rev <= this.known.rev) return;
      if (view.since > this.known.rev) this.heard.push("a gap");
      const items = new Map(this.known.items.map((one) => [one.id, one]));
      for (const one of view.changes) {
        if (one.change === "deleted") {
          items.delete(one.id);
          continue;
        }
        if ((one.change === "new") !== one.item.created_rev > view.since)
          this.heard.push("a wrong word for what happened");
        if (one.change === "new" || items.has(one.item.id)) items.set(one.item.id, one.item);
        else this.heard.push("a change of something unknown");
      }
      const inOrder = [...items.values()].sort(
        (a, b) => a.created_rev - b.created_rev || (a.id < b.id ? -1 : 1),
      );
      this.known = {
        rev: view.rev,
        unseen: view.unseen,
        items: view.total === 0 ? [] : inOrder.slice(-view.total),
      };
    });
  }
  resync(): void {
    this.#receive("resync", () => {
      this.known = this.#list();
    });
  }
  backlog(): number {
    return this.#network.length * this.#bytes;
  }
  leave(ms: number): void {
    this.left = ms;
  }

  /** The network takes everything. */
  drain(): void {
    this.stalled = false;
    for (const message of this.#network.splice(0)) message();
    this.subscription.drained();
  }

  #receive(name: string, message: () => void): void {
    this.heard.push(name);
    if (this.stalled) this.#network.push(message);
    else message();
    this.most = Math.max(this.most, this.backlog());
  }
}
