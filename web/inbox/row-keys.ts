import type { InboxItem } from "../../src/client/index.ts";
import type { Browsing } from "./browsing.ts";
import { aimAt, fields, focusRow, isFrom, rowOf } from "./keys.ts";

interface Host {
  readonly items: readonly InboxItem[];
  readonly renderRoot: ParentNode & Node;
  readonly updateComplete: Promise<unknown>;
  requestUpdate(): void;
}

/** The keys of the panel: arrows between the rows, and Ctrl+Z. */
export class RowKeys {
  readonly #host: Host;
  readonly #browsing: Browsing;
  readonly #undoLast: () => string | undefined;

  /** `undoLast` returns the id of the item that is back. */
  constructor(host: Host, browsing: Browsing, undoLast: () => string | undefined) {
    this.#host = host;
    this.#browsing = browsing;
    this.#undoLast = undoLast;
  }

  readonly onKey = (event: KeyboardEvent): void => {
    const target = event.target as Element;
    if (isFrom(event, fields)) return;
    if (event.code === "KeyZ" && (event.ctrlKey || event.metaKey)) this.undo();
    if (!rowOf(event, this.#host.renderRoot) && target.id !== "panel") return;
    const { items } = this.#host;
    const from = target.id === "panel" ? -1 : this.#indexOf(this.#browsing.current);
    const to = aimAt(event, from, items.length);
    if (to === undefined) return;
    event.preventDefault();
    this.#browsing.goTo(to, items);
    this.#host.requestUpdate();
    this.#focus(() => to);
  };

  undo(): void {
    const id = this.#undoLast();
    if (!id) return;
    this.#browsing.current = id;
    this.#focus(() => this.#indexOf(id));
  }

  #indexOf(id: string | undefined): number {
    return this.#host.items.findIndex((one) => one.id === id);
  }

  #focus(index: () => number): void {
    void this.#host.updateComplete.then(() => focusRow(this.#host.renderRoot, index()));
  }
}
