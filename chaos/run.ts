import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startManagedMongod } from "../mongod/index.ts";
import { rabbitmqMissing } from "../test/support/rabbitmq.ts";
import { results, table, write } from "./report.ts";
import type { LiveResult } from "./scenarios/live.ts";
import { type ScenarioName, scenarios } from "./scenarios.ts";
import type { Result } from "./stage.ts";

const usage = `npm run chaos -- [--quick] [${Object.keys(scenarios).join("] [")}]`;

const began = performance.now();
const say = (line: string) =>
  process.stdout.write(`${((performance.now() - began) / 1000).toFixed(0).padStart(4)} s  ${line}\n`);

const options = process.argv.slice(2);
const form = options.includes("--quick") ? "quick" : "full";
const named = options.filter((one) => one !== "--quick");
const unknown = named.filter((one) => !(one in scenarios));
const names = (named.length > 0 ? named : Object.keys(scenarios)) as ScenarioName[];
const seed = Number(process.env.CHAOS_SEED ?? Math.floor(Math.random() * 2 ** 32));

if (unknown.length > 0 || !Number.isSafeInteger(seed)) {
  process.stderr.write(
    `${unknown.length > 0 ? `There is no ${unknown.join(", ")}.` : "CHAOS_SEED must be a whole number."} ${usage}\n`,
  );
  process.exitCode = 2;
} else {
  // What was started is killed as we leave.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));
  await run();
}

async function run(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "belfry-chaos-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  const mongod = await startManagedMongod({ dataDir: folder, testCommands: true, cacheSizeGB: 1, log: say });
  const missing = names.includes("broker") ? await rabbitmqMissing() : undefined;
  say(`${form} form, seed ${seed} (CHAOS_SEED=${seed} makes its choices again)`);
  const played: Array<Result | LiveResult> = [];
  const broken: string[] = [];
  for (const name of names) {
    if (name === "broker" && missing !== undefined) continue;
    say(name);
    const place = { folder, mongoUri: mongod.uri, seed, say };
    try {
      const result = await scenarios[name][form](place);
      played.push(result);
      for (const line of [result.played, ...result.notes]) say(`  ${line}`);
      say(`  ${result.problems.length === 0 ? "kept" : `BROKEN: ${result.problems.join("; ")}`}`);
    } catch (error) {
      broken.push(name);
      say(`  ENDED EARLY: ${(error as Error).stack}`);
    }
  }
  await mongod.close();

  const report = results({ form, mongod: mongod.version, skipped: missing, broken, played });
  process.stdout.write(`\n${table(played)}\n\n`);
  if (form === "quick") process.stdout.write("Nothing written: the report is of the full form.\n");
  else for (const file of write(report)) process.stdout.write(`wrote ${file}\n`);
  if (broken.length > 0 || played.some((one) => one.problems.length > 0)) process.exitCode = 1;
}
