import { median } from "./figures.ts";
import { cores, cpuModel } from "./machine.ts";
import { plot } from "./plot.ts";
import { cells, type Verdict, verdict, writeFiles } from "./report.ts";

/** `costs`: milliseconds of each round, by the clock and of the servers' processor time. */
export interface ClaimStep {
  name: `claim ${50 | 200} and settle, per delivery` | "a claim that finds nothing";
  shards: number;
  costs: Array<{ ms: number; cpuMs: number }>;
}

/** Milliseconds; `rate` and `atOnce`: so many a second with so many in flight. */
export type Step =
  | ClaimStep
  | { name: "a create with a mail"; shards: number; p50: number; p99: number; atOnce: number; rate: number }
  | { name: `a transaction on ${string}`; p50: number; p99: number; atOnce: number; rate: number }
  | (Record<"near50" | "near99" | "far50" | "far99" | "stored50" | "stored99" | "spent", number> & {
      name: `live, ${number} changes a second`;
    });

const ms = (value: number) => `${value.toFixed(1)} ms`;

export function inWords(step: Step): string[] {
  if ("costs" in step)
    return [
      `${step.name}, ${step.shards} shards`,
      `${median(step.costs.map(({ ms }) => ms)).toFixed(2)} ms`,
      `${cpuMsOf(step).toFixed(2)} ms of the servers' processor time`,
    ];
  if ("far50" in step)
    return [
      step.name,
      `other instance p50 ${ms(step.far50)}, p99 ${ms(step.far99)}`,
      `same instance p50 ${ms(step.near50)}, p99 ${ms(step.near99)}; stored after p50 ${ms(step.stored50)}, p99 ${ms(step.stored99)}; all processes ${step.spent} % of a core`,
    ];
  return [
    "shards" in step ? `${step.name}, ${step.shards} shards` : step.name,
    `one at a time p50 ${ms(step.p50)}, p99 ${ms(step.p99)}`,
    `${step.atOnce} at once ${step.rate.toFixed(0)} a second`,
  ];
}

const claimsOf = (steps: Step[], name: ClaimStep["name"]) =>
  steps.filter((one): one is ClaimStep => one.name === name);

const cpuMsOf = ({ costs }: ClaimStep) => median(costs.map(({ cpuMs }) => cpuMs));

/** A claim and its outcomes: read the candidates, update them, read what was won, and store the outcomes. */
const commandsOfClaim = 4;

/** The cost that the commands of a claim have on more shards even with nothing in them. */
function limitOfClaims(steps: Step[]): string {
  const cost = (name: ClaimStep["name"], shards: number) =>
    claimsOf(steps, name)
      .filter((one) => one.shards === shards)
      .map(cpuMsOf)[0] ?? 0;
  const command = (cost("a claim that finds nothing", 4) - cost("a claim that finds nothing", 1)) / 3;
  const single = cost("claim 50 and settle, per delivery", 1);
  const more = (3 * commandsOfClaim * command) / 50;
  return `A claim of 50 and its outcomes are ${commandsOfClaim} commands to every shard. A command that finds nothing costs ${command.toFixed(2)} ms of processor time on each further shard,
with the router's part. For each delivery, four shards therefore take about ${more.toFixed(2)} ms more than one: ${(1 + more / single).toFixed(2)} × its cost.`;
}

function judge(steps: Step[]): Verdict[] {
  const creates = steps.filter((one) => one.name === "a create with a mail");
  const transactions = steps.filter((one) => one.name.startsWith("a transaction")) as typeof creates;
  const live = steps.filter((one) => "far99" in one);
  const claims = ([50, 200] as const).flatMap((batch) => {
    const [single, ...others] = claimsOf(steps, `claim ${batch} and settle, per delivery`);
    return others.map(({ shards, costs }) =>
      verdict(
        `claims of ${batch}, ${shards} shards : 1`,
        costs.map(({ cpuMs }, round) => cpuMs / (single?.costs[round]?.cpuMs ?? 1)),
        "×",
        batch === 50 ? { atMost: 1.3 } : undefined,
      ),
    );
  });
  return [
    ...claims,
    verdict("creates, 2 shards : 1", [(creates[1]?.rate ?? 0) / (creates[0]?.rate ?? 1)], "×", undefined),
    verdict(
      "transactions, on 2 shards : 1",
      [(transactions[1]?.rate ?? 0) / (transactions[0]?.rate ?? 1)],
      "×",
      undefined,
    ),
    ...live.map((one) =>
      verdict(
        `${one.name}, other instance, p99`,
        [one.far99],
        "ms",
        /, (5|1000) /.test(one.name) ? { atMost: 50 } : undefined,
      ),
    ),
  ];
}

/** Writes the page, the plot and the figures; returns their paths. */
export function writeReport(steps: Step[]): string[] {
  const verdicts = judge(steps);
  const row = (texts: string[]) => `| ${texts.join(" | ")} |`;
  return writeFiles("bench:sharded", "sharded", {
    title: "A sharded cluster",
    results: {
      measuredAt: new Date().toISOString(),
      node: process.versions.node,
      cores,
      cpu: cpuModel,
      steps,
    },
    svg: plot(
      verdicts.filter(({ unit }) => unit === "×"),
      {
        title: "Several shards as multiples of one",
        subtitle: "claims: processor time of all servers for a delivery; the others: how many a second",
      },
    ),
    markdown: `
Measured on ${new Date().toISOString().slice(0, 10)}: ${cores} cores (${cpuModel}), Node ${process.versions.node}. Each shard is one \`mongod\`. All of them,
the router, the config server, the services and the clients share these cores, so more shards cannot be faster here: the page shows the costs.

${row(["", "target", "measured", "range", ""])}
|---|---|---|---|---|
${verdicts.map((one) => row(cells(one))).join("\n")}

![Several shards as multiples of one](../../bench/results/sharded.svg)

${limitOfClaims(steps)}

Live times run from the \`201\` to a socket.

| step | | |
|---|---|---|
${steps.map((one) => row(inWords(one))).join("\n")}
`,
  });
}
