/** What only the browser knows of the list: when its end comes into sight, and which texts do not fit. */
export class Sight {
  readonly #end: IntersectionObserver;
  readonly #size = new ResizeObserver(([list]) => list && markCut(list.target));

  constructor(onEnd: () => void) {
    this.#end = new IntersectionObserver((entries) => entries.some((one) => one.isIntersecting) && onEnd());
  }

  /** Call it after each render: both observers report the present state at once, and then each change. */
  follow(root: ParentNode): void {
    this.end();
    const list = root.querySelector("ul");
    const end = root.querySelector(".end");
    if (list) {
      sweep(list);
      this.#size.observe(list);
    }
    if (end) this.#end.observe(end);
  }

  end(): void {
    this.#end.disconnect();
    this.#size.disconnect();
  }
}

/** Some letters are a little higher than their line, so a few pixels more are no cut. */
const isCut = (text: Element): boolean => text.scrollHeight > text.clientHeight + 8;

/** The state of a row when its texts were measured: they are measured again only after it has changed. */
const measured = new WeakMap<Element, string>();
const looks = (row: Element): string => `${row.clientWidth} ${row.clientHeight} ${row.className}`;

/** Marks the rows whose text is cut: they get the button for the rest. */
function markCut(list: Element): void {
  const rows = [...list.children].filter(
    (row) => !row.matches(".whole, .own") && measured.get(row) !== looks(row),
  );
  const cut = rows.map((row) => [...row.querySelectorAll(".main, .body")].some(isCut));
  for (const [index, row] of rows.entries()) row.toggleAttribute("data-cut", cut[index]);
  for (const row of rows) measured.set(row, looks(row));
}

const isComment = (node: Node | null | undefined): boolean => node?.nodeType === Node.COMMENT_NODE;

/**
 * Lit's `repeat` leaves a comment behind for each row that goes (github.com/lit/lit/issues/5298). It needs two between rows:
 * the end of one, the start of the next. What is between those is refuse.
 */
function sweep(list: Element): void {
  for (let at = list.firstChild; at; at = at.nextSibling)
    while (isComment(at) && isComment(at.nextSibling) && isComment(at.nextSibling?.nextSibling))
      at.nextSibling?.remove();
}
