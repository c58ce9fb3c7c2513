import { median } from "./figures.ts";
import type { IdleResult } from "./live/idle.ts";
import type { Cpu } from "./machine.ts";
import { plot } from "./plot.ts";
import { calmness, cells, isCalm, type Verdict, verdict, writeFiles } from "./report.ts";
import type { Facts } from "./stage.ts";

export type Side = "belfry" | "reference";

/** One measurement of one side. Both sides of a comparison have the same `name` and `round`. */
export interface LiveStep {
  name: string;
  side: Side;
  round: number;
  figures: Record<string, number>;
  /** Of idle connections: how memory grew. */
  points?: IdleResult["points"];
  cpu: Cpu;
}

export interface LiveResults extends Facts {
  /** 1: the whole; all counts and durations are multiplied by it. */
  scale: number;
  rounds: number;
  steps: LiveStep[];
}

export const rates = [100, 1_000] as const;
export const crowds = [1, 100, 1_000] as const;
export const names = {
  latency: (rate: number) => `${rate} changes/s`,
  fanOut: (sockets: number) => `fan-out to ${sockets}`,
  idle: "idle connections",
  storm: "reconnect storm",
  stall: "a client that stops reading",
  firstStall: "a client that stops reading, new process",
  memory: "memory, nobody listens",
};

interface Comparison {
  what: string;
  step: string;
  /** Of Belfry; and of the reference, where it has another name there. */
  figure: string;
  reference?: string;
  atMost?: number;
}

const comparisons: Comparison[] = [
  ...rates.flatMap((rate) =>
    [50, 99].flatMap((share): Comparison[] => [
      { what: `${rate}/s, same instance, p${share}`, step: names.latency(rate), figure: `near${share}` },
      {
        what: `${rate}/s, other instance, p${share}`,
        step: names.latency(rate),
        figure: `far${share}`,
        reference: `near${share}`,
      },
    ]),
  ),
  ...crowds.map((sockets) => ({
    what: `fan-out to ${sockets} ${sockets === 1 ? "socket" : "sockets"}`,
    step: names.fanOut(sockets),
    figure: "all",
  })),
  { what: "memory of an idle connection", step: names.idle, figure: "bytesEach" },
  { what: "processor time, idle", step: names.idle, figure: "cpuPercent" },
  { what: "reconnect storm", step: names.storm, figure: "seconds" },
  { what: "others' p99, one stops reading", step: names.stall, figure: "p99", atMost: 1.2 },
  { what: "memory, nobody listens", step: names.memory, figure: "mb" },
];

/** Milliseconds from the 201 to the socket, in the busiest step. */
const delays = [
  { what: "1000/s, same instance, p99 itself", figure: "near99", atMost: 25 },
  { what: "1000/s, other instance, p99 itself", figure: "far99", atMost: 40 },
];

/** A process that takes 20,000 creates grows by itself: beside what one that stops costs stands what the load costs. */
const growths = [
  { what: "memory growth", step: names.stall, figure: "growthMb", atMost: 20 },
  { what: "of it in use", step: names.stall, figure: "heldMb" },
  { what: "growth of a new process", step: names.firstStall, figure: "growthMb" },
];

export function judge({ steps }: LiveResults): Verdict[] {
  const of = (name: string, side: Side) => steps.filter((one) => one.name === name && one.side === side);
  const ratios = comparisons.flatMap(({ what, step, figure, reference = figure, atMost }) => {
    const pairs = of(step, "belfry").flatMap((one) => {
      const to = of(step, "reference").find(({ round }) => round === one.round);
      return to ? [{ one, to }] : [];
    });
    if (pairs.length === 0) return [];
    const calm = pairs.filter(({ one, to }) => isCalm(one) && isCalm(to));
    const values = (calm.length > 0 ? calm : pairs).map(
      // A socket may have it before the 201 is there.
      ({ one, to }) => Math.max(0, one.figures[figure] ?? 0) / (to.figures[reference] ?? 0),
    );
    return [verdict(what, values, "×", atMost === undefined ? undefined : { atMost })];
  });
  const late = delays.flatMap(({ what, figure, atMost }) => {
    const values = of(names.latency(1_000), "belfry").map(({ figures }) => figures[figure] ?? 0);
    return values.length === 0 ? [] : [verdict(what, values, "ms", { atMost })];
  });
  const grown = growths.flatMap(({ what, step, figure, atMost }) =>
    (["belfry", "reference"] as const).flatMap((side) => {
      const values = of(step, side).map(({ figures }) => figures[figure] ?? 0);
      if (values.length === 0) return [];
      if (side === "reference") return [verdict(`${what}, all read`, values, "MB", undefined)];
      return [
        verdict(`${what}, one stops reading`, values, "MB", atMost === undefined ? undefined : { atMost }),
      ];
    }),
  );
  return [...ratios, ...late, ...grown];
}

const units: Record<string, string> = {
  bytesEach: " B each",
  cpuPercent: " % of a core",
  seconds: " s",
  growthMb: " MB more",
  heldMb: " MB more in use",
  mb: " MB",
  changes: " changes",
};
const titles: Record<string, string> = {
  near50: "p50",
  near99: "p99",
  far50: "other instance p50",
  far99: "p99",
  stored50: "201 after p50",
  stored99: "p99",
  all: "all after",
  stored: "201 after",
};

export function describe(figures: Record<string, number>): string {
  return Object.entries(figures)
    .map(([name, value]) => {
      const text = value >= 100 ? value.toFixed(0) : Number(value.toPrecision(3)).toString();
      if (units[name]) return text + units[name];
      return `${titles[name] ?? name} ${text} ms`;
    })
    .join(", ");
}

export function write(results: LiveResults, verdicts: Verdict[]): string[] {
  return writeFiles("bench:live", "live", {
    title: "Live updates",
    results,
    svg: plot(
      verdicts.filter(({ unit }) => unit === "×"),
      {
        title: "Live, as multiples of what a bare ws server takes",
        subtitle: "less is better; median and range of the rounds; line at 1 ×: the reference",
      },
    ),
    markdown: markdown(results, verdicts),
  });
}

function markdown(results: LiveResults, verdicts: Verdict[]): string {
  const row = (texts: Array<string | number>) => `| ${texts.join(" | ")} |`;
  const rows = [...new Set(results.steps.map((one) => one.name))].flatMap((name) =>
    (["belfry", "reference"] as const).flatMap((side) => {
      const own = results.steps.filter((one) => one.name === name && one.side === side);
      const [first] = own;
      if (!first) return [];
      const figures = Object.fromEntries(
        Object.keys(first.figures).map((figure) => [
          figure,
          median(own.map((one) => one.figures[figure] ?? 0)),
        ]),
      );
      const percent = (process: string) =>
        process in first.cpu ? median(own.map((one) => one.cpu[process] ?? 0)).toFixed(0) : "";
      const used = ["belfry", "belfry 2", "mongod", "bare", "crowd", "others"].map(percent);
      return [row([name, side, describe(figures), ...used])];
    }),
  );
  return `
Measured on ${results.measuredAt.slice(0, 10)}: ${results.cores} cores (${results.cpu}), Node ${results.node}, MongoDB ${results.mongod};
${results.rounds} rounds; the figure is the median. ${calmness(results)}

${row(["", "target", "measured", "range", ""])}
|---|---|---|---|---|
${verdicts.map((one) => row(cells(one))).join("\n")}

![Live, as multiples of a bare ws server](../../bench/results/live.svg)

Medians; processor time in % of one core; *crowd* is the process that has all the clients.

${row(["step", "side", "figures", "belfry", "belfry 2", "mongod", "bare", "crowd", "others"])}
|---|---|---|--:|--:|--:|--:|--:|--:|
${rows.join("\n")}
`;
}
