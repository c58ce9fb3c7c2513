import { html, type TemplateResult } from "lit";
import { Part } from "../part.ts";

/** Rendered beyond what is seen, so that a quick finger finds rows. */
const overscan = 8;
/** The window of rendered rows moves in steps, or each frame of a scroll would render. */
const step = 4;

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
  declare row: (row: Row, index: number) => TemplateResult;
  /** Index of the open row; -1: none is. */
  declare selected: number;
  /** Told apart from the one before, the rows have changed in place. */
  declare version: number;
  #first = 0;
  #last = 0;
  #active = -1;
  #rowHeight = 44;
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
    this.#measure();
  }

  get #grid(): HTMLElement | null {
    return this.querySelector<HTMLElement>(".rows-grid");
  }

  #measure = (): void => {
    const grid = this.#grid;
    if (!grid) return;
    this.#rowHeight = Number.parseFloat(getComputedStyle(grid).getPropertyValue("--row-height")) || 44;
    const from = Math.floor(grid.scrollTop / this.#rowHeight) - overscan;
    const to = Math.ceil((grid.scrollTop + grid.clientHeight) / this.#rowHeight) + overscan;
    const first = Math.max(0, Math.floor(from / step) * step);
    const last = Math.max(0, Math.ceil(to / step) * step);
    if (first !== this.#first || last !== this.#last) {
      [this.#first, this.#last] = [first, last];
      this.requestUpdate();
    }
    this.dispatchEvent(new CustomEvent("seen", { detail: Math.min(last, this.rows.length) }));
  };

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
    this.#measure();
    this.requestUpdate();
  }

  override render(): TemplateResult {
    const last = Math.min(this.#last, this.rows.length);
    const isActiveShown = this.#active >= this.#first && this.#active < last;
    return html`<div
      class="rows-grid"
      role="grid"
      tabindex="0"
      aria-label=${this.label}
      aria-rowcount="-1"
      aria-activedescendant=${isActiveShown ? `row-${this.#active}` : ""}
      @scroll=${this.#measure}
      @keydown=${this.#key}
    >
      <div class="rows-head" role="row" aria-rowindex="1">${this.head}</div>
      <div class="rows-all" role="rowgroup">
        <div class="rows-window" role="presentation">
          ${this.rows.slice(this.#first, last).map((row, at) => {
            const index = this.#first + at;
            const marks = `${index === this.selected ? " is-open" : ""}${index === this.#active ? " is-active" : ""}`;
            return html`<div
              class=${`row${marks}`}
              id=${`row-${index}`}
              role="row"
              aria-rowindex=${index + 2}
              aria-selected=${index === this.selected}
            >${this.row(row, index)}</div>`;
          })}
        </div>
      </div>
    </div>`;
  }

  override updated(): void {
    // Through the CSSOM: the policy allows no style attribute.
    const all = this.querySelector(".rows-all") as HTMLElement;
    all.style.height = `${this.rows.length * this.#rowHeight}px`;
    (this.querySelector(".rows-window") as HTMLElement).style.transform =
      `translateY(${this.#first * this.#rowHeight}px)`;
    this.#measure();
  }
}

customElements.define("bf-rows", Rows);
