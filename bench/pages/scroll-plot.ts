import { names, type PageStep } from "../pages-report.ts";
import type { Point } from "./scroll.ts";

const width = 860;
const left = 70;
const right = 170;
const top = 84;
const panelHeight = 150;
const panelGap = 46;
const mostMs = 100;

/** How long frames took on the way through all deliveries, beside a plain list as long; a panel for each sight. */
export function scrollPlot(steps: PageStep[]): string {
  const title = "Frame times on the way through 100,000 deliveries";
  const sights = [...new Set(steps.map(({ sight }) => sight))];
  const height = top + sights.length * (panelHeight + panelGap) + 10;
  const panels = sights.map((sight, index) => panel(sight, top + index * (panelHeight + panelGap)));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${title}">
<style>
text { font: 14px system-ui, "DejaVu Sans", sans-serif; fill: #24292f }
.title { font-size: 16px; font-weight: 600 } .small { font-size: 12px; fill: #57606a } .paper { fill: #ffffff } .grid { stroke: #d8dee4 }
.turn { stroke: #24292f; stroke-dasharray: 2 4 }
.line { fill: none; stroke-width: 2 } .belfry { stroke: #2f81c1 } .reference { stroke: #9aa4ae } .of-belfry { fill: #2f81c1 } .of-reference { fill: #6e7781 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .small { fill: #9da7b1 } .paper { fill: #0d1117 } .grid { stroke: #30363d } .turn { stroke: #e6edf3 }
.belfry { stroke: #5aa2dc } .reference { stroke: #6e7781 } .of-belfry { fill: #5aa2dc } .of-reference { fill: #9da7b1 }
}
</style>
<rect class="paper" width="${width}" height="${height}" rx="6"/>
<text class="title" x="20" y="28">${title}</text>
<text class="small" x="20" y="50">milliseconds, 95th percentile of each fiftieth of the way; dotted: one turn of the display</text>
${panels.join("\n")}
</svg>
`;

  function panel(sight: string, y: number): string {
    const bottom = y + panelHeight;
    const heightOf = (ms: number) => round(bottom - (Math.min(ms, mostMs) / mostMs) * panelHeight);
    const across = (percent: number) => round(left + (percent / 100) * (width - left - right));
    const own = (name: string) => steps.find((one) => one.sight === sight && one.name === name);
    const turn = own(names.idle)?.figures.p50 ?? 1000 / 60;
    const grid = [0, 50, 100].map(
      (
        ms,
      ) => `<line class="grid" x1="${left}" y1="${heightOf(ms)}" x2="${width - right}" y2="${heightOf(ms)}"/>
<text class="small" x="${left - 8}" y="${heightOf(ms) + 4}" text-anchor="end">${ms === mostMs ? "≥ " : ""}${ms}</text>`,
    );
    const marks = [0, 50, 100].map(
      (percent) =>
        `<text class="small" x="${across(percent)}" y="${bottom + 18}" text-anchor="middle">${(percent * 1_000).toLocaleString("en")}</text>`,
    );
    const lines = [
      { name: names.wholeList, kind: "reference", says: "a plain list as long" },
      { name: names.allDeliveries, kind: "belfry", says: "deliveries" },
    ].flatMap(({ name, kind, says }, index) => {
      const { points = [], figures } = own(name) ?? {};
      if (!figures) return [];
      const at = ({ at, p95 }: Point) => `${across(at)},${heightOf(p95)}`;
      const dropped = `${(figures.dropped ?? 0).toFixed(1)} % dropped`;
      return [
        `<polyline class="line ${kind}" points="${points.map(at).join(" ")}"/>`,
        `<text class="of-${kind}" x="${width - right + 12}" y="${y + 60 - index * 44}">${says}</text>`,
        `<text class="small" x="${width - right + 12}" y="${y + 77 - index * 44}">${dropped}, ${(figures.seconds ?? 0).toFixed(0)} s</text>`,
      ];
    });
    const dotted = `<line class="turn" x1="${left}" y1="${heightOf(turn)}" x2="${width - right}" y2="${heightOf(turn)}"/>`;
    return [`<text x="${left}" y="${y - 10}">${sight}</text>`, ...grid, ...marks, dotted, ...lines].join(
      "\n",
    );
  }
}

const round = (value: number): number => Math.round(value * 10) / 10;
