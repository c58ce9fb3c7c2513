import { html, type TemplateResult } from "lit";
import uPlot from "uplot";
import { hourOf, timeOf } from "../format.ts";
import { Part } from "../part.ts";
import { themeChanged } from "../theme.ts";

export interface Series {
  name: string;
  /** A colour of the look: `--bf-<this>`. */
  ink: string;
  values: Array<number | null>;
}

const height = 132;
/** Seconds from the left edge to the right, at most and at least. */
const span = 15 * 60;
const shortestSpan = 60;
/** Samples of the last half minute. */
const recent = 6;
/** All plots share one cursor. */
const together = "live";

/** A few series over time. The legend has their values now, or at the pointer. */
export class Plot extends Part {
  static override properties = {
    name: { attribute: false },
    unit: { attribute: false },
    times: { attribute: false },
    series: { attribute: false },
    steps: { attribute: false },
  };
  declare name: string;
  /** Formats a value with its unit. */
  declare unit: (value: number) => string;
  /** Unix seconds. */
  declare times: number[];
  declare series: Series[];
  /** Distances of the grid lines, smallest first. Absent: any. */
  declare steps: number[] | undefined;
  #plot: uPlot | undefined;
  #at: number | null | undefined;
  #watch = new ResizeObserver(([entry]) =>
    this.#plot?.setSize({ width: entry?.contentRect.width ?? 0, height }),
  );

  override connectedCallback(): void {
    super.connectedCallback();
    addEventListener(themeChanged, this.#redraw);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    removeEventListener(themeChanged, this.#redraw);
    this.#watch.disconnect();
    this.#plot?.destroy();
    this.#plot = undefined;
  }

  #redraw = (): void => {
    this.#plot?.destroy();
    this.#plot = undefined;
    this.requestUpdate();
  };

  override render(): TemplateResult {
    const moment = this.#at == null ? undefined : this.times[this.#at];
    return html`<h2>${this.name} <span class="soft">${moment === undefined ? "" : timeOf(moment * 1_000)}</span></h2>
      <p class="legend">
        ${this.series.map(({ name, ink, values }) => {
          const value = this.#at == null ? newest(values) : values[this.#at];
          const says = value == null ? "–" : this.unit(value);
          return html`<span><i class=${`ink-${ink}`}></i>${name} <strong>${says}</strong></span>`;
        })}
      </p>
      <div class="plot" role="img" aria-label=${this.#words}></div>`;
  }

  get #end(): number {
    return this.times.at(-1) ?? 0;
  }

  /** The axis fits what there is: a new process has not 15 minutes to show. */
  get #begin(): number {
    const end = this.#end;
    return Math.max(end - span, Math.min(this.times[0] ?? end, end - shortestSpan));
  }

  /** Unix seconds of the left and the right edge. */
  get axis(): [number, number] {
    return [Math.round(this.#begin), Math.round(this.#end)];
  }

  get #words(): string {
    const each = this.series.map(({ name, values }) => {
      const now = newest(values);
      const most = Math.max(0, ...values.map((one) => one ?? 0));
      return `${name}: ${now == null ? "unknown" : this.unit(now)} now, ${this.unit(most)} at most`;
    });
    return `${this.name} in the last 15 minutes. ${each.join(". ")}.`;
  }

  override updated(): void {
    const data: uPlot.AlignedData = [this.times, ...this.series.map(({ values }) => values)];
    this.#plot?.setData(data);
    const place = this.querySelector<HTMLElement>(".plot");
    if (this.#plot || !place || this.times.length === 0) return;
    this.#plot = new uPlot(this.#options(place), data, place);
    this.#watch.observe(place);
  }

  #options(place: HTMLElement): uPlot.Options {
    // A canvas has no CSS variables: read each as the colour it has now.
    const ink = (name: string, percent = 100) => {
      place.style.color = `color-mix(in srgb, var(--bf-${name}) ${percent}%, transparent)`;
      return getComputedStyle(place).color;
    };
    const font = `11px ${getComputedStyle(place).fontFamily}`;
    const axis = {
      stroke: ink("ink-soft"),
      font,
      ticks: { show: false },
      grid: { stroke: ink("line"), width: 1 },
    };
    return {
      width: place.clientWidth,
      height,
      legend: { show: false },
      padding: [8, 18, 0, 0],
      cursor: { y: false, sync: { key: together }, points: { size: 6 }, drag: { x: false, y: false } },
      scales: {
        x: { range: () => this.axis },
        y: { range: (_plot, _min, max) => [0, Math.max(this.steps?.[0] ?? 0, (max ?? 0) * 1.1) || 1] },
      },
      axes: [
        {
          ...axis,
          size: 24,
          space: 70,
          incrs: [10, 30, 60, 120, 300],
          values: (_plot, ticks, _axis, _space, step) =>
            ticks.map((one) => (step < 60 ? timeOf : hourOf)(one * 1_000)),
          grid: { show: false },
        },
        {
          ...axis,
          size: 52,
          space: 36,
          ...(this.steps && { incrs: this.steps }),
          values: (_plot, ticks) => ticks.map((one) => (one === 0 ? "0" : this.unit(one))),
        },
      ],
      series: [
        {},
        ...this.series.map((one, at) => ({
          stroke: ink(one.ink),
          ...(at === 0 && { fill: ink(one.ink, 12) }),
          width: 1.5,
          points: { show: false, filter: () => alone(one.values), size: 4, fill: ink(one.ink) },
        })),
      ],
      hooks: {
        setCursor: [
          (plot) => {
            const at = plot.cursor.left === undefined || plot.cursor.left < 0 ? null : plot.cursor.idx;
            if (at === this.#at) return;
            this.#at = at;
            this.requestUpdate();
          },
        ],
      },
    };
  }
}

/** The current value: intervals may lack one, and old ones do not count. */
const newest = (values: Series["values"]): number | null | undefined =>
  values.slice(-recent).findLast((value) => value !== null);

/** Values without neighbours are drawn as points: there is no line through them. */
const alone = (values: Series["values"]): number[] =>
  values.flatMap((value, at) =>
    value !== null && values[at - 1] == null && values[at + 1] == null ? [at] : [],
  );

customElements.define("bf-plot", Plot);
