/** The list is one stop of the Tab key: arrows move from row to row, Tab moves on to the row's own buttons. */

/** The row that a key moves to. */
export function aimAt({ key }: KeyboardEvent, from: number, count: number): number | undefined {
  if (key === "ArrowDown") return Math.min(from + 1, count - 1);
  if (key === "ArrowUp") return Math.max(from - 1, 0);
  if (key === "Home") return 0;
  if (key === "End") return count - 1;
  return undefined;
}

const rowsOf = (root: ParentNode) => [...root.querySelectorAll<HTMLElement>("li[data-id]")];

type Root = ParentNode & { activeElement?: Element | null };

/** The row of an event, which may come from content that the page has put into it. */
export const rowOf = (event: Event, root: Node): HTMLElement | undefined =>
  event
    .composedPath()
    .find(
      (one): one is HTMLElement =>
        one instanceof HTMLElement && one.localName === "li" && one.getRootNode() === root,
    );

/** Whether the event comes from such an element within the one that listens. */
export function isFrom(event: Event, selector: string): boolean {
  const path = event.composedPath();
  const inside = path.slice(0, path.indexOf(event.currentTarget as EventTarget));
  return inside.some((one) => one instanceof Element && one.matches(selector));
}

/** Elements that handle keys and clicks themselves. */
export const fields = "input, select, textarea, [contenteditable]";

/** Where in the panel the focus is before something changes: in a row, or elsewhere with an index of -1. */
export function focusedIn(root: Root): { id?: string | undefined; index: number } | undefined {
  const focused = root.activeElement;
  if (!focused?.closest("#panel")) return undefined;
  const row = focused.closest<HTMLElement>("li[data-id]");
  return row ? { id: row.dataset.id, index: rowsOf(root).indexOf(row) } : { index: -1 };
}

/** When the focused element is gone, focuses the row of that id, or the one in its place, or the panel. */
export function keepFocus(root: Root, to: { id?: string | undefined; index: number }): void {
  if (root.activeElement) return;
  const rows = rowsOf(root);
  const row = rows.find((one) => one.dataset.id === to.id) ?? rows[Math.min(to.index, rows.length - 1)];
  (mainOf(row) ?? root.querySelector<HTMLElement>("#panel"))?.focus();
}

export function focusRow(root: ParentNode, index: number): void {
  mainOf(rowsOf(root)[index])?.focus();
}

const mainOf = (row: Element | undefined) => row?.querySelector<HTMLElement>(".main");
