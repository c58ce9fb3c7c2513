import { watchCpu } from "./machine.ts";
import { type Bare, startBare } from "./pages/bare.ts";
import { type Chromium, type Sight, sights, startChromium, type Tab } from "./pages/chromium.ts";
import { deliveryCount, fillDeliveries, fillInbox } from "./pages/data.ts";
import { loads, type Visit, watcher } from "./pages/load.ts";
import { scrollThrough } from "./pages/scroll.ts";
import { sizes } from "./pages/sizes.ts";
import { bell, consolePage, deliveries, heading, inbox } from "./pages/subjects.ts";
import {
  describe,
  judge,
  names,
  type PageStep,
  type PagesResults,
  type Side,
  write,
} from "./pages-report.ts";
import { calmness, isCalm, others, table } from "./report.ts";
import { startService } from "./service.ts";
import { setUp } from "./stage.ts";

const loadRounds = Number(process.env.BENCH_ROUNDS ?? 5);
/** `BENCH_ONLY=inbox` runs the steps whose names contain the word; `BENCH_SIGHT=phone` runs that sight. */
const { BENCH_ONLY: only, BENCH_SIGHT: onlySight } = process.env;
/** Only a whole run is written. */
const whole = loadRounds === 5 && only === undefined && onlySight === undefined;
/** How many disturbed steps may be repeated. */
let repeats = 6;

const full = { user: "full", items: 100 };
const fuller = { user: "fuller", items: 1_000 };

const { say, folder, mongod, client, uriOf, facts, strike } = await setUp("pages");
const steps: PageStep[] = [];
const closing: Array<() => Promise<unknown>> = [strike];
try {
  const database = client.db("bench_pages");
  say(`storing ${deliveryCount} deliveries`);
  await fillDeliveries(database, deliveryCount);
  for (const { user, items } of [full, fuller]) await fillInbox(database, user, items);
  const service = await startService(
    {
      DB_URI: uriOf(database.databaseName),
      ROLES: "api,realtime",
      INBOX_LIMIT: `${fuller.items}`,
      ALLOWED_ORIGINS: "*",
    },
    folder,
  );
  const bare = await startBare(service.url);
  closing.unshift(bare.stop);
  const chromium = await startChromium(say);
  closing.unshift(chromium.close);
  const pids = { belfry: service.pid, bare: bare.pid, mongod: mongod.pid };

  for (const sight of sights.filter(({ name }) => (onlySight ?? name) === name)) {
    const measuring = stepOn(chromium, pids, sight);
    await measureLoads(measuring, service.url, bare);
    await measureScrolling(measuring, service.url, bare);
  }

  const results: PagesResults = {
    ...facts,
    chromium: chromium.version,
    loadRounds,
    sizes: await sizes(service.url),
    steps,
  };
  say("done\n");
  const verdicts = judge(results);
  process.stdout.write(`${table(verdicts)}\n\n${calmness(results)}\n`);
  if (!whole) process.stdout.write("Nothing written: not the whole run.\n");
  else if (steps.filter(isCalm).length < steps.length / 2)
    process.stdout.write("Nothing written: the machine was too busy.\n");
  else for (const file of write(results, verdicts)) process.stdout.write(`wrote ${file}\n`);
} catch (error) {
  process.stderr.write(`${(error as Error).stack}\n`);
  process.exitCode = 1;
} finally {
  for (const close of closing) await close();
}

/** Resolves with the figures of each step, by name. */
type Run = (tab: Tab) => Promise<Record<string, PageStep["figures"]>>;
type Measure = (what: { side: Side; round: number; init?: string }, name: string, run: Run) => Promise<void>;

/** Repeats a step once when other programs disturbed it, and keeps the calmer result. */
function stepOn(chromium: Chromium, pids: Record<string, number>, sight: Sight): Measure {
  const once = async (side: Side, round: number, run: Run, init?: string): Promise<PageStep[]> => {
    const tab = await chromium.open(sight, init);
    const cpuSince = watchCpu(pids, { chromium: chromium.group });
    const measured = Object.entries(await run(tab));
    const cpu = cpuSince();
    await tab.close();
    return measured.map(([name, figures]) => ({ name, sight: sight.name, side, round, figures, cpu }));
  };
  return async ({ side, round, init }, name, run) => {
    if (only !== undefined && !name.includes(only)) return;
    const ticking = setInterval(() => say(`${headOf({ name, sight: sight.name, side, round })}…`), 5_000);
    const tried: PageStep[][] = [];
    try {
      do {
        const found = await once(side, round, run, init);
        for (const one of found) say(`${headOf(one)}${describe(one.figures)}  (others ${others(one)} %)`);
        tried.push(found);
      } while (tried.length < 2 && !tried.some((one) => one.every(isCalm)) && repeats-- > 0);
    } finally {
      clearInterval(ticking);
    }
    const noise = (found: PageStep[]) => Math.max(...found.map(others));
    steps.push(...tried.reduce((best, each) => (noise(each) < noise(best) ? each : best)));
  };
}

async function measureLoads(step: Measure, service: string, bare: Bare): Promise<void> {
  const pairs: Array<[page: "console" | "tag", belfry: Visit, reference: Visit]> = [
    ["console", consolePage(service), heading(bare.console)],
    ["tag", bell(bare, full.user, full.items), heading(bare.inbox)],
  ];
  for (let round = 1; round <= loadRounds; round++)
    for (const [page, belfry, reference] of pairs)
      for (const [side, visit] of Object.entries({ reference, belfry }) as Array<[Side, Visit]>)
        await step({ side, round, init: watcher(visit) }, names.load(page, "cold"), async (tab) => {
          const { cold, warm } = await loads(tab, visit);
          return {
            [names.load(page, "cold")]: cold,
            [names.load(page, "warm")]: warm,
          };
        });
}

async function measureScrolling(step: Measure, service: string, bare: Bare): Promise<void> {
  const lists = {
    [names.deliveries]: deliveries(service),
    [names.inbox]: inbox(bare, fuller.user, fuller.items),
  };
  for (const [name, what] of Object.entries(lists))
    await step({ side: "belfry", round: 1 }, name, async (tab) => ({
      [name]: await scrollThrough(tab, what),
    }));
}

function headOf({ name, sight, side, round }: Pick<PageStep, "name" | "sight" | "side" | "round">): string {
  return `${round}  ${sight.padEnd(6)}${name.padEnd(30)}${side.padEnd(10)}`;
}
