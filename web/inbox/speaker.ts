import type { InboxItem } from "../../src/client/index.ts";
import { titleOf } from "./item.ts";
import type { Locale } from "./locale.ts";
import { shortened } from "./shortened.ts";

/** The pause between two announcements. Items that arrive meanwhile share the next one. */
const pauseMs = 8_000;
/** Items that arrive within this time share one announcement. */
const gatherMs = 800;

/** Announcements for screen readers: the number of new items, and the title of a single one. */
export function createSpeaker(onChange: () => void) {
  let waiting: InboxItem[] = [];
  let spoken: InboxItem[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;

  function speak(): void {
    [spoken, waiting] = [waiting, []];
    timer = spoken.length > 0 ? setTimeout(speak, pauseMs) : undefined;
    onChange();
  }

  return {
    arrived(items: InboxItem[]): void {
      waiting.push(...items);
      timer ??= setTimeout(speak, gatherMs);
    },
    /** The current announcement. It is empty after a while, so that a reader does not find an old one later. */
    text({ texts, plural }: Locale): string {
      const [first] = spoken;
      if (!first) return "";
      const much = plural(texts.arrived, spoken.length);
      return spoken.length === 1 ? `${much}: ${shortened(titleOf(first))}` : much;
    },
    stop(): void {
      clearTimeout(timer);
      timer = undefined;
      waiting = [];
      spoken = [];
    },
  };
}
