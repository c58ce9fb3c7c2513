import type { InboxItem } from "../../src/client/index.ts";
import { type Filter, filtered } from "./item.ts";

/** So many more rows are drawn each time that the end of the list comes into sight. */
const step = 30;

/** What of the list is shown, and where its reader is. */
export class Browsing {
  filter: Filter = "all";
  drawn = step;
  /** The id of the row that the Tab key stops at. */
  current: string | undefined;
  /** What was read here and now: it does not vanish under its reader's eyes. */
  readonly kept = new Set<string>();
  /** Long ones that are shown whole. */
  readonly expanded = new Set<string>();

  choose(filter: Filter): void {
    this.filter = filter;
    this.beginAnew();
  }

  beginAnew(): void {
    this.current = undefined;
    this.kept.clear();
    this.drawn = step;
  }

  drawMore(): void {
    this.drawn += step;
  }

  expand(id: string): void {
    if (!this.expanded.delete(id)) this.expanded.add(id);
  }

  shown(items: readonly InboxItem[] = []): readonly InboxItem[] {
    return filtered(items, this.filter, this.kept);
  }

  /** Where the row is that the Tab key stops at. It is drawn, however much has come above it. */
  stop(items: readonly InboxItem[]): number {
    const index = items.findIndex((one) => one.id === this.current);
    this.drawn = Math.max(this.drawn, index + 1);
    return Math.max(0, index);
  }

  /** The row to which a key leads from `from`, drawn from then on. */
  goTo(index: number, items: readonly InboxItem[]): void {
    this.drawn = Math.max(this.drawn, index + 1);
    this.current = items[index]?.id;
  }
}
