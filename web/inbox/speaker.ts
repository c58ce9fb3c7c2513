import type { InboxItem } from "../../src/client/index.ts";
import { titleOf } from "./item.ts";
import type { Locale } from "./locale.ts";
import { shortened } from "./shortened.ts";

/** Between two announcements: what comes meanwhile is one. */
const pauseMs = 8_000;
/** A burst is one announcement, too. */
const gatherMs = 800;

/** What is said to who hears the page: that something has come, not each thing; how much, and the title when it is one. */
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
    /** Nothing again after a while, so that it is not met later as news. */
    says({ texts, plural }: Locale): string {
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
