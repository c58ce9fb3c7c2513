import { setTimeout as sleep } from "node:timers/promises";
import { percentile } from "../figures.ts";
import type { Tab } from "./chromium.ts";
import { type Frame, type Mark, traceFrames, waits } from "./trace.ts";

/** What is scrolled; expressions for the page. */
export interface Scrollable {
  url: string;
  /** Is there when it can be scrolled. */
  ready: string;
  /** The element that scrolls. */
  box: string;
  /** Statement that opens it. */
  open?: string;
  /** Of what is to be seen in the box, the share for which there is nothing in the document yet. */
  uncovered?: string;
  /** Statement that leads to its end at once: then it is gone through from there. */
  toEnd?: string;
  /** All of it has come. */
  whole?: string;
}

export type ScrollFigures = {
  /** Frames that were shown. */
  frames: number;
  /** Between one frame that was shown and the next, while there was something new to show; milliseconds. */
  p50: number;
  p95: number;
  p99: number;
  /** Frames that were due and did not come, per cent. */
  dropped: number;
  /** How often the page's thread found something to be seen for which there was no row yet; per cent of its turns. */
  blank: number;
  /** Of one core, the page's own thread. */
  busy: number;
  /** Tasks of 50 ms and more, and the longest of them. */
  longTasks: number;
  longest: number;
  seconds: number;
};

/** A stretch of the way. */
export interface Point {
  /** Per cent of the whole height. */
  at: number;
  p95: number;
  dropped: number;
}

const parts = 50;
const markMs = 100;

/** Milliseconds that Chromium's display takes for a frame when a page does nothing else than to ask for it. */
export async function idleCadence({ page }: Tab): Promise<number[]> {
  await page.goto("about:blank");
  return page.evaluate(`new Promise((resolve) => {
    const times = [];
    requestAnimationFrame(function next(time) {
      times.push(time);
      if (times.length <= 120) requestAnimationFrame(next);
      else resolve(times.slice(1).map((one, index) => one - times[index]));
    });
  })`);
}

const patienceMs = 30_000;
const settleMs = 300;

/** Ready to be scrolled: from its top, or from its end. */
export async function show({ page }: Tab, what: Scrollable): Promise<void> {
  const { url, ready, open, box, toEnd, whole = "true" } = what;
  await page.goto("about:blank");
  await page.goto(url);
  await until(ready);
  if (open) await page.evaluate(open);
  await until(`${box} && ${box}.scrollHeight > ${box}.clientHeight`);
  if (toEnd) {
    await page.evaluate(toEnd);
    await until(`${whole} && ${box}.scrollTop > 0`);
  }
  await sleep(settleMs);

  /** Playwright's own way to wait is refused by the pages' policy. */
  async function until(condition: string): Promise<void> {
    const deadline = performance.now() + patienceMs;
    while (!(await page.evaluate(`!!(${condition})`))) {
      if (performance.now() > deadline) throw new Error(`not within 30 s, at ${url}: ${condition}`);
      await sleep(50);
    }
  }
}

/** `frameMs`: what one turn of the display takes. */
export async function measure(
  tab: Tab,
  { box, uncovered = "0" }: Scrollable,
  frameMs: number,
  scroll: () => Promise<void>,
): Promise<{ figures: ScrollFigures; points: Point[] }> {
  const { page, cdp } = tab;
  // By the processor's time rather than the clock's, which runs on while other programs have the processor.
  await cdp.send("Performance.enable", { timeDomain: "threadTicks" });
  await page.evaluate(`(() => {
    const box = ${box};
    const seen = (globalThis.seen = { turns: 0, blank: 0, tasks: [] });
    let marked = -Infinity;
    const look = () => {
      seen.turns++;
      if ((${uncovered}) > 0) seen.blank++;
      if (performance.now() < marked + ${markMs}) return;
      marked = performance.now();
      performance.mark("at " + box.scrollTop);
    };
    box.addEventListener("scroll", look, { capture: true, passive: true });
    seen.tasksOf = new PerformanceObserver((list) => seen.tasks.push(...list.getEntries().map((one) => one.duration)));
    seen.tasksOf.observe({ type: "longtask" });
    seen.stop = () => (box.removeEventListener("scroll", look), seen.tasksOf.disconnect());
  })()`);
  await tab.slow(true);
  const before = await busySeconds(tab);
  const began = performance.now();
  const traced = await traceFrames(tab);
  await scroll();
  const seconds = (performance.now() - began) / 1000;
  const busy = ((await busySeconds(tab)) - before) / seconds;
  await tab.slow(false);
  const { frames, marks } = await traced();
  const seen = await page.evaluate<{ turns: number; blank: number; tasks: number[] }>(
    `(seen.stop(), { turns: seen.turns, blank: seen.blank, tasks: seen.tasks })`,
  );
  const took = waits(frames).map((turns) => turns * frameMs);
  return {
    figures: {
      frames: took.length,
      p50: percentile(took, 0.5),
      p95: percentile(took, 0.95),
      p99: percentile(took, 0.99),
      dropped: droppedOf(frames),
      blank: (seen.blank / Math.max(1, seen.turns)) * 100,
      busy: busy * 100,
      longTasks: seen.tasks.length,
      longest: Math.max(0, ...seen.tasks),
      seconds,
    },
    points: pointsOf(frames, marks, frameMs),
  };
}

/** Seconds of the page's thread. */
async function busySeconds({ cdp }: Tab): Promise<number> {
  const { metrics } = await cdp.send("Performance.getMetrics");
  return metrics.find(({ name }) => name === "TaskDuration")?.value ?? 0;
}

function droppedOf(frames: Frame[]): number {
  const of = (which: Frame["state"]) => frames.filter(({ state }) => state === which).length;
  return (of("dropped") / Math.max(1, of("dropped") + of("shown"))) * 100;
}

/** The way in parts of equal length; those in which no frame was shown are left out. */
function pointsOf(frames: Frame[], marks: Mark[], frameMs: number): Point[] {
  const places = marks.flatMap(({ name, at }) =>
    name.startsWith("at ") ? [{ at, top: Number(name.slice(3)) }] : [],
  );
  const whole = Math.max(...places.map(({ top }) => top));
  /** Between two marks it went on evenly. */
  const topAt = (at: number) => {
    const next = places.find((one) => one.at > at);
    const last = places.findLast((one) => one.at <= at) ?? { at, top: 0 };
    return next ? last.top + ((next.top - last.top) * (at - last.at)) / (next.at - last.at) : last.top;
  };
  const partOf = ({ at }: Frame) => Math.min(parts - 1, Math.floor((topAt(at) / whole) * parts));
  return Array.from({ length: parts }, (_, part) => {
    const own = frames.filter((frame) => partOf(frame) === part);
    const took = waits(own).map((turns) => turns * frameMs);
    return { at: ((part + 0.5) / parts) * 100, p95: percentile(took, 0.95), dropped: droppedOf(own) };
  }).filter(({ p95 }) => p95 > 0);
}

/** What the page holds when all of it has been seen and what is not needed has been thrown away. */
export async function holds({ cdp }: Tab): Promise<{ heapMb: number; nodes: number }> {
  await cdp.send("HeapProfiler.collectGarbage");
  const { usedSize } = await cdp.send("Runtime.getHeapUsage");
  const { nodes } = await cdp.send("Memory.getDOMCounters");
  return { heapMb: usedSize / 1e6, nodes };
}
