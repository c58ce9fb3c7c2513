import { html, type TemplateResult } from "lit";
import { count, duration, number } from "../format.ts";
import type { Series } from "../parts/plot.ts";
import "../parts/plot.ts";
import type { Sample, Stats } from "../wire.ts";

const perSecond = (value: number): string => `${number(value)}/s`;
const perMinute = (value: number): string => `${count(value)}/min`;
const ms = (value: number): string => `${number(value)} ms`;
const seconds = (value: number): string => duration(value * 1_000);
/** Where an axis of time has its lines: at whole minutes rather than at hundreds of seconds. */
const clockSteps = [1, 5, 15, 30, 60, 300, 900, 1_800, 3_600, 4 * 3_600, 24 * 3_600];

/** Of a few a second one sample has more by chance than by what goes on. */
const smoothSeconds = 15;

/** What a process without a worker knows nothing of. */
const workers = new Set<keyof Sample>(["sent", "failed", "skipped", "uncertain"]);

/** The last 15 minutes, each question with a plot of its own. */
export function plots({ samples, interval_seconds: interval, providers }: Stats): TemplateResult {
  const times = samples.map(({ at }) => Date.parse(at) / 1_000);
  const of = (name: keyof Sample, ink: string, label: string = name): Series => ({
    name: label,
    ink,
    values: samples.map((sample) => (sample[name] === undefined ? null : Number(sample[name]))),
  });
  /** What came in so many seconds up to each sample, which may have come late. */
  const within = (name: keyof Sample, ink: string, wanted: number, isRate = false): Series => {
    const length = Math.round(wanted / interval);
    const values = samples.map((_, at) => {
      if (providers.length === 0 && workers.has(name)) return null;
      const from = Math.max(0, at + 1 - length);
      const sum = samples.slice(from, at + 1).reduce((all, sample) => all + Number(sample[name]), 0);
      const begin = times[from - 1] ?? (times[from] as number) - interval;
      return isRate ? sum / ((times[at] as number) - begin) : sum;
    });
    return { name, ink, values };
  };
  const rate = (name: keyof Sample, ink: string) => within(name, ink, smoothSeconds, true);
  const inMinute = (name: keyof Sample, ink: string) => within(name, ink, 60);
  const panel = (name: string, unit: (value: number) => string, series: Series[], steps?: number[]) =>
    html`<bf-plot .name=${name} .unit=${unit} .times=${times} .series=${series} .steps=${steps}></bf-plot>`;
  return html`<div class="plots">
    ${panel("Throughput", perSecond, [
      rate("accepted", "bronze"),
      rate("sent", "verdigris"),
      rate("delivered", "ink-soft"),
    ])}
    ${panel("Ended otherwise", perMinute, [
      inMinute("failed", "bad"),
      inMinute("skipped", "ink-soft"),
      inMinute("uncertain", "wait"),
    ])}
    ${panel("Time to answer a write", ms, [of("latency_ms_p99", "bronze", "p99"), of("latency_ms_p50", "verdigris", "p50")])}
    ${panel("Waiting deliveries", count, [of("pending", "bronze", "waiting")])}
    ${panel("Oldest waiting, since due", seconds, [of("oldest_age_seconds", "wait", "oldest")], clockSteps)}
    ${panel("Devices connected", count, [of("connections", "verdigris")])}
  </div>`;
}
