import { median } from "./figures.ts";
import type { Cpu } from "./machine.ts";
import { plot } from "./plot.ts";
import { calmness, cells, isCalm, type Verdict, verdict, writeFiles } from "./report.ts";
import type { Facts } from "./stage.ts";

export interface Case {
  name: string;
  /** `none`: a bare nodemailer pool. */
  queue: "none" | "MongoDB" | "RabbitMQ";
  processes: number;
  /** To the mail server, of each process: `SMTP_CONNECTIONS`; `DELIVERY_CONCURRENCY` is twice that, as it is by default. */
  connections: number;
  /** The case that it is a multiple of. */
  reference?: string;
  atLeast?: number;
}

export interface DrainStep {
  name: string;
  count: number;
  round: number;
  /** Messages a second from the first to the last receipt. */
  rate: number;
  seconds: number;
  /** From the first receipt to the last stored outcome. */
  settledSeconds?: number;
  /** Of one message, envelope not counted. */
  bytes: number;
  cpu: Cpu;
}

export interface DrainResults extends Facts {
  backlog: number;
  rounds: number;
  steps: DrainStep[];
}

const pool = (processes: number, connections: number): Case => ({
  name: `nodemailer ${processes} × ${connections}`,
  queue: "none",
  processes,
  connections,
});

const workers = (queue: Case["queue"], processes: number, connections: number): Case => ({
  name: `${queue} ${processes} × ${connections}`,
  queue,
  processes,
  connections,
  reference: `nodemailer 1 × ${processes * connections}`,
  atLeast: 0.8,
});

/** In this order, so that each is measured close to what it is compared with. */
export const cases: Case[] = [
  pool(1, 16),
  workers("MongoDB", 1, 16),
  pool(1, 64),
  workers("MongoDB", 1, 64),
  workers("RabbitMQ", 1, 64),
  workers("MongoDB", 2, 32),
  workers("RabbitMQ", 2, 32),
  pool(2, 32),
];

/** Backlogs whose cost per delivery is compared, and the case that drains them. */
export const growing = cases.find((one) => one.name === "MongoDB 1 × 64") as Case;
export const sizes = [1_000, 10_000, 100_000] as const;
const mostCost = 1.3;

const plural = (count: number, what: string) => `${count} ${what}${count === 1 ? "" : "s"}`;
const titleOf = ({ queue, processes, connections }: Case) =>
  queue === "none"
    ? `nodemailer, ${plural(processes, "pool")} of ${connections}`
    : `${queue}, ${plural(processes, "worker")} of ${connections}`;

export function judge({ steps, backlog }: DrainResults): Verdict[] {
  const of = (name: string, count: number) => steps.filter((one) => one.name === name && one.count === count);
  const rates = cases.flatMap((each) => {
    const pairs = of(each.name, backlog).flatMap((one) => {
      const to = of(each.reference ?? "", backlog).find(({ round }) => round === one.round);
      return to ? [{ one, to }] : [];
    });
    if (pairs.length === 0) return [];
    const calm = pairs.filter(({ one, to }) => isCalm(one) && isCalm(to));
    const ratios = (calm.length > 0 ? calm : pairs).map(({ one, to }) => one.rate / to.rate);
    return [verdict(titleOf(each), ratios, "×", each.atLeast ? { atLeast: each.atLeast } : undefined)];
  });
  const costs = (count: number) => of(growing.name, count).map(cost);
  const growth = sizes.slice(1).flatMap((size) => {
    const [small, big] = [costs(sizes[0]), costs(size)];
    if (small.length === 0 || big.length === 0) return [];
    const ratios = big.map((each) => each / median(small));
    return [
      verdict(`cost per delivery, ${thousands(size)} : ${thousands(sizes[0])}`, ratios, "×", {
        atMost: mostCost,
      }),
    ];
  });
  return [...rates, ...growth];
}

const thousands = (count: number) => `${count / 1000}k`;

/** Milliseconds of a delivery, until its outcome is stored. */
const cost = (step: DrainStep) => ((step.settledSeconds ?? step.seconds) * 1000) / step.count;

export function write(results: DrainResults, verdicts: Verdict[]): string[] {
  return writeFiles("bench:drain", "drain", {
    title: "How fast a backlog drains",
    results,
    svg: plot(
      verdicts.filter(({ target }) => target && "atLeast" in target),
      {
        title: "Deliveries a second, as multiples of a bare nodemailer pool",
        subtitle: "median and range of the rounds; line at 1 ×: the pool, with as many connections in all",
      },
    ),
    markdown: markdown(results, verdicts),
  });
}

function markdown(results: DrainResults, verdicts: Verdict[]): string {
  const row = (texts: Array<string | number>) => `| ${texts.join(" | ")} |`;
  const groups = new Map<string, DrainStep[]>();
  for (const step of results.steps) {
    const key = `${step.name}:${step.count}`;
    groups.set(key, [...(groups.get(key) ?? []), step]);
  }
  const order = ({ name, count }: DrainStep) => cases.findIndex((one) => one.name === name) * 1e6 + count;
  const rows = [...groups.values()]
    .sort(([a], [b]) => order(a as DrainStep) - order(b as DrainStep))
    .map((steps) => {
      const [{ name, count }] = steps as [DrainStep];
      const middle = (of: (step: DrainStep) => number | undefined) =>
        median(steps.map((one) => of(one) ?? 0));
      /** Over processes of one kind. */
      const sum = ({ cpu }: DrainStep, process: string) =>
        Object.entries(cpu).reduce(
          (total, [one, used]) => (one.startsWith(process) ? total + used : total),
          0,
        );
      const percent = (process: string) => middle((step) => sum(step, process)).toFixed(0);
      const own = cases.find((one) => one.name === name) as Case;
      const sender = own.queue === "none" ? "mailer" : "belfry";
      return row([
        titleOf(own),
        count,
        middle((one) => one.rate).toFixed(0),
        middle((one) => one.seconds).toFixed(2),
        own.queue === "none" ? "" : middle((one) => one.settledSeconds).toFixed(2),
        middle(cost).toFixed(3),
        percent(sender),
        middle((one) => (sum(one, sender) * one.seconds * 1e4) / one.count).toFixed(0),
        percent("sink"),
        own.queue === "none" ? "" : percent("mongod"),
        own.queue === "RabbitMQ" ? percent("rabbitmq") : "",
        percent("others"),
      ]);
    });
  const bytes = [...new Set(results.steps.map((one) => one.bytes))].sort((a, b) => a - b);
  const size = bytes.length === 1 ? `${bytes[0]}` : `${bytes[0]} to ${bytes.at(-1)}`;
  return `
Measured on ${results.measuredAt.slice(0, 10)}: ${results.cores} cores (${results.cpu}), Node ${results.node}, MongoDB ${results.mongod};
backlogs of ${results.backlog}, mails of ${size} bytes, ${results.rounds} rounds; the figure is the median. ${calmness(results)}

${row(["", "target", "measured", "range", ""])}
|---|---|---|---|---|
${verdicts.map((one) => row(cells(one))).join("\n")}

![Deliveries a second as multiples of a bare nodemailer pool](../../bench/results/drain.svg)

Medians; *sent* and *stored*: seconds from the first receipt to the last one, and to the last stored outcome; *ms*: of one
delivery, until it is stored; processor time in % of one core, of all processes of a kind, *µs*: the sender's of one delivery.

${row(["", "backlog", "a second", "sent", "stored", "ms", "sender", "µs", "sink", "mongod", "rabbitmq", "others"])}
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|
${rows.join("\n")}
`;
}
