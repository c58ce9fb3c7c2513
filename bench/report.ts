import { mkdirSync, writeFileSync } from "node:fs";
import { median } from "./figures.ts";
import type { Load } from "./load.ts";
import type { Cpu } from "./machine.ts";
import type { OplogBytes } from "./oplog.ts";
import { plot } from "./plot.ts";
import type { Facts } from "./stage.ts";
import type { Memory, StartTimes } from "./start.ts";

/** 32 deliveries in progress, or as many as the name says. */
export type SendingStep = `new_login ${32 | 128} sending${"" | ", 128 in progress"}`;

export type StepName =
  | `reference ${"create" | "login" | "sending" | "list"}`
  | `${"" | "relay "}${"new_message" | "new_login"} ${32 | 128}`
  | `${SendingStep}${"" | " until sent"}`
  | `list ${32 | 128}`;

export interface Step extends Load {
  name: StepName;
  round: number;
  cpu: Cpu;
  /** Deliveries not sent when the step ended; where the process sends. */
  backlog?: number;
}

export interface Results extends Facts {
  secondsPerStep: number;
  rounds: number;
  steps: Step[];
  oplog: OplogBytes;
  starts: StartTimes;
  memory: { withMongo: Memory; managed: Memory };
}

export interface Verdict {
  what: string;
  /** Of rates: how many times the reference. Of the rest: a number with its unit. */
  median: number;
  spread: [number, number];
  unit: "×" | "s" | "MB" | "kB" | "ms";
  target: { atLeast: number } | { atMost: number } | undefined;
  met: boolean | undefined;
  steps: Step[];
}

/** What is compared with what, and what it should reach. */
const comparisons: Array<{ what: string; step: StepName; reference: StepName; atLeast?: number }> = [
  { what: "new_message, 32 connections", step: "new_message 32", reference: "reference create", atLeast: 1 },
  {
    what: "new_message, 128 connections",
    step: "new_message 128",
    reference: "reference create",
    atLeast: 3,
  },
  { what: "new_login, 32 connections", step: "new_login 32", reference: "reference login" },
  { what: "new_login, 128 connections", step: "new_login 128", reference: "reference login", atLeast: 4 },
  ...([32, 128] as const).flatMap((connections) => [
    {
      what: `new_login and sending, ${connections}`,
      step: `new_login ${connections} sending` as const,
      reference: "reference login" as const,
      ...(connections === 128 && { atLeast: 3 }),
    },
    {
      what: `new_login until sent, ${connections}`,
      step: `new_login ${connections} sending until sent` as const,
      reference: "reference sending" as const,
      ...(connections === 128 && { atLeast: 3 }),
    },
  ]),
  {
    what: "sending, 128 in progress",
    step: "new_login 128 sending, 128 in progress",
    reference: "reference login",
  },
  {
    what: "until sent, 128 in progress",
    step: "new_login 128 sending, 128 in progress until sent",
    reference: "reference sending",
  },
  ...(["new_message", "new_login"] as const).map((operation) => ({
    what: `bare relay: ${operation}, 128`,
    step: `relay ${operation} 128` as const,
    reference: operation === "new_login" ? ("reference login" as const) : ("reference create" as const),
  })),
  { what: "list, 32 connections", step: "list 32", reference: "reference list", atLeast: 1 },
  { what: "list, 128 connections", step: "list 128", reference: "reference list", atLeast: 1 },
];

/** Per cent of one core that other programs may take before a step counts as disturbed. */
export const calmPercent = 20;
export const others = (step: { cpu: Cpu }) => step.cpu.others ?? 0;
export const isCalm = (step: { cpu: Cpu }) => others(step) <= calmPercent;

export function calmness({ steps }: { steps: Array<{ cpu: Cpu }> }): string {
  const disturbed = steps.filter((one) => !isCalm(one)).length;
  const most = Math.max(...steps.map(others));
  return disturbed === 0
    ? `No step was disturbed: other programs took at most ${most} % of a core.`
    : `${disturbed} of ${steps.length} steps were disturbed by other programs (up to ${most} % of a core); a ratio comes from calm rounds where there are any.`;
}

export function judge(results: Results): Verdict[] {
  const rates = comparisons.map(({ what, step, reference, atLeast }): Verdict => {
    const own = results.steps.filter((one) => one.name === step);
    const pairs = own.map((one) => ({
      one,
      to: results.steps.find((other) => other.name === reference && other.round === one.round) as Step,
    }));
    // A disturbance hits the two sides differently: rounds without one count, when there are any.
    const calm = pairs.filter(({ one, to }) => isCalm(one) && isCalm(to));
    const ratios = (calm.length > 0 ? calm : pairs).map(({ one, to }) => one.rate / to.rate);
    return verdict(what, ratios, "×", atLeast === undefined ? undefined : { atLeast }, own);
  });
  const { oplog, starts, memory } = results;
  const inSeconds = (times: number[]) => times.map((ms) => ms / 1000);
  return [
    ...rates,
    verdict("oplog bytes of a create, full inbox", [oplog.belfry / oplog.append], "×", { atMost: 2 }),
    verdict("ready, MongoDB there", inSeconds(starts.withMongo), "s", { atMost: 1 }),
    verdict("ready, managed, first start", inSeconds(starts.managedFirst), "s", { atMost: 6 }),
    verdict("ready, managed, later start", inSeconds(starts.managedAgain), "s", { atMost: 6 }),
    verdict("memory idle, MongoDB there", [memory.withMongo.idle], "MB", { atMost: 110 }),
    verdict("memory idle, managed", [memory.managed.idle], "MB", { atMost: 110 }),
  ];
}

export function verdict(
  what: string,
  values: number[],
  unit: Verdict["unit"],
  target: Verdict["target"],
  steps: Step[] = [],
): Verdict {
  const middle = median(values);
  const met = target && ("atLeast" in target ? middle >= target.atLeast : middle <= target.atMost);
  return {
    what,
    median: middle,
    spread: [Math.min(...values), Math.max(...values)],
    unit,
    target,
    met,
    steps,
  };
}

const figure = (value: number, unit: string) =>
  `${value.toFixed(unit === "MB" || unit === "ms" ? 0 : 2)} ${unit}`;

export function cells({ what, median, spread, unit, target, met }: Verdict): string[] {
  const wanted =
    target && ("atLeast" in target ? `≥ ${target.atLeast} ${unit}` : `≤ ${target.atMost} ${unit}`);
  const missedBy = target && Math.abs(1 - median / ("atLeast" in target ? target.atLeast : target.atMost));
  const range =
    spread[0] === spread[1] ? "" : `${figure(spread[0], "").trim()} – ${figure(spread[1], "").trim()}`;
  const verdictText =
    met === undefined ? "" : met ? "met" : `MISSED by ${((missedBy ?? 0) * 100).toFixed(0)} %`;
  return [what, wanted ?? "–", figure(median, unit), range, verdictText];
}

const heads = ["", "target", "measured", "range", ""];

export function table(verdicts: Verdict[]): string {
  const rows = [heads, ...verdicts.map(cells)];
  const widths = heads.map((_, column) => Math.max(...rows.map((row) => (row[column] as string).length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] as number))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

const root = new URL("../../", import.meta.url);

/** The files, relative to the repository. */
export function write(results: Results, verdicts: Verdict[]): string[] {
  const rates = verdicts.filter((one) => one.steps.length > 0);
  return writeFiles("bench", "create-list", {
    title: "Creates and lists",
    results,
    svg: plot(rates, {
      title: "Requests a second, as multiples of the plain driver loop",
      subtitle: "median and range of the rounds; line at 1 ×: the reference, 32 in flight",
    }),
    markdown: markdown(results, verdicts),
  });
}

/** Writes the figures, the plot and the page of tables; returns their paths, relative to the repository. */
export function writeFiles(
  script: string,
  name: string,
  page: { title: string; results: object; svg: string; markdown: string },
): string[] {
  const contents = {
    [`bench/results/${name}.json`]: `${JSON.stringify(page.results, undefined, 2)}\n`,
    [`bench/results/${name}.svg`]: page.svg,
    [`docs/results/${name}.md`]: `# ${page.title}

Written by \`npm run ${script}\`. [performance.md](../performance.md) explains what is measured.
${page.markdown}`,
  };
  for (const [file, content] of Object.entries(contents)) {
    mkdirSync(new URL(".", new URL(file, root)), { recursive: true });
    writeFileSync(new URL(file, root), content);
  }
  return Object.keys(contents);
}

/** Microseconds of processor time for one request, without other programs. */
function costOf({ cpu, rate }: Step): number {
  const { others: _, ...own } = cpu;
  return (Object.values(own).reduce((sum, percent) => sum + percent, 0) * 10_000) / rate;
}

/** For each rate that is below its target: what the processor allows at this cost. */
function limits({ cores }: Results, verdicts: Verdict[]): string {
  const missed = verdicts.filter(
    ({ met, unit, steps: own }) => met === false && unit === "×" && own.length > 0,
  );
  return missed
    .map(({ what, steps: own, median: ratio, target }) => {
      const cost = median(own.map(costOf));
      const rate = median(own.map((one) => one.rate));
      const most = (cores * 1e6) / cost;
      const needed = target && "atLeast" in target ? (cores * 1e6 * ratio) / (target.atLeast * rate) : 0;
      return `- ${what}: at ${cost.toFixed(0)} µs a request ${cores} cores allow ${most.toFixed(0)} a second, ${((most / rate) * ratio).toFixed(2)} ×. The target needs ${needed.toFixed(0)} µs, the load generator's included.\n`;
    })
    .join("");
}

function markdown(results: Results, verdicts: Verdict[]): string {
  const { oplog, starts, memory } = results;
  const row = (texts: Array<string | number>) => `| ${texts.join(" | ")} |`;
  const names = [...new Set(results.steps.map((one) => one.name))];
  const stepRows = names.map((name) => {
    const own = results.steps.filter((one) => one.name === name);
    const middle = (of: (step: Step) => number) => median(own.map(of));
    const percent = (process: string) => {
      const seen = own.filter((one) => process in one.cpu);
      return seen.length === 0 ? "" : median(seen.map((one) => one.cpu[process] as number)).toFixed(0);
    };
    const failed = own.reduce((sum, one) => sum + one.failed, 0);
    const client = percent("wrk") || percent("driver");
    return row([
      name,
      middle((one) => one.rate).toFixed(0),
      middle((one) => one.p50).toFixed(1),
      middle((one) => one.p99).toFixed(1),
      failed,
      percent("belfry"),
      percent("mongod"),
      client,
      percent("others"),
      middle(costOf).toFixed(0),
    ]);
  });
  const backlog = results.steps.filter(
    (one) => one.backlog !== undefined && !one.name.endsWith("until sent"),
  );
  const seconds = (times: number[]) => `${(median(times) / 1000).toFixed(2)} s`;
  return `
Measured on ${results.measuredAt.slice(0, 10)}: ${results.cores} cores (${results.cpu}), Node ${results.node}, MongoDB ${results.mongod};
${results.rounds} rounds of ${results.secondsPerStep} s a step; the figure is the median. ${calmness(results)}

${row(["", "target", "measured", "range", ""])}
|---|---|---|---|---|
${verdicts.map((one) => row(cells(one))).join("\n")}

![Requests a second as multiples of the reference](../../bench/results/create-list.svg)

Rates, latency (ms) and processor time (% of one core; *client* is wrk, or the reference itself; *others* is everything
else on the machine: noise). Medians; *failed* is a sum; *µs* is the processor time of one request, in all processes.

${row(["step", "a second", "p50", "p99", "failed", "belfry", "mongod", "client", "others", "µs"])}
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|
${stepRows.join("\n")}

${limits(results, verdicts)}- Deliveries not yet sent at the end of a *sending* step: ${backlog.map((one) => `${one.backlog} (${one.name.replace("new_login ", "").replace(" sending", "")})`).join(", ")}.
- Oplog bytes of a create at an inbox of 100 (${oplog.creates} creates): Belfry ${oplog.belfry}, plain append ${oplog.append}, reference ${oplog.sliced}.
- Ready: ${seconds(starts.withMongo)} with MongoDB there; managed ${seconds(starts.managedFirst)} at first, ${seconds(starts.managedAgain)} later.
- Resident memory of the service, idle and after 200 requests: ${memory.withMongo.idle} and ${memory.withMongo.used} MB with MongoDB there, ${memory.managed.idle} and ${memory.managed.used} MB with the managed one (mongod itself not counted).
`;
}
