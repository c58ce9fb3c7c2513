import type { InboxItem } from "../../src/client/index.ts";
import { type Entry, folded } from "./groups.ts";
import { type Filter, filtered, unseenOf } from "./item.ts";
import type { InboxView } from "./session.ts";

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
  /** Items that were unseen when they were shown: they stay marked until the list is closed. */
  readonly fresh = new Set<string>();
  /** Up to this `rev` the list has been marked as seen. */
  #seenUpTo = 0;
  /** Long items that are shown in full, and open groups. */
  readonly expanded = new Set<string>();

  choose(filter: Filter): void {
    this.filter = filter;
    this.#rewind();
  }

  close(): void {
    this.#rewind();
    this.fresh.clear();
    this.#seenUpTo = 0;
  }

  #rewind(): void {
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

  /** Whether the view shows something new. False for the same view again, also when the service refused it. */
  sees({ rev, items, unseen }: InboxView): boolean {
    // The archive shows none of it.
    if (unseen === 0 || rev <= this.#seenUpTo || this.filter === "archived") return false;
    this.#seenUpTo = rev;
    for (const { id } of unseenOf(items, unseen)) this.fresh.add(id);
    return true;
  }

  shown(items: readonly InboxItem[] = []): readonly InboxItem[] {
    return filtered(items, this.filter, this.kept);
  }

  rows(items: readonly InboxItem[]): readonly Entry[] {
    return folded(items, (id) => this.expanded.has(id));
  }

  /** The index of the row that the Tab key stops at. It is drawn, however many have come above it. */
  stop(rows: readonly Entry[]): number {
    const index = rows.findIndex((one) => one.id === this.current);
    this.drawn = Math.max(this.drawn, index + 1);
    return Math.max(0, index);
  }

  /** Moves to that row and draws it. */
  goTo(index: number, rows: readonly Entry[]): void {
    this.drawn = Math.max(this.drawn, index + 1);
    this.current = rows[index]?.id;
  }
}
