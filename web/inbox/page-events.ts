import type { InboxItem } from "../../src/client/index.ts";

type Counts = Record<"unread" | "unseen" | "total", number>;

/** The events of the tag, for its page. */
export class PageEvents {
  readonly #host: HTMLElement;
  #counted: Counts | undefined;

  constructor(host: HTMLElement) {
    this.#host = host;
  }

  /** Another user's inbox: its first count is new, whatever it is. */
  forget(): void {
    this.#counted = undefined;
  }

  count({ unread, unseen, total }: Counts): void {
    const before = this.#counted;
    if (unread === before?.unread && unseen === before.unseen && total === before.total) return;
    this.#counted = { unread, unseen, total };
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
