import { html, render, type TemplateResult } from "lit";
import { Part } from "../part.ts";

/** Rendered beyond what is seen, so that a quick finger finds rows. */
const overscan = 8;
/** The window of rendered rows moves in steps, or each frame of a scroll would render. */
const step = 4;

interface Drawn<Row> {
  element: HTMLElement;
  index: number;
  row?: Row;
  cells?: (row: Row) => TemplateResult;
}

/**
 * A list of rows of equal height of which those that are seen are in the document, however many there are. The keyboard
 * moves one row at a time (arrows, Page Up and Down, Home, End) and opens it (Enter); the list itself keeps the focus.
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
  /** Told apart from the one before, the rows have changed in place. */
  declare version: number;
  /** The window: so many rows from the first one on. */
  #first = 0;
  #size = 0;
  #active = -1;
  #rowHeight = 44;
  /** The rows that are in the document, in their order, and of what each was made. */
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

  /** Styles are asked only here: in the middle of a scroll that takes longer than all the rest. */
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
    >
      <div class="rows-head" role="row" aria-rowindex="1">${this.head}</div>
      <div class="rows-all" role="rowgroup">
        <div class="rows-window" role="presentation"></div>
      </div>
    </div>`;
  }

  override updated(): void {
    // Through the CSSOM: the policy allows no style attribute.
    const all = this.querySelector(".rows-all") as HTMLElement;
    const drawn = all.firstElementChild as HTMLElement;
    all.style.height = `${this.rows.length * this.#rowHeight}px`;
    drawn.style.transform = `translateY(${this.#first * this.#rowHeight}px)`;
    this.#draw(drawn);
    this.#tell();
  }

  /**
   * What leaves at one end comes back at the other, as another row; those between are not touched. Lit's `repeat` would
   * make new ones, and leave a comment behind for each that went.
   */
  #draw(into: HTMLElement): void {
    const [first, last] = [this.#first, this.#last];
    const kept = this.#drawn.filter(({ index }) => index >= first && index < last);
    const spare = this.#drawn.filter(({ index }) => index < first || index >= last);
    // When none stays, all do where they are.
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
