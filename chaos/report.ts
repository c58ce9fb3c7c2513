import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { root } from "./fleet.ts";
import { plot } from "./plot.ts";
import type { LiveResult } from "./scenarios/live.ts";
import type { Result, Verdict } from "./stage.ts";

export interface Results {
  form: "full" | "quick";
  node: string;
  mongod: string;
  cores: number;
  cpu: string;
  /** Why the scenario with RabbitMQ was left out. */
  withoutBroker?: string;
  /** Scenarios that ended before they could be judged. */
  broken: string[];
  scenarios: Result[];
  /** The scenarios about devices. */
  live: LiveResult[];
}

export function results(run: {
  form: Results["form"];
  mongod: string;
  skipped: string | undefined;
  broken: string[];
  played: Array<Result | LiveResult>;
}): Results {
  const { scenarios, live } = apart(run.played);
  return {
    form: run.form,
    node: process.versions.node,
    mongod: run.mongod,
    cores: cpus().length,
    cpu: cpus()[0]?.model ?? "unknown",
    ...(run.skipped !== undefined && { withoutBroker: run.skipped }),
    broken: run.broken,
    scenarios,
    live,
  };
}

const isLive = (one: Result | LiveResult): one is LiveResult => "devices" in one;

const apart = (played: Array<Result | LiveResult>) => ({
  scenarios: played.filter((one): one is Result => !isLive(one)),
  live: played.filter(isLive),
});

const heads = [
  "",
  "asked",
  "acknowledged",
  "503",
  "unanswered",
  "lost",
  "inbox twice",
  "mails",
  "mails twice",
  "allowed",
  "slowest answer",
  "",
];

function cells(one: Result): string[] {
  const counts = [
    one.asked,
    one.acknowledged,
    one.refused,
    one.unanswered,
    one.lost,
    one.itemsTwice,
    one.mails,
    one.duplicates,
    one.duplicatesAllowed,
  ];
  return [one.scenario, ...counts.map(String), `${(one.slowestMs / 1000).toFixed(1)} s`, verdict(one)];
}

const verdict = ({ problems }: Verdict) => (problems.length === 0 ? "kept" : "BROKEN");

const liveHeads = [
  "",
  "changes",
  "503",
  "unanswered",
  "devices",
  "dropped",
  "instances killed",
  "messages",
  "resyncs",
  "gaps",
  "differ in the end",
  "",
];

function liveCells(one: LiveResult): string[] {
  const counts = [
    one.changes,
    one.refused,
    one.unanswered,
    one.devices,
    one.drops,
    one.kills,
    one.messages,
    one.resyncs,
    one.gaps,
    one.different,
  ];
  return [one.scenario, ...counts.map(String), verdict(one)];
}

export function table(played: Array<Result | LiveResult>): string {
  const { scenarios, live } = apart(played);
  return [
    ...(scenarios.length > 0 ? [columns([heads, ...scenarios.map(cells)])] : []),
    ...(live.length > 0 ? [columns([liveHeads, ...live.map(liveCells)])] : []),
  ].join("\n\n");
}

function columns(rows: string[][]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] as string).length)),
  );
  const line = (row: string[]) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0] as number) : cell.padStart(widths[column]!),
      )
      .join("  ");
  return rows.map(line).join("\n");
}

/**
 * Writes the report; answers with its files, relative to the repository. Scenarios that were not played now stay in it
 * as they were played last.
 */
export function write(now: Results): string[] {
  const json = "chaos/results/reliability.json";
  const results = { ...now, ...together(now, join(root, json)) };
  const svg = "chaos/results/reliability.svg";
  const page = "docs/results/chaos.md";
  mkdirSync(join(root, "chaos/results"), { recursive: true });
  mkdirSync(join(root, "docs/results"), { recursive: true });
  writeFileSync(join(root, json), `${JSON.stringify(results, undefined, 1)}\n`);
  writeFileSync(join(root, svg), plot(results));
  writeFileSync(
    join(root, page),
    `# Chaos

Written by \`npm run chaos\`. [reliability.md](../reliability.md) explains the scenarios and the columns.
${markdown(results)}`,
  );
  return [json, svg, page];
}

function together({ scenarios, live }: Results, file: string): Pick<Results, "scenarios" | "live"> {
  if (!existsSync(file)) return { scenarios, live };
  const before: Results = JSON.parse(readFileSync(file, "utf8"));
  return { scenarios: newest(before.scenarios, scenarios), live: newest(before.live, live) };
}

function newest<Played extends Verdict>(before: Played[], now: Played[]): Played[] {
  const kept = before.map((old) => now.find((one) => one.scenario === old.scenario) ?? old);
  return [...kept, ...now.filter((one) => !kept.includes(one))];
}

function markdown(results: Results): string {
  const { scenarios, live, withoutBroker, broken } = results;
  const all: Verdict[] = [...scenarios, ...live];
  const sum = (of: (one: Result) => number) => scenarios.reduce((all, one) => all + of(one), 0);
  const problems = all.flatMap((one) => one.problems.map((text) => `${one.scenario}: ${text}`));
  const left = [
    ...(withoutBroker === undefined ? [] : [`RabbitMQ was not there: ${withoutBroker}.`]),
    ...broken.map((name) => `The scenario ${name} ended early, without a verdict.`),
    ...problems.map((text) => `BROKEN: ${text}.`),
  ];
  return `
${results.form === "full" ? "Full" : "Quick"} form on ${days(all)}: ${results.cores} cores (${results.cpu}), Node ${results.node}, MongoDB ${results.mongod}.
In all ${sum((one) => one.acknowledged)} creates acknowledged and ${sum((one) => one.faults.length)} faults: ${sum((one) => one.lost)} acknowledged lost, ${sum((one) => one.itemsTwice)} inbox items twice, ${sum((one) => one.duplicates)} mails twice.
${left.map((text) => `\n- ${text}`).join("")}

${markdownTable([heads, ...scenarios.map(cells)])}
${live.length > 0 ? `\n${markdownTable([liveHeads, ...live.map(liveCells)])}\n` : ""}
![Creates acknowledged and mails sent over time, with the faults](../../chaos/results/reliability.svg)

${all.map((one) => `- **${one.scenario}**: ${[`${one.played}.`, `${one.took} s, seed ${one.seed}.`, ...one.notes].join(" ")}`).join("\n")}
`;
}

function markdownTable([heads = [], ...rows]: string[][]): string {
  const row = (texts: string[]) => `| ${texts.join(" | ")} |`;
  return [row(heads), `|---|${"--:|".repeat(heads.length - 2)}---|`, ...rows.map(row)].join("\n");
}

/** The day of a run, or the first and the last. */
export function days(scenarios: Verdict[]): string {
  const all = scenarios.map((one) => one.playedAt.slice(0, 10)).sort();
  return [...new Set([all[0], all.at(-1)])].join(" to ");
}
