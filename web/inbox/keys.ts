/** The list is one stop of the Tab key: arrows lead from row to row, Tab goes on to the row's own buttons. */

/** The row that a key leads to. */
export function aimAt({ key }: KeyboardEvent, from: number, count: number): number | undefined {
  if (key === "ArrowDown") return Math.min(from + 1, count - 1);
  if (key === "ArrowUp") return Math.max(from - 1, 0);
  if (key === "Home") return 0;
  if (key === "End") return count - 1;
  return undefined;
}

const rowsOf = (root: ParentNode) => [...root.querySelectorAll<HTMLElement>("li[data-id]")];

type Root = ParentNode & { activeElement?: Element | null };

/** Where in the panel the focus is, before something changes: in a row, or with an index of -1 elsewhere. */
export function focusedIn(root: Root): { id?: string | undefined; index: number } | undefined {
  const focused = root.activeElement;
  if (!focused?.closest("#panel")) return undefined;
  const row = focused.closest<HTMLElement>("li[data-id]");
  return row ? { id: row.dataset.id, index: rowsOf(root).indexOf(row) } : { index: -1 };
}

/** Where what had the focus is gone, the row of that id gets it, or the one in its place, or the panel. */
export function keepFocus(root: Root, to: { id?: string | undefined; index: number }): void {
  if (root.activeElement) return;
  const rows = rowsOf(root);
  const row = rows.find((one) => one.dataset.id === to.id) ?? rows[Math.min(to.index, rows.length - 1)];
  (mainOf(row) ?? root.querySelector<HTMLElement>("#panel"))?.focus();
}

export function focusRow(root: ParentNode, index: number): void {
  mainOf(rowsOf(root)[index])?.focus();
}

/** What the page has put in place of ours has no title of ours to focus. */
const mainOf = (row: Element | undefined): HTMLElement | undefined =>
  [...(row?.querySelectorAll<HTMLElement>(".main, button") ?? [])].find((one) => one.checkVisibility());
