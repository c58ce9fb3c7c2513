import type { InboxItem } from "../../src/client/index.ts";

/** The events of the tag, for its page. */
export class PageEvents {
  readonly #host: HTMLElement;
  #counted: { unread: number; total: number } | undefined;

  constructor(host: HTMLElement) {
    this.#host = host;
  }

  /** Another user's inbox: its first count is new, whatever it is. */
  forget(): void {
    this.#counted = undefined;
  }

  count({ unread, total }: { unread: number; total: number }): void {
    if (unread === this.#counted?.unread && total === this.#counted.total) return;
    this.#counted = { unread, total };
    this.#dispatch("belfry-count", this.#counted);
  }

  /** `items`: newest first. */
  arrived(items: InboxItem[]): void {
    for (const item of items.toReversed()) this.#dispatch("belfry-new", { item });
  }

  listed(items: readonly InboxItem[]): void {
    this.#dispatch("belfry-items", { items });
  }

  /** False: a listener has called `preventDefault`. */
  clicked(item: InboxItem): boolean {
    return this.#dispatch("belfry-click", { item }, true);
  }

  #dispatch(type: string, detail: object, cancelable = false): boolean {
    const event = new CustomEvent(type, { detail, bubbles: true, composed: true, cancelable });
    return this.#host.dispatchEvent(event);
  }
}
