import { existsSync, readdirSync, readFileSync } from "node:fs";
import { linesOf, linesToWrite, type Name, names, processes } from "./contenders.ts";
import { median } from "./figures.ts";
import { type KillResult, stuckSeconds } from "./peers-kills.ts";
import type { MemoryUse, RateStep } from "./peers-rates.ts";
import { plot } from "./plot.ts";
import { calmness, isCalm, type Verdict, verdict, writeFiles } from "./report.ts";
import type { Facts } from "./stage.ts";

export interface Rates {
  contender: Name;
  round: number;
  /** ISO 8601. */
  measuredAt: string;
  steps: RateStep[];
  memory: MemoryUse;
}

export interface PeerResults {
  rates: Rates[];
  kills: KillResult[];
}

interface Written extends PeerResults, Facts {
  seconds: number;
  backlog: number;
  versions: Record<string, string>;
}

const root = new URL("../../", import.meta.url);
const others = names.filter((name) => name !== "Belfry");

export function readResults(): PeerResults {
  const file = new URL("bench/results/peers.json", root);
  if (!existsSync(file)) return { rates: [], kills: [] };
  const { rates, kills } = JSON.parse(readFileSync(file, "utf8"));
  return { rates, kills };
}

export function write(results: Written): string[] {
  const ordered = {
    ...results,
    rates: results.rates.toSorted(
      (a, b) => a.round - b.round || names.indexOf(a.contender) - names.indexOf(b.contender),
    ),
    kills: names.flatMap((name) =>
      processes[name].flatMap((victim) =>
        results.kills.filter((one) => one.contender === name && one.victim === victim),
      ),
    ),
  };
  return writeFiles("bench:peers", "peers", {
    title: "Belfry beside a job queue of your own",
    results: ordered,
    svg: plot(ratios(ordered), {
      title: "Belfry's rates, as multiples of a service on a job queue",
      subtitle: "median and range of the rounds; line at 1 ×: as fast as the peer",
    }),
    markdown: markdown(ordered),
  });
}

const measures: Array<{ step: RateStep["name"]; what: string }> = [
  { step: "new_login 128", what: "inbox and e-mail, 128" },
  { step: "new_message 128", what: "inbox only, 128" },
  { step: "new_login 1", what: "inbox and e-mail, 1" },
  { step: "drain", what: "mails of a backlog" },
];

/** Belfry's rate in each round, divided by the peer's. */
function ratios({ rates }: PeerResults): Verdict[] {
  return measures.flatMap(({ step, what }) =>
    others.flatMap((peer) => {
      const stepOf = (name: Name, round: number) =>
        rates
          .find((one) => one.contender === name && one.round === round)
          ?.steps.find((one) => one.name === step);
      const pairs = rates.flatMap(({ contender, round }) => {
        const [own, other] = [stepOf("Belfry", round), stepOf(peer, round)];
        return contender !== peer || own === undefined || other === undefined ? [] : [{ own, other }];
      });
      const calm = pairs.filter(({ own, other }) => isCalm(own) && isCalm(other));
      const values = (calm.length > 0 ? calm : pairs).map(({ own, other }) => own.rate / other.rate);
      return values.length === 0 ? [] : [verdict(`${what} : ${peer}`, values, "×", undefined)];
    }),
  );
}

interface Row {
  what: string;
  cells: string[];
  /** To compare; absent where more is neither better nor worse. */
  values?: number[];
  better?: "more" | "less";
}

const sum = (memory: Record<string, number>) =>
  Object.entries(memory).reduce((total, [name, mb]) => (name === "mongod" ? total : total + mb), 0);

function rows({ rates, backlog, seconds }: Written): Row[] {
  const of = (name: Name) => rates.filter((one) => one.contender === name);
  const row = (what: string, value: (name: Name) => number, better: Row["better"], digits = 0): Row => {
    const values = names.map(value);
    // A contender that has not been measured yet.
    const cells = values.map((one) => (Number.isNaN(one) ? "–" : one.toFixed(digits)));
    return { what, cells, values, ...(better && { better }) };
  };
  const middleOf = (figures: number[]) => (figures.length === 0 ? Number.NaN : median(figures));
  const middle = (step: RateStep["name"], figure: (one: RateStep) => number | undefined) => (name: Name) =>
    middleOf(
      of(name)
        .flatMap((one) => one.steps)
        .filter((one) => one.name === step)
        .map((one) => figure(one) ?? 0),
    );
  const megabytes = (figure: (one: MemoryUse) => number) => (name: Name) =>
    middleOf(of(name).map((one) => figure(one.memory)));
  const creates = (step: RateStep["name"], what: string) => [
    row(
      `${what}: accepted a second`,
      middle(step, (one) => one.rate),
      "more",
    ),
    row(
      `${what}: p50, ms`,
      middle(step, (one) => one.p50),
      "less",
      1,
    ),
    row(
      `${what}: p99, ms`,
      middle(step, (one) => one.p99),
      "less",
      1,
    ),
  ];
  return [
    ...creates("new_login 128", "inbox and e-mail, 128 connections"),
    row(
      "mails sent a second meanwhile",
      middle("new_login 128", (one) => (one.mailed ?? 0) / seconds),
      "more",
    ),
    ...creates("new_message 128", "inbox only, 128 connections"),
    ...creates("new_login 1", "inbox and e-mail, 1 connection"),
    row(
      `backlog of ${backlog} mails: sent a second`,
      middle("drain", (one) => one.rate),
      "more",
    ),
    row(
      "memory idle, MB, all processes without mongod",
      megabytes((one) => sum(one.idle)),
      "less",
    ),
    row(
      "memory after the load, MB",
      megabytes((one) => sum(one.loaded)),
      "less",
    ),
    row(
      "mongod after the load, MB",
      megabytes((one) => one.loaded.mongod ?? 0),
      undefined,
    ),
    row("processes to run, without mongod", (name) => processes[name].length, "less"),
    row("lines of code to write", (name) => (name === "Belfry" ? 0 : linesToWrite(name)), "less"),
  ];
}

/** Each row in which a peer is better by more than the rounds differ anyway. */
function disadvantages(table: Row[]): string[] {
  const clear = 1.05;
  return table.flatMap(({ what, values, better }) => {
    if (!values || !better) return [];
    const [own = 0] = values;
    const ahead = others.filter((_, index) => {
      const other = values[index + 1] as number;
      return better === "more" ? other > own * clear : other * clear < own;
    });
    return ahead.length === 0 ? [] : [`${what} (${ahead.join(", ")})`];
  });
}

/** Lines of the service itself: somebody has to maintain them. */
function linesOfBelfry(): number {
  const folder = new URL("src/", root);
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .reduce((total, file) => total + linesOf(readFileSync(new URL(file, folder), "utf8")), 0);
}

const line = (texts: Array<string | number>) => `| ${texts.join(" | ")} |`;

const listed = (memory: Record<string, number>) =>
  Object.entries(memory)
    .map(([name, mb]) => `${name} ${mb.toFixed(0)}`)
    .join(", ");

function markdown(results: Written): string {
  const { rates, kills, versions } = results;
  const table = rates.length > 0 ? rows(results) : [];
  const dates = [...rates, ...kills].map((one) => one.measuredAt.slice(0, 10)).sort();
  const days = [...new Set([dates[0], dates.at(-1)])].join(" to ");
  const steps = rates.flatMap((one) => one.steps);
  const rounds = Math.max(0, ...rates.map((one) => one.round));
  const failed = steps.reduce((total, one) => total + (one.failed ?? 0), 0);
  return `
Measured on ${days}: ${results.cores} cores (${results.cpu}), Node ${results.node}, MongoDB ${results.mongod};
${rounds} round${rounds === 1 ? "" : "s"} of ${results.seconds} s a step; the figure is the median. ${steps.length > 0 ? calmness({ steps }) : ""}
${failed} requests failed. Versions: ${Object.entries(versions)
    .map(([name, version]) => `${name} ${version}`)
    .join(", ")}.

${line(["", ...names])}
|---|${"--:|".repeat(names.length)}
${table.map((one) => line([one.what, ...one.cells])).join("\n")}

![Belfry's rates as multiples of a service on a job queue](../../bench/results/peers.svg)

Where Belfry is behind in this run:
${disadvantages(table)
  .map((one) => `- ${one}`)
  .join("\n")}
- lines in total: the peers' libraries are shared by many projects; Belfry's own ${linesOfBelfry()} lines are not

Memory after the load by process, MB, in the last round: ${rates
    .filter((one) => one.round === rounds)
    .map(({ contender, memory }) => `${contender}: ${listed(memory.loaded)}`)
    .join("; ")}.

${killed(kills)}`;
}

function killed(kills: KillResult[]): string {
  const [first] = kills;
  if (!first) return "";
  const killRow = (one: KillResult) =>
    line([
      one.contender,
      one.victim,
      one.kills,
      one.acknowledged,
      one.retried,
      one.notInInbox,
      one.notMailed,
      one.inInboxTwice,
      one.mailedTwice,
      `${one.halfDone} of ${one.gaveUp}`,
      one.slowestMail.toFixed(0),
      one.back.toFixed(1),
    ]);
  return `
## Killed
${first.kills} times \`kill -9\` of one process at random moments, under 100 creates a second. Three of four callers repeat a create
with the same \`Idempotency-Key\` until it is answered; the fourth does not.

${line(["", "killed", "kills", "acknowledged", "retried", "not in the inbox", "never mailed", "twice in an inbox", "mailed twice", "half done", "slowest mail, s", "back after, s"])}
|---|---|${"--:|".repeat(10)}
${kills.map(killRow).join("\n")}

*half done*: of the creates that were never acknowledged, those that are in the inbox without a mail, or mailed without being in the
inbox. *slowest mail*: from the answer to the mail. *back after*: median time from a kill until creates are acknowledged and mails go out again.
${kills
  .filter(({ isStuck }) => isStuck)
  .map(
    (one) =>
      `\n${one.contender}: no mail went out for ${stuckSeconds} s after kill ${one.kills} of its ${one.victim}, so the kills ended there.\n`,
  )
  .join("")}`;
}
