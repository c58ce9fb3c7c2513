import type { Verdict } from "./report.ts";

const width = 860;
const left = 250;
const right = 130;
const top = 74;
const rowHeight = 34;
const barHeight = 16;

/** Rates as multiples of the reference: a bar each, its spread, and a mark where the target is. */
export function plot(rows: Verdict[], { title, subtitle }: { title: string; subtitle: string }): string {
  const targetOf = ({ target }: Verdict) =>
    target ? ("atLeast" in target ? target.atLeast : target.atMost) : 0;
  const most = Math.ceil(Math.max(2, ...rows.map((one) => Math.max(one.spread[1], targetOf(one)))) + 0.2);
  const x = (value: number) => Math.round((left + (value / most) * (width - left - right)) * 10) / 10;
  const bottom = top + rows.length * rowHeight;
  const height = bottom + 44;

  const apart = Math.ceil(most / 10);
  const marks = [0, 1, ...Array.from({ length: most / apart }, (_, index) => (index + 1) * apart)];
  const grid = [...new Set(marks)].map((value) => {
    const kind = value === 1 ? "reference" : "grid";
    return `<line class="${kind}" x1="${x(value)}" y1="${top - 6}" x2="${x(value)}" y2="${bottom}"/>
<text class="small" x="${x(value)}" y="${bottom + 18}" text-anchor="middle">${value === 0 && apart > 1 ? "" : `${value} ×`}</text>`;
  });
  const bars = rows.map((one, index) => {
    const y = top + index * rowHeight + (rowHeight - barHeight) / 2;
    const middle = y + barHeight / 2;
    const target = targetOf(one);
    const mark = target
      ? `<path class="target" d="M${x(target)} ${y - 6}v${barHeight + 12}"/>
<path class="head" d="M${x(target) - 5} ${y - 8}h10l-5 7z"/>`
      : "";
    const beyond = Math.max(one.spread[1], target);
    const state = one.met === undefined ? "" : one.met ? " ✓" : " missed";
    return `<text x="${left - 12}" y="${middle + 5}" text-anchor="end">${one.what}</text>
<rect class="${one.met === false ? "missed" : "bar"}" x="${x(0)}" y="${y}" width="${x(one.median) - x(0)}" height="${barHeight}" rx="2"/>
<path class="spread" d="M${x(one.spread[0])} ${middle}H${x(one.spread[1])}m0 -4v8M${x(one.spread[0])} ${middle - 4}v8"/>
${mark}
<text class="value" x="${x(beyond) + 12}" y="${middle + 5}">${one.median.toFixed(2)} ×${state}</text>`;
  });

  const legend = rows.some((one) => one.target)
    ? `<path class="head" d="M${width - 95} 42h10l-5 7z"/><text class="small" x="${width - 80}" y="50">target</text>`
    : "";

  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${title}">
<style>
text { font: 14px system-ui, "DejaVu Sans", sans-serif; fill: #24292f }
.title { font-size: 16px; font-weight: 600 } .small { font-size: 12px; fill: #57606a } .value { font-weight: 600; paint-order: stroke; stroke: #ffffff; stroke-width: 4px }
.paper { fill: #ffffff } .grid { stroke: #d8dee4 } .reference { stroke: #24292f; stroke-width: 2 }
.bar { fill: #2f81c1 } .missed { fill: #c77a2a }
.spread { stroke: #24292f; stroke-width: 1.5; fill: none } .target { stroke: #b3261e; stroke-width: 2 } .head { fill: #b3261e }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .value { stroke: #0d1117 } .small { fill: #9da7b1 } .paper { fill: #0d1117 } .grid { stroke: #30363d } .reference { stroke: #e6edf3 }
.bar { fill: #3b7fb5 } .missed { fill: #b3702b } .spread { stroke: #e6edf3 } .target { stroke: #ff7b72 } .head { fill: #ff7b72 }
}
</style>
<rect class="paper" width="${width}" height="${height}" rx="6"/>
<text class="title" x="20" y="28">${title}</text>
<text class="small" x="20" y="50">${subtitle}</text>
${legend}
${grid.join("\n")}
${bars.join("\n")}
</svg>
`;
}
