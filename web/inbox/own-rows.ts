import type { InboxItem } from "../../src/client/index.ts";
import type { BelfryInboxProperties } from "./public.d.ts";

type RenderItem = BelfryInboxProperties["renderItem"];

export const slotOf = ({ id }: InboxItem): string => `item-${id}`;

/**
 * Rows that the page draws. They are children of the tag, so that the page's styles apply. The page adds them itself, or
 * `renderItem` makes them.
 */
export class OwnRows {
  readonly #host: Element;
  #filled = new Set<string>();
  readonly #made = new Map<string, { item: InboxItem; by: RenderItem; node: HTMLElement | undefined }>();

  constructor(host: Element) {
    this.#host = host;
  }

  has(item: InboxItem): boolean {
    return this.#filled.has(slotOf(item));
  }

  /** Draws these rows and removes all others. */
  draw(items: readonly InboxItem[], by: RenderItem): void {
    const ids = new Set(by && items.map((one) => one.id));
    for (const [id, { node }] of this.#made)
      if (!ids.has(id)) {
        node?.remove();
        this.#made.delete(id);
      }
    if (by) for (const item of items) this.#drawOne(item, by);
    this.#filled = new Set([...this.#host.children].map((one) => one.slot));
  }

  #drawOne(item: InboxItem, by: NonNullable<RenderItem>): void {
    const before = this.#made.get(item.id);
    if (before?.item === item && before.by === by) return;
    const node = wrapped(item, by);
    if (node && before?.node) before.node.replaceWith(node);
    else {
      before?.node?.remove();
      if (node) this.#host.append(node);
    }
    this.#made.set(item.id, { item, by, node });
  }
}

/** Undefined: the page does not draw this row, or its function failed. */
function wrapped(item: InboxItem, by: NonNullable<RenderItem>): HTMLElement | undefined {
  try {
    const made = by(item);
    if (made === undefined || made === null) return undefined;
    const node = document.createElement("div");
    node.slot = slotOf(item);
    node.append(made);
    return node;
  } catch (error) {
    reportError(error);
    return undefined;
  }
}
