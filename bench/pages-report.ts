import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { median } from "./figures.ts";
import type { Cpu } from "./machine.ts";
import type { Point } from "./pages/scroll.ts";
import { scrollPlot } from "./pages/scroll-plot.ts";
import type { Size } from "./pages/sizes.ts";
import { plot } from "./plot.ts";
import { calmness, cells, isCalm, type Verdict, verdict, writeFiles } from "./report.ts";
import type { Facts } from "./stage.ts";

export type Side = "belfry" | "reference";
export type SightName = "desk" | "phone";

/** One measurement. */
export interface PageStep {
  name: string;
  sight: SightName;
  side: Side;
  round: number;
  figures: Record<string, number>;
  /** Of a way to the end: stretch by stretch. */
  points?: Point[];
  cpu: Cpu;
}

export interface PagesResults extends Facts {
  chromium: string;
  loadRounds: number;
  scrollRounds: number;
  sizes: Size[];
  steps: PageStep[];
}

const caches = ["cold", "warm"] as const;
const pages = ["console", "tag"] as const;
const items = (count: number) => count.toLocaleString("en");

export const names = {
  idle: "nothing but frames",
  load: (page: (typeof pages)[number], cache: (typeof caches)[number]) => `${page}, ${cache}`,
  list: "plain list of 1,000",
  deliveries: "deliveries",
  inbox: (count: number) => `inbox of ${items(count)}`,
  allDeliveries: "all 100,000 deliveries",
  wholeList: "plain list of 100,000",
  back: (name: string) => `back from ${name}`,
};
const scrolled = [
  names.list,
  names.deliveries,
  names.inbox(100),
  names.inbox(1_000),
  names.wholeList,
  names.allDeliveries,
  names.back(names.allDeliveries),
];
/** In turns of the display: of twenty frames nineteen come at theirs. */
const mostTurns = 1;
const mostInboxKb = 25;

export function judge({ steps, sizes }: PagesResults): Verdict[] {
  const of = (sight: SightName, name: string, side: Side) =>
    steps.filter((one) => one.sight === sight && one.name === name && one.side === side);
  const sights = (["desk", "phone"] as const).filter((sight) => steps.some((one) => one.sight === sight));

  const loads = sights.flatMap((sight) =>
    pages.flatMap((page) =>
      caches.flatMap((cache) =>
        (["paint", "interactive"] as const).flatMap((figure) => {
          const name = names.load(page, cache);
          const pairs = of(sight, name, "belfry").flatMap((one) => {
            const to = of(sight, name, "reference").find(({ round }) => round === one.round);
            return to ? [{ one, to }] : [];
          });
          if (pairs.length === 0) return [];
          const calm = pairs.filter(({ one, to }) => isCalm(one) && isCalm(to));
          const ratios = (calm.length > 0 ? calm : pairs).map(
            ({ one, to }) => (one.figures[figure] ?? 0) / (to.figures[figure] ?? 0),
          );
          return [verdict(`${page}, ${sight} ${cache}: ${figure}`, ratios, "×", undefined)];
        }),
      ),
    ),
  );

  const frames = sights.flatMap((sight) => {
    const turn = of(sight, names.idle, "reference")[0]?.figures.p50 ?? 1000 / 60;
    return scrolled.flatMap((name) => {
      const own = steps.filter((one) => one.sight === sight && one.name === name);
      if (own.length === 0) return [];
      const calm = own.filter(isCalm);
      const ratios = (calm.length > 0 ? calm : own).map(({ figures }) =>
        Math.round((figures.p95 ?? 0) / turn),
      );
      const target = own[0]?.side === "belfry" ? { atMost: mostTurns } : undefined;
      return [verdict(`${name}, ${sight}: frames, p95`, ratios, "×", target)];
    });
  });

  const kb = (wanted: (path: string) => boolean) =>
    sizes.filter(({ path }) => wanted(path)).reduce((sum, { gzipped }) => sum + gzipped, 0) / 1_000;
  const heap = sights.flatMap((sight) =>
    of(sight, names.allDeliveries, "belfry").map(({ figures }) =>
      verdict(`heap, 100,000 deliveries, ${sight}`, [figures.heapMb ?? 0], "MB", undefined),
    ),
  );
  return [
    verdict("/inbox.js", [kb((path) => path === "/inbox.js")], "kB", { atMost: mostInboxKb }),
    verdict(
      "console, to begin with",
      [kb((path) => path !== "/inbox.js" && !isLater(path))],
      "kB",
      undefined,
    ),
    verdict("console, its view Live", [kb(isLater)], "kB", undefined),
    ...loads,
    ...frames,
    ...heap,
  ];
}

const isLater = (path: string): boolean => path.includes("-live");

const units: Record<string, string> = {
  frames: " frames",
  dropped: " % dropped",
  blank: " % blank",
  busy: " % busy",
  longTasks: " long tasks",
  heapMb: " MB heap",
  nodes: " nodes",
  seconds: " s",
};

export function describe(figures: Record<string, number>): string {
  return Object.entries(figures)
    .map(([name, value]) => {
      const text = value >= 100 ? value.toFixed(0) : Number(value.toPrecision(3)).toString();
      return units[name] ? text + units[name] : `${name} ${text} ms`;
    })
    .join(", ");
}

const root = new URL("../../", import.meta.url);

export function write(results: PagesResults, verdicts: Verdict[]): string[] {
  const written = writeFiles("bench:pages", "pages", {
    title: "Console and inbox pages",
    results,
    svg: plot(
      verdicts.filter(({ what }) => /: (paint|interactive)$/.test(what)),
      {
        title: "Until a page is there, as multiples of a page of the same bytes",
        subtitle: "less is better; median and range of the rounds; line at 1 ×: one heading, nothing else",
      },
    ),
    markdown: markdown(results, verdicts),
  });
  const path = "bench/results/pages-scroll.svg";
  writeFileSync(fileURLToPath(new URL(path, root)), scrollPlot(results.steps));
  return [...written, path];
}

function markdown(results: PagesResults, verdicts: Verdict[]): string {
  const row = (texts: Array<string | number>) => `| ${texts.join(" | ")} |`;
  const keyOf = ({ sight, name, side }: PageStep) => `${sight} ${name} ${side}`;
  const rows = [...new Set(results.steps.map(keyOf))].map((key) => {
    const own = results.steps.filter((one) => keyOf(one) === key);
    const [first] = own as [PageStep];
    const figures = Object.fromEntries(
      Object.keys(first.figures).map((figure) => [
        figure,
        median(own.map((one) => one.figures[figure] ?? 0)),
      ]),
    );
    const percent = (process: string) => median(own.map((one) => one.cpu[process] ?? 0)).toFixed(0);
    const used = ["chromium", "belfry", "mongod", "bare", "others"].map(percent);
    return row([first.sight, first.name, first.side, describe(figures), ...used]);
  });
  return `
Measured on ${results.measuredAt.slice(0, 10)}: ${results.cores} cores (${results.cpu}), no graphics processor, Chromium ${results.chromium}, Node ${results.node}, MongoDB ${results.mongod};
${results.loadRounds} rounds of loads, ${results.scrollRounds} of scrolling by hand, one through all; the figure is the median. ${calmness(results)}

${row(["", "target", "measured", "range", ""])}
|---|---|---|---|---|
${verdicts.map((one) => row(cells(one))).join("\n")}

![Until a page is there, as multiples of a page of the same bytes](../../bench/results/pages.svg)

Scrolling through all 100,000, stretch by stretch:

![Frame times on the way through 100,000 deliveries](../../bench/results/pages-scroll.svg)

${row(["sent to a browser", "gzipped", "bytes"])}
|---|--:|--:|
${results.sizes.map(({ path, gzipped, bytes }) => row([`\`${path}\``, gzipped, bytes])).join("\n")}

Medians; processor time in % of one core, over a whole step.

${row(["", "step", "side", "figures", "chromium", "belfry", "mongod", "bare", "others"])}
|---|---|---|---|--:|--:|--:|--:|--:|
${rows.join("\n")}
`;
}
