import { html, type TemplateResult } from "lit";
import { count, duration, number } from "../format.ts";
import type { Series } from "../parts/plot.ts";
import "../parts/plot.ts";
import type { Sample, Stats } from "../wire.ts";

const perSecond = (value: number): string => `${number(value)}/s`;
const perMinute = (value: number): string => `${count(value)}/min`;
const ms = (value: number): string => `${number(value)} ms`;
const seconds = (value: number): string => duration(value * 1_000);
/** Grid lines of durations: whole minutes rather than hundreds of seconds. */
const clockSteps = [1, 5, 15, 30, 60, 300, 900, 1_800, 3_600, 4 * 3_600, 24 * 3_600];

/** Grid lines of counts: there is no half a delivery. */
const wholeSteps = [0, 1, 2, 3, 4, 5, 6, 7].flatMap((power) => [1, 2, 5].map((digit) => digit * 10 ** power));

/** A single sample of a few events a second is mostly chance. */
const smoothSeconds = 15;

/** Unknown to a process without a worker. */
const workers = new Set<keyof Sample>(["sent", "failed", "skipped", "uncertain"]);

/** The last 15 minutes, one plot for each question. */
export function plots({ samples, interval_seconds: interval, providers }: Stats): TemplateResult {
  const times = samples.map(({ at }) => Date.parse(at) / 1_000);
  const of = (name: keyof Sample, ink: string, label: string = name): Series => ({
    name: label,
    ink,
    values: samples.map((sample) => (sample[name] === undefined ? null : Number(sample[name]))),
  });
  /** The count within so many seconds before each sample. Samples may be late. */
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
    ${panel("Not delivered", perMinute, [
      inMinute("failed", "bad"),
      inMinute("skipped", "ink-soft"),
      inMinute("uncertain", "wait"),
    ])}
    ${panel("Response time of writes", ms, [of("latency_ms_p99", "bronze", "p99"), of("latency_ms_p50", "verdigris", "p50")])}
    ${panel("Waiting deliveries", count, [of("pending", "bronze", "waiting")], wholeSteps)}
    ${panel("Oldest waiting delivery, since due", seconds, [of("oldest_age_seconds", "wait", "oldest")], clockSteps)}
    ${panel("Devices connected", count, [of("connections", "verdigris")], wholeSteps)}
  </div>`;
}
