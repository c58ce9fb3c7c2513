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

/** The row that has the focus, before something changes. */
export function focusedRow(root: ParentNode & { activeElement?: Element | null }) {
  const focused = root.activeElement?.closest<HTMLElement>("li[data-id]");
  if (!focused) return undefined;
  return { id: focused.dataset.id, index: rowsOf(root).indexOf(focused) };
}

/** Focuses the row of that id, unless it has the focus; when it is gone, the one that took its place; else `fallback`. */
export function focusRow(
  root: ParentNode,
  to: { id?: string | undefined; index: number },
  fallback?: HTMLElement,
): void {
  const rows = rowsOf(root);
  if (to.id !== undefined && rows.some((one) => one.dataset.id === to.id)) return;
  const row = rows[Math.min(to.index, rows.length - 1)];
  // What the page has put in place of ours has no title of ours to focus.
  const mains = [...(row?.querySelectorAll<HTMLElement>(".main, button") ?? [])];
  (mains.find((one) => one.checkVisibility()) ?? fallback)?.focus();
}
