import { html, render, type TemplateResult } from "lit";
import { Part } from "../part.ts";

/** Rows rendered beyond the visible ones, for quick scrolling. */
const overscan = 8;
/** The window of rendered rows moves in steps, so that not every frame of a scroll renders. */
const step = 4;

interface Drawn<Row> {
  element: HTMLElement;
  index: number;
  row?: Row;
  cells?: (row: Row) => TemplateResult;
}

/**
 * A list of rows of equal height. Only the visible rows are in the document. The keyboard moves (arrows, Page Up and Down,
 * Home, End) and opens (Enter) while the list keeps the focus. A click opens a row too, unless it selects text.
 */
export class Rows<Row> extends Part {
  static override properties = {
    rows: { attribute: false },
    label: { attribute: false },
    head: { attribute: false },
    row: { attribute: false },
    selected: { attribute: false },
    version: { attribute: false },
  };
  declare rows: Row[];
  declare label: string;
  /** The header's cells. */
  declare head: unknown;
  /** One row's cells. */
  declare row: (row: Row) => TemplateResult;
  /** Index of the open row; -1: none is. */
  declare selected: number;
  /** A new value says that the rows have changed in place. */
  declare version: number;
  /** The window: this many rows from the first one on. */
  #first = 0;
  #size = 0;
  #active = -1;
  #rowHeight = 44;
  /** The rows in the document, in order, with what each was rendered from. */
  #drawn: Drawn<Row>[] = [];
  #watch = new ResizeObserver(() => this.#measure());

  constructor() {
    super();
    this.rows = [];
    this.selected = -1;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#watch.observe(this);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#watch.disconnect();
  }

  /** Back to the first row. */
  toTop(): void {
    this.#active = -1;
    this.#grid?.scrollTo(0, 0);
    this.#look();
  }

  get #grid(): HTMLElement | null {
    return this.querySelector<HTMLElement>(".rows-grid");
  }

  /** Styles are read only here: in the middle of a scroll that would be the slowest part. */
  #measure = (): void => {
    const grid = this.#grid;
    if (!grid) return;
    this.#rowHeight = Number.parseFloat(getComputedStyle(grid).getPropertyValue("--row-height")) || 44;
    const seen = grid.clientHeight / this.#rowHeight + 2 * overscan;
    this.#size = (Math.ceil(seen / step) + 1) * step;
    this.requestUpdate();
    this.#look();
  };

  #look = (): void => {
    const top = Math.floor((this.#grid?.scrollTop ?? 0) / this.#rowHeight);
    const first = Math.max(0, Math.floor((top - overscan) / step) * step);
    if (first !== this.#first) this.requestUpdate();
    this.#first = first;
    this.#tell();
  };

  #tell(): void {
    this.dispatchEvent(new CustomEvent("seen", { detail: this.#last }));
  }

  /** The rows in the window. */
  get shown(): Row[] {
    return this.rows.slice(this.#first, this.#last);
  }

  get #last(): number {
    return Math.min(this.#first + this.#size, this.rows.length);
  }

  #key = (event: KeyboardEvent): void => {
    const grid = this.#grid as HTMLElement;
    const pageful = Math.max(1, Math.floor(grid.clientHeight / this.#rowHeight) - 1);
    const end = this.rows.length - 1;
    const moves: Record<string, number> = {
      ArrowDown: this.#active + 1,
      ArrowUp: this.#active - 1,
      PageDown: this.#active + pageful,
      PageUp: this.#active - pageful,
      Home: 0,
      End: end,
    };
    const next = moves[event.key];
    if (event.key === "Enter" && this.#active >= 0)
      this.dispatchEvent(new CustomEvent("opened", { detail: this.rows[this.#active] as Row }));
    else if (next === undefined) return;
    else this.#moveTo(Math.max(0, Math.min(end, next)));
    event.preventDefault();
  };

  /** A mouse can select the user's id, so a click on it does not open the row. */
  #click = (event: PointerEvent): void => {
    const target = event.target as HTMLElement;
    const at = this.#drawn.find(({ element }) => element.contains(target))?.index;
    if (at === undefined || target.closest("a, button") || getSelection()?.toString()) return;
    if (event.pointerType === "mouse" && target.closest(".c-user")) return;
    this.dispatchEvent(new CustomEvent("opened", { detail: this.rows[at] as Row }));
  };

  #moveTo(index: number): void {
    const grid = this.#grid as HTMLElement;
    this.#active = index;
    const top = index * this.#rowHeight;
    const head = (grid.querySelector(".rows-head") as HTMLElement).offsetHeight;
    if (top < grid.scrollTop) grid.scrollTop = top;
    else if (top + this.#rowHeight > grid.scrollTop + grid.clientHeight - head)
      grid.scrollTop = top + this.#rowHeight - grid.clientHeight + head;
    this.#look();
    this.requestUpdate();
  }

  override render(): TemplateResult {
    const [first, last] = [this.#first, this.#last];
    const isActiveShown = this.#active >= first && this.#active < last;
    return html`<div
      class="rows-grid"
      role="grid"
      tabindex="0"
      aria-label=${this.label}
      aria-rowcount="-1"
      aria-activedescendant=${isActiveShown ? `row-${this.#active}` : ""}
      @scroll=${this.#look}
      @keydown=${this.#key}
      @click=${this.#click}
    >
      <div class="rows-head" role="row" aria-rowindex="1">${this.head}</div>
      <div class="rows-all" role="rowgroup">
        <div class="rows-window" role="presentation"></div>
      </div>
    </div>`;
  }

  override updated(): void {
    // Through the CSSOM: the Content-Security-Policy allows no style attributes.
    const all = this.querySelector(".rows-all") as HTMLElement;
    const drawn = all.firstElementChild as HTMLElement;
    all.style.height = `${this.rows.length * this.#rowHeight}px`;
    drawn.style.transform = `translateY(${this.#first * this.#rowHeight}px)`;
    this.#draw(drawn);
    this.#tell();
  }

  /**
   * Rows that leave at one end are reused at the other; those between are not touched. Lit's `repeat` would create new
   * ones and leave a comment node behind for each old one.
   */
  #draw(into: HTMLElement): void {
    const [first, last] = [this.#first, this.#last];
    const kept = this.#drawn.filter(({ index }) => index >= first && index < last);
    const spare = this.#drawn.filter(({ index }) => index < first || index >= last);
    // If no row stays in the window, all are reused in place.
    if (kept.length > 0) for (const { element } of spare) element.remove();
    let next = into.firstElementChild;
    this.#drawn = this.rows.slice(first, last).map((row, at) => {
      const index = first + at;
      const one = (kept[0]?.index === index ? kept.shift() : spare.shift()) ?? { element: newRow(), index };
      if (one.element === next) next = next.nextElementSibling;
      else into.insertBefore(one.element, next);
      this.#dress(one.element, index);
      if (one.row !== row || one.cells !== this.row) render(this.row(row), one.element);
      return { element: one.element, index, row, cells: this.row };
    });
    for (const { element } of spare) element.remove();
  }

  #dress(element: HTMLElement, index: number): void {
    element.classList.toggle("is-open", index === this.selected);
    element.classList.toggle("is-active", index === this.#active);
    if (element.id === `row-${index}` && element.ariaSelected === `${index === this.selected}`) return;
    element.id = `row-${index}`;
    element.ariaRowIndex = `${index + 2}`;
    element.ariaSelected = `${index === this.selected}`;
  }
}

function newRow(): HTMLElement {
  const element = document.createElement("div");
  element.className = "row";
  element.role = "row";
  return element;
}

customElements.define("bf-rows", Rows);
