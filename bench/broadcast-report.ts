import { median, percentile } from "./figures.ts";
import type { Cpu } from "./machine.ts";
import { plot } from "./plot.ts";
import { calmness, cells, isCalm, type Verdict, verdict, writeFiles } from "./report.ts";
import type { Facts } from "./stage.ts";

/** `beside sends`: while single sends come. `with collections`: of garbage, twice a second, to see the heap. */
export type StepName = "plain" | "broadcast" | "beside sends" | "plain, beside sends" | "with collections";

export interface BroadcastStep {
  name: StepName;
  round: number;
  /** Users a second. */
  rate: number;
  cpu: Cpu;
}

/** Milliseconds. */
interface Times {
  sends: number;
  p50: number;
  p99: number;
  longest: number;
}

export interface BroadcastResults extends Facts {
  users: number;
  rounds: number;
  singlesPerSecond: number;
  /** The plain loop with fewer users, to find its best batch. */
  tried: Array<{ batch: number; rate: number }>;
  batch: number;
  steps: BroadcastStep[];
  /** Single sends without a broadcast, during one, and during the plain loop. */
  idle: Times;
  during: Times;
  besidePlain: Times;
  /** Of the service, after a collection each, in MB (10^6 B). */
  heap: Array<{ second: number; mb: number }>;
}

export const timesOf = (values: number[]): Times => ({
  sends: values.length,
  p50: percentile(values, 0.5),
  p99: percentile(values, 0.99),
  longest: Math.max(...values),
});

export function judge({ steps, idle, during, besidePlain, heap }: BroadcastResults): Verdict[] {
  const of = (name: StepName) => steps.filter((one) => one.name === name);
  const plain = of("plain");
  const ratios = (name: StepName) => {
    const pairs = of(name).flatMap((one) => {
      const to = plain.find(({ round }) => round === one.round);
      return to ? [{ one, to }] : [];
    });
    const calm = pairs.filter(({ one, to }) => isCalm(one) && isCalm(to));
    return (calm.length > 0 ? calm : pairs).map(({ one, to }) => one.rate / to.rate);
  };
  const heaps = heap.map(({ mb }) => mb);
  return [
    verdict("users a second", ratios("broadcast"), "×", { atLeast: 0.8 }),
    verdict("users a second, beside single sends", ratios("beside sends"), "×", undefined),
    verdict("p99 of single sends beside it : idle", [during.p99 / idle.p99], "×", { atMost: 2 }),
    verdict("p99 of single sends beside the plain loop : idle", [besidePlain.p99 / idle.p99], "×", undefined),
    verdict("heap, highest − lowest", [Math.max(...heaps) - Math.min(...heaps)], "MB", { atMost: 20 }),
  ];
}

export function describe({ name, rate, cpu }: BroadcastStep): string {
  const used = Object.entries(cpu).map(([process, percent]) => `${process} ${percent} %`);
  return `${name}: ${Math.round(rate)} users/s (${used.join(", ")})`;
}

export function write(results: BroadcastResults, verdicts: Verdict[]): string[] {
  return writeFiles("bench:broadcast", "broadcast", {
    title: "A broadcast, and single sends beside it",
    results,
    svg: plot(
      verdicts.filter(({ unit }) => unit === "×"),
      {
        title: "A broadcast, as a multiple of the plain driver loop",
        subtitle:
          "users a second: more is better; p99 of single sends, as a multiple of idle: less is better",
      },
    ),
    markdown: markdown(results, verdicts),
  });
}

function markdown(results: BroadcastResults, verdicts: Verdict[]): string {
  const row = (texts: Array<string | number>) => `| ${texts.join(" | ")} |`;
  const { users, rounds, singlesPerSecond, tried, batch, steps, idle, during, besidePlain, heap } = results;
  const rows = [...new Set(steps.map(({ name }) => name))].map((name) => {
    const own = steps.filter((one) => one.name === name);
    const percent = (process: string) => median(own.map(({ cpu }) => cpu[process] ?? 0)).toFixed(0);
    return row([
      name,
      median(own.map(({ rate }) => rate)).toFixed(0),
      ...["belfry", "mongod", "others"].map(percent),
    ]);
  });
  const shown = Math.max(1, Math.ceil(heap.length / 12));
  const times = ({ sends, p50, p99, longest }: Times) =>
    [sends, p50, p99, longest].map((one, at) => one.toFixed(at === 0 ? 0 : 1));
  return `
Measured on ${results.measuredAt.slice(0, 10)}: ${results.cores} cores (${results.cpu}), Node ${results.node}, MongoDB ${results.mongod};
${users} users, ${rounds} rounds, the figure is the median; ${singlesPerSecond} single sends a second. ${calmness(results)}

${row(["", "target", "measured", "range", ""])}
|---|---|---|---|---|
${verdicts.map((one) => row(cells(one))).join("\n")}

![A broadcast, as a multiple of the plain driver loop](../../bench/results/broadcast.svg)

Medians; processor time in % of one core. The plain loop writes in batches of ${batch}, the best of ${tried
    .map((one) => `${one.batch} (${one.rate.toFixed(0)}/s)`)
    .join(", ")}.

${row(["step", "users a second", "belfry", "mongod", "others"])}
|---|--:|--:|--:|--:|
${rows.join("\n")}

${row(["single sends", "number", "p50 ms", "p99 ms", "longest ms"])}
|---|--:|--:|--:|--:|
${row(["without a broadcast", ...times(idle)])}
${row(["during a broadcast", ...times(during)])}
${row(["during the plain loop", ...times(besidePlain)])}

Heap after a collection, over the time of a broadcast:

${row(["second", "MB"])}
|--:|--:|
${heap
  .filter((_, at) => at % shown === 0)
  .map(({ second, mb }) => row([second.toFixed(1), mb.toFixed(1)]))
  .join("\n")}
`;
}
