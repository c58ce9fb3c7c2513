/** What of the list only the browser knows: when its end comes into sight, and what does not fit in its row. */
export class Sight {
  readonly #end: IntersectionObserver;
  readonly #size = new ResizeObserver(([list]) => list && markCut(list.target));

  constructor(onEnd: () => void) {
    this.#end = new IntersectionObserver((entries) => entries.some((one) => one.isIntersecting) && onEnd());
  }

  /** After each time that the list is drawn: both tell at once how things are, and then when that changes. */
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

/** How much is cut off depends on the letters and the room. Some letters are a little higher than their line. */
const isCut = (text: Element): boolean => text.scrollHeight > text.clientHeight + 8;

/** How a row was when its texts were measured: while it is like that, they are not measured again. */
const measured = new WeakMap<Element, string>();
const looks = (row: Element): string => `${row.clientWidth} ${row.clientHeight} ${row.className}`;

/** Those rows get the button for the rest. What is shown whole is left as it was. */
function markCut(list: Element): void {
  const rows = [...list.children].filter(
    (row) => !row.classList.contains("whole") && measured.get(row) !== looks(row),
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
