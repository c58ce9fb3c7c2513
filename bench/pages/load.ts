import type { Tab } from "./chromium.ts";

/** Expressions and a statement, for the page. */
export interface Visit {
  url: string;
  /** All is there that somebody came for. */
  ready: string;
  /** What they do then. */
  act: string;
  /** The page has done it. */
  answered: string;
}

/** Milliseconds since the navigation began. */
export type LoadFigures = {
  /** First contentful paint. */
  paint: number;
  /** A frame has been shown that answers what somebody did who waited for nothing but the content. */
  interactive: number;
  /** The longest task until then; 0: none took 50 ms. */
  longest: number;
};

/** Runs before anything of the page; asks once a frame, so that waiting takes nothing from what is waited for. */
export const watcher = ({ ready, act, answered }: Visit): string => `(() => {
  const tasks = [];
  new PerformanceObserver((list) => tasks.push(...list.getEntries().map((one) => one.duration))).observe({
    type: "longtask",
    buffered: true,
  });
  const shown = () =>
    new Promise((resolve) =>
      requestAnimationFrame(() => {
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = resolve;
        port2.postMessage(0);
      }),
    );
  const paint = () => performance.getEntriesByName("first-contentful-paint")[0]?.startTime;
  globalThis.figures = (async () => {
    while (!(${ready})) await shown();
    ${act};
    do await shown();
    while (!(${answered}));
    const interactive = performance.now();
    while (paint() === undefined) await shown();
    return { paint: paint(), interactive, longest: Math.max(0, ...tasks) };
  })();
})()`;

/** With an empty cache, then with a full one: at the second visit the browser has kept the compiled scripts, too. */
export async function loads(tab: Tab, { url }: Visit): Promise<{ cold: LoadFigures; warm: LoadFigures }> {
  await tab.slow(true);
  const cold = await load();
  await load();
  return { cold, warm: await load() };

  async function load(): Promise<LoadFigures> {
    // Only the address's fragment may be other than before: that would load nothing.
    await tab.page.goto("about:blank");
    await tab.page.goto(url);
    return tab.page.evaluate<LoadFigures>("figures");
  }
}
