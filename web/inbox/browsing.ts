import type { InboxItem } from "../../src/client/index.ts";
import { type Filter, filtered } from "./item.ts";

/** This many more rows are drawn each time the end of the list comes into sight. */
const step = 30;

/** Which rows are shown, and where the reader is. */
export class Browsing {
  filter: Filter = "all";
  drawn = step;
  /** The id of the row that the Tab key stops at. */
  current: string | undefined;
  /** Items read just now: they stay in sight among the unread ones. */
  readonly kept = new Set<string>();
  /** Long items that are shown in full. */
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

  /** The index of the row that the Tab key stops at. It is drawn, however many have come above it. */
  stop(items: readonly InboxItem[]): number {
    const index = items.findIndex((one) => one.id === this.current);
    this.drawn = Math.max(this.drawn, index + 1);
    return Math.max(0, index);
  }

  /** Moves to that row and draws it. */
  goTo(index: number, items: readonly InboxItem[]): void {
    this.drawn = Math.max(this.drawn, index + 1);
    this.current = items[index]?.id;
  }
}
