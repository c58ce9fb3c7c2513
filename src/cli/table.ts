import { columnsOf, type Style, styled } from "./terminal.ts";

export interface TableOptions {
  /** Heads of columns that are never cut short: what people copy. */
  whole?: string[];
  /** Heads of columns that go first when there is no room. */
  spare?: string[];
  /** Heads of columns of numbers. */
  numbers?: string[];
  style?: (head: string, cell: string) => Style | undefined;
  /** Columns of the terminal. */
  columns?: number;
}

const narrowest = 6;
const gap = "  ";

/**
 * A table that fits the terminal: empty columns and then the spare ones go, and the widest of the others are cut short. Where a
 * file or a program reads, everything is there.
 */
export function table(
  heads: string[],
  rows: string[][],
  { whole = [], spare = [], numbers = [], style, columns = columnsOf() }: TableOptions = {},
): string {
  const all = [heads, ...rows];
  const isLimited = columns < Number.POSITIVE_INFINITY;
  let shown = heads
    .map((head, at) => ({
      head,
      at,
      width: Math.max(...all.map((row) => (row[at] ?? "").length)),
    }))
    .filter(({ at }) => !isLimited || rows.some((row) => row[at]));
  const excess = () =>
    shown.reduce((sum, { width }) => sum + width, 0) + gap.length * (shown.length - 1) - columns;
  for (const head of spare) if (excess() > 0) shown = shown.filter((one) => one.head !== head);
  for (let over = excess(); isLimited && over > 0; over--) {
    const [widest] = shown
      .filter(({ head, width }) => !whole.includes(head) && width > Math.max(narrowest, head.length))
      .sort((a, b) => b.width - a.width);
    if (!widest) break;
    widest.width--;
  }
  return all
    .map((row, index) =>
      shown
        .map(({ head, at, width }, place) => {
          const cell = row[at] ?? "";
          const cut = cell.length > width ? `${cell.slice(0, width - 1)}…` : cell;
          const isLast = place === shown.length - 1;
          const padded = numbers.includes(head) ? cut.padStart(width) : isLast ? cut : cut.padEnd(width);
          return styled(index === 0 ? "bold" : style?.(head, cell), padded);
        })
        .join(gap)
        .trimEnd(),
    )
    .join("\n");
}
