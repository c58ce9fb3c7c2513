import { createContender, installPeers, type Name, names, processes, versions } from "./contenders.ts";
import { needWrk } from "./load.ts";
import { lockMs, measureKills } from "./peers-kills.ts";
import { measureRates } from "./peers-rates.ts";
import { type PeerResults, readResults, write } from "./peers-report.ts";
import { startSink } from "./sink.ts";
import { setUp } from "./stage.ts";

const seconds = Number(process.env.BENCH_SECONDS ?? 4);
const backlog = Number(process.env.BENCH_BACKLOG ?? 5_000);
const kills = Number(process.env.BENCH_KILLS ?? 50);
/** Only the parts whose names contain it; they take the place of the earlier results of the same parts. */
const only = process.env.BENCH_ONLY ?? "";
/** Smaller numbers show that it works; they are not saved. */
const whole = seconds >= 4 && backlog >= 5_000 && kills >= 50;
const rounds = 3;

/** Its figures are put into the results when it is done: parts that run at the same time keep each other's. */
type Part = { name: string; run: () => Promise<(results: PeerResults) => void> };

const stage = await setUp("peers");
const { say, uriOf, folder, facts, strike } = stage;
const sink = await startSink();
const parts: Part[] = [
  ...Array.from({ length: rounds }, (_, index) => names.map((name) => ratesPart(index + 1, name))).flat(),
  ...names.flatMap((name) => processes[name].map((victim) => killsPart(name, victim))),
].filter((part) => part.name.includes(only));
try {
  needWrk(say);
  await installPeers(say);
  for (const part of parts) {
    say(part.name);
    const put = await part.run();
    if (!whole) continue;
    const results = readResults();
    put(results);
    write({ ...facts, seconds, backlog, versions: versions(), ...results });
  }
  say(
    whole
      ? "done: bench/results/peers.json and .svg, docs/results/peers.md"
      : "done; nothing written, for the numbers are smaller",
  );
} catch (error) {
  process.stderr.write(`${(error as Error).stack}\n`);
  process.exitCode = 1;
} finally {
  await sink.stop();
  await strike();
}

function ratesPart(round: number, name: Name): Part {
  return {
    name: `round ${round} ${name}`,
    async run() {
      const measuredAt = new Date().toISOString();
      const create = (database: string) =>
        createContender(name, { uri: uriOf(database), smtpPort: sink.port, folder });
      const rates = await measureRates({ stage, sink, seconds, backlog, create });
      for (const step of rates.steps) say(`  ${step.name.padEnd(16)}${step.rate.toFixed(0).padStart(6)}/s`);
      return (results) => {
        const others = results.rates.filter((one) => one.round !== round || one.contender !== name);
        results.rates = [...others, { contender: name, round, measuredAt, ...rates }];
      };
    },
  };
}

function killsPart(name: Name, victim: string): Part {
  return {
    name: `kills ${name} ${victim}`,
    async run() {
      const own = await measureKills({
        stage,
        kills,
        victim,
        create: (database, smtpPort) =>
          createContender(name, { uri: uriOf(database), smtpPort, folder, lockMs }),
      });
      say(`  ${JSON.stringify(own)}`);
      return (results) => {
        const others = results.kills.filter((one) => one.contender !== name || one.victim !== victim);
        results.kills = [...others, own];
      };
    },
  };
}
