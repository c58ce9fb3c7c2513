import { setTimeout as sleep } from "node:timers/promises";
import type { Tab } from "./chromium.ts";

/** A list that is scrolled. All fields but `url` are JavaScript for the page. */
export interface Scrollable {
  url: string;
  /** True when the list can be scrolled. */
  ready: string;
  /** Opens the list. */
  open?: string;
  /** The element that scrolls. */
  box: string;
  /** True when the last row is in the document. */
  whole: string;
}

export type ScrollFigures = {
  /** Tasks of 50 ms and more, and the longest of them. */
  longTasks: number;
  longest: number;
  /** Garbage is collected first. */
  heapMb: number;
  nodes: number;
  seconds: number;
};

const patienceMs = 30_000;
/** Pixels a second: the pace of a scroll bar that is dragged. */
const speed = 200_000;
const stretchSeconds = 2;
const maxStretches = 120;

/** Scrolls from the first row to the last one. */
export async function scrollThrough(tab: Tab, what: Scrollable): Promise<ScrollFigures> {
  const { page, cdp } = tab;
  const { box, whole } = what;
  await show(tab, what);
  await page.evaluate(`(() => {
    globalThis.tasks = [];
    new PerformanceObserver((list) => tasks.push(...list.getEntries().map((one) => one.duration))).observe({
      type: "longtask",
    });
  })()`);
  await tab.slow(true);
  const began = performance.now();
  const isAtEnd = `${box}.scrollTop + ${box}.clientHeight >= ${box}.scrollHeight - 2 && ${whole}`;
  for (let stretch = 0; !(await page.evaluate(isAtEnd)); stretch++) {
    if (stretch === maxStretches) throw new Error(`the end of ${box} was not reached`);
    await turnWheel(tab, box);
  }
  const seconds = (performance.now() - began) / 1000;
  await tab.slow(false);
  const tasks = await page.evaluate<number[]>("tasks");
  await cdp.send("HeapProfiler.collectGarbage");
  const { usedSize } = await cdp.send("Runtime.getHeapUsage");
  const { nodes } = await cdp.send("Memory.getDOMCounters");
  return {
    longTasks: tasks.length,
    longest: Math.max(0, ...tasks),
    heapMb: usedSize / 1e6,
    nodes,
    seconds,
  };
}

async function show({ page }: Tab, { url, ready, open, box }: Scrollable): Promise<void> {
  await page.goto("about:blank");
  await page.goto(url);
  await until(ready);
  if (open) await page.evaluate(open);
  await until(`${box} && ${box}.scrollHeight > ${box}.clientHeight`);

  /** The pages' policy refuses Playwright's own way to wait. */
  async function until(condition: string): Promise<void> {
    const deadline = performance.now() + patienceMs;
    while (!(await page.evaluate(`!!(${condition})`))) {
      if (performance.now() > deadline) throw new Error(`not within 30 s, at ${url}: ${condition}`);
      await sleep(50);
    }
  }
}

async function turnWheel({ page, cdp }: Tab, box: string): Promise<void> {
  const middle = await page.evaluate<{ x: number; y: number }>(`(() => {
    const { x, y, width, height } = ${box}.getBoundingClientRect();
    return { x: x + width / 2, y: y + height / 2 };
  })()`);
  await cdp.send("Input.synthesizeScrollGesture", {
    ...middle,
    yDistance: -speed * stretchSeconds,
    speed,
    gestureSourceType: "mouse",
    preventFling: true,
  });
}
