import { days, type Results } from "./report.ts";
import type { Result } from "./stage.ts";

const width = 860;
const left = 150;
const right = 60;
const top = 92;
const rowHeight = 104;
const graphHeight = 62;
/** Of the series, in seconds. */
const bucket = 0.5;

/** A row a scenario, over its own time: creates acknowledged as an area, mails as a line, faults as marks or bands. */
export function plot({ scenarios, form }: Results): string {
  const height = top + scenarios.length * rowHeight + 10;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="Creates acknowledged and mails sent a second, in each scenario, with the faults">
<style>
text { font: 14px system-ui, "DejaVu Sans", sans-serif; fill: #24292f }
.title { font-size: 16px; font-weight: 600 } .small { font-size: 12px; fill: #57606a }
.paper { fill: #ffffff } .base { stroke: #8c959f } .grid { stroke: #d8dee4 }
.acknowledged { fill: #2f81c1; fill-opacity: .55 } .mailed { stroke: #24292f; stroke-width: 1.2; fill: none }
.fault { fill: #b3261e; fill-opacity: .22 } .moment { stroke: #b3261e; stroke-width: 1; stroke-opacity: .55 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .small { fill: #9da7b1 } .paper { fill: #0d1117 } .base { stroke: #6e7681 } .grid { stroke: #30363d }
.acknowledged { fill: #3b7fb5; fill-opacity: .7 } .mailed { stroke: #e6edf3 }
.fault { fill: #ff7b72; fill-opacity: .28 } .moment { stroke: #ff7b72 }
}
</style>
<rect class="paper" width="${width}" height="${height}" rx="6"/>
<text class="title" x="20" y="28">What was acknowledged and what was mailed while things broke</text>
<text class="small" x="20" y="50">${form} form, ${days(scenarios)}; a second, over each scenario's own time</text>
<rect class="acknowledged" x="20" y="62" width="14" height="10"/><text class="small" x="40" y="72">creates acknowledged</text>
<path class="mailed" d="M190 67h18"/><text class="small" x="214" y="72">mails taken by the mail server</text>
<rect class="fault" x="420" y="62" width="14" height="10"/><path class="moment" d="M427 60v14"/><text class="small" x="440" y="72">faults</text>
${scenarios.map(row).join("\n")}
</svg>
`;
}

function row(one: Result, index: number): string {
  const begin = top + index * rowHeight;
  const base = begin + 12 + graphHeight;
  const buckets = Math.max(one.acknowledgedAt.length, one.mailedAt.length, one.took / bucket);
  const most = niceCeiling(Math.max(1, ...smooth(one.acknowledgedAt), ...smooth(one.mailedAt)) / bucket);
  const x = (at: number) => round(left + (at / (buckets * bucket)) * (width - left - right));
  const y = (perSecond: number) => round(base - (perSecond / most) * graphHeight);
  const points = (series: number[]) =>
    Array.from(
      { length: Math.ceil(buckets) },
      (_, at) => `${x((at + 0.5) * bucket)} ${y((smooth(series)[at] ?? 0) / bucket)}`,
    );
  const faults = one.faults.map(({ at, until }) =>
    until === undefined
      ? `<path class="moment" d="M${x(at)} ${base}v-${graphHeight}"/>`
      : `<rect class="fault" x="${x(at)}" y="${base - graphHeight}" width="${Math.max(1, round(x(until) - x(at)))}" height="${graphHeight}"/>`,
  );
  const lost = one.lost === 0 ? "0 lost" : `${one.lost} LOST`;
  return `<text x="20" y="${begin + 32}">${one.scenario}</text>
<text class="small" x="20" y="${begin + 50}">${lost}</text>
<text class="small" x="20" y="${begin + 66}">${one.duplicates} mails twice</text>
<path class="grid" d="M${left} ${y(most)}H${width - right}"/>
<text class="small" x="${width - right + 6}" y="${y(most) + 4}">${most}/s</text>
<path class="acknowledged" d="M${left} ${base}L${points(one.acknowledgedAt).join("L")}L${width - right} ${base}z"/>
${faults.join("\n")}
<path class="mailed" d="M${points(one.mailedAt).join("L")}"/>
<path class="base" d="M${left} ${base}H${width - right}"/>
<text class="small" x="${left}" y="${base + 15}">0</text>
<text class="small" x="${width - right}" y="${base + 15}" text-anchor="end">${one.took} s</text>`;
}

/** Over three buckets: what counts is the gaps and the bursts, not each half second's noise. */
function smooth(series: number[]): number[] {
  return series.map((_, at) => {
    const near = series.slice(Math.max(0, at - 1), at + 2);
    return near.reduce((sum, one) => sum + one, 0) / near.length;
  });
}

const round = (value: number) => Math.round(value * 10) / 10;

/** The next of 1, 2, 5, 10, 20, … */
function niceCeiling(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * ([1, 2, 5, 10].find((step) => step * power >= value) ?? 10);
}
