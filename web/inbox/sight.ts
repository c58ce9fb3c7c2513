/** Observes the list: when it or its end comes into sight, and which texts do not fit. */
export class Sight {
  readonly #list: IntersectionObserver;
  readonly #end: IntersectionObserver;
  readonly #size = new ResizeObserver(([list]) => list && markCut(list.target));

  constructor(onList: () => void, onEnd: () => void) {
    const observe = (onSight: () => void) =>
      new IntersectionObserver((entries) => entries.some((one) => one.isIntersecting) && onSight());
    this.#list = observe(onList);
    this.#end = observe(onEnd);
  }

  /** Call it after each render: all observers report the present state at once, and then each change. */
  follow(root: ParentNode): void {
    this.end();
    const list = root.querySelector("ul");
    const end = root.querySelector(".end");
    if (list) {
      sweep(list);
      this.#size.observe(list);
      this.#list.observe(list);
    }
    if (end) this.#end.observe(end);
  }

  end(): void {
    this.#list.disconnect();
    this.#end.disconnect();
    this.#size.disconnect();
  }
}

/** Some letters are a little higher than their line, so a few pixels are tolerated. */
const isCut = (text: Element): boolean => text.scrollHeight > text.clientHeight + 8;

/** The state of each row when it was measured. An unchanged row is not measured again. */
const measured = new WeakMap<Element, string>();
const looks = (row: Element): string => `${row.clientWidth} ${row.clientHeight} ${row.className}`;

/** Marks the rows whose text is cut. They have a button that shows the rest. */
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
 * Removes the comment nodes that Lit's `repeat` leaves behind for each removed row (github.com/lit/lit/issues/5298). It needs
 * two between rows: the end of one and the start of the next.
 */
function sweep(list: Element): void {
  for (let at = list.firstChild; at; at = at.nextSibling)
    while (isComment(at) && isComment(at.nextSibling) && isComment(at.nextSibling?.nextSibling))
      at.nextSibling?.remove();
}
