import { median } from "./figures.ts";
import type { Cpu } from "./machine.ts";
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
  cpu: Cpu;
}

export interface PagesResults extends Facts {
  chromium: string;
  loadRounds: number;
  sizes: Size[];
  steps: PageStep[];
}

const caches = ["cold", "warm"] as const;
const pages = ["console", "tag"] as const;

export const names = {
  load: (page: (typeof pages)[number], cache: (typeof caches)[number]) => `${page}, ${cache}`,
  deliveries: "all 100,000 deliveries",
  inbox: "inbox of 1,000",
};
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

  const kb = (wanted: (path: string) => boolean) =>
    sizes.filter(({ path }) => wanted(path)).reduce((sum, { gzipped }) => sum + gzipped, 0) / 1_000;
  const scrolled = sights.flatMap((sight) =>
    [names.deliveries, names.inbox].flatMap((name) =>
      of(sight, name, "belfry").flatMap(({ figures }) => [
        verdict(`${name}, ${sight}: longest task`, [figures.longest ?? 0], "ms", undefined),
        verdict(`${name}, ${sight}: heap`, [figures.heapMb ?? 0], "MB", undefined),
      ]),
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
    ...scrolled,
  ];
}

const isLater = (path: string): boolean => path.includes("-live");

const units: Record<string, string> = {
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

export function write(results: PagesResults, verdicts: Verdict[]): string[] {
  return writeFiles("bench:pages", "pages", {
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
${results.loadRounds} rounds of loads; the figure is the median. ${calmness(results)}

${row(["", "target", "measured", "range", ""])}
|---|---|---|---|---|
${verdicts.map((one) => row(cells(one))).join("\n")}

![Until a page is there, as multiples of a page of the same bytes](../../bench/results/pages.svg)

${row(["sent to a browser", "gzipped", "bytes"])}
|---|--:|--:|
${results.sizes.map(({ path, gzipped, bytes }) => row([`\`${path}\``, gzipped, bytes])).join("\n")}

Medians; processor time in % of one core, over a whole step.

${row(["", "step", "side", "figures", "chromium", "belfry", "mongod", "bare", "others"])}
|---|---|---|---|--:|--:|--:|--:|--:|
${rows.join("\n")}
`;
}
