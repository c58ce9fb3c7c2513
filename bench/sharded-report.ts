import { cores, cpuModel } from "./machine.ts";
import { plot } from "./plot.ts";
import { cells, type Verdict, verdict, writeFiles } from "./report.ts";

/** Milliseconds; `rate` and `atOnce`: so many a second with so many in flight. */
export type Step =
  | { name: "claim and settle, per delivery"; shards: number; ms: number; cpuMs: number }
  | { name: "a create with a mail"; shards: number; p50: number; p99: number; atOnce: number; rate: number }
  | { name: `a transaction on ${string}`; p50: number; p99: number; atOnce: number; rate: number }
  | (Record<"near50" | "near99" | "far50" | "far99" | "stored50" | "stored99" | "spent", number> & {
      name: `live, ${number} changes a second`;
    });

const ms = (value: number) => `${value.toFixed(1)} ms`;

export function inWords(step: Step): string[] {
  if ("cpuMs" in step)
    return [
      `${step.name}, ${step.shards} shards`,
      `${step.ms.toFixed(2)} ms`,
      `${step.cpuMs.toFixed(2)} ms of the servers' processor time`,
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

function judge(steps: Step[]): Verdict[] {
  const claims = steps.filter((one) => "cpuMs" in one);
  const creates = steps.filter((one) => one.name === "a create with a mail");
  const transactions = steps.filter((one) => one.name.startsWith("a transaction")) as typeof creates;
  const live = steps.filter((one) => "far99" in one);
  const [single, ...others] = claims;
  const most = live.at(-1)?.name;
  return [
    ...others.map((one) =>
      verdict(`claims, ${one.shards} shards : 1`, [one.cpuMs / (single?.cpuMs ?? 1)], "×", { atMost: 1.3 }),
    ),
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
        one === live[0] || one.name === most ? { atMost: 50 } : undefined,
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

Live times run from the \`201\` to a socket.

| step | | |
|---|---|---|
${steps.map((one) => row(inWords(one))).join("\n")}
`,
  });
}
