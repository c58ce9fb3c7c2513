import type { Browsing } from "./browsing.ts";
import type { Entry } from "./groups.ts";
import { aimAt, fields, focusRow, isFrom, rowOf } from "./keys.ts";

interface Host {
  readonly renderRoot: ParentNode & Node;
  readonly updateComplete: Promise<unknown>;
  requestUpdate(): void;
}

/** The keys of the panel: arrows between the rows, and Ctrl+Z. */
export class RowKeys {
  readonly #host: Host;
  readonly #browsing: Browsing;
  readonly #rows: () => readonly Entry[];
  readonly #undoLast: () => string | undefined;

  /** `undoLast` returns the id of the item that is back. */
  constructor(
    host: Host,
    browsing: Browsing,
    rows: () => readonly Entry[],
    undoLast: () => string | undefined,
  ) {
    this.#host = host;
    this.#browsing = browsing;
    this.#rows = rows;
    this.#undoLast = undoLast;
  }

  readonly onKey = (event: KeyboardEvent): void => {
    const target = event.target as Element;
    if (isFrom(event, fields)) return;
    if (event.code === "KeyZ" && (event.ctrlKey || event.metaKey)) this.undo();
    if (!rowOf(event, this.#host.renderRoot) && target.id !== "panel") return;
    const rows = this.#rows();
    const from = target.id === "panel" ? -1 : this.#indexOf(this.#browsing.current);
    const to = aimAt(event, from, rows.length);
    if (to === undefined) return;
    event.preventDefault();
    this.#browsing.goTo(to, rows);
    this.#host.requestUpdate();
    this.#focus(() => to);
  };

  undo(): void {
    const id = this.#undoLast();
    if (!id) return;
    this.#browsing.current = id;
    this.#focus(() => this.#indexOf(id));
  }

  /** The row of that id, or of the closed group that has the item. */
  #indexOf(id: string | undefined): number {
    const rows = this.#rows();
    const index = rows.findIndex((one) => one.id === id);
    return index < 0 ? rows.findIndex(({ group }) => group?.some((one) => one.id === id)) : index;
  }

  #focus(index: () => number): void {
    void this.#host.updateComplete.then(() => focusRow(this.#host.renderRoot, index()));
  }
}
