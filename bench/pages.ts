import { median, percentile } from "./figures.ts";
import { watchCpu } from "./machine.ts";
import { type Bare, startBare } from "./pages/bare.ts";
import { type Chromium, type Sight, sights, startChromium, type Tab } from "./pages/chromium.ts";
import { deliveryCount, fillDeliveries, fillInbox } from "./pages/data.ts";
import { flick, toEnd, wheel } from "./pages/gestures.ts";
import { loads, type Visit, watcher } from "./pages/load.ts";
import { holds, idleCadence, measure, type Scrollable, show } from "./pages/scroll.ts";
import { sizes } from "./pages/sizes.ts";
import { bell, consolePage, deliveries, heading, inbox, list } from "./pages/subjects.ts";
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
const scrollRounds = 2;
/** `BENCH_ONLY=inbox` takes the steps whose names contain it, `BENCH_SIGHT=phone` that sight. */
const { BENCH_ONLY: only, BENCH_SIGHT: onlySight } = process.env;
/** Anything else is printed and not written. */
const whole = loadRounds === 5 && only === undefined && onlySight === undefined;
/** How many disturbed steps may be measured once more. */
let repeats = 6;

const seconds = 3;
/** Pixels a second: of a wheel that somebody turns who looks for something. */
const handSpeed = 3_000;
/** And of a scroll bar that is dragged: nobody reads at that pace. */
const dragSpeed = 200_000;
const plainLines = 1_000;
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
    const frameMs = await measureIdle(measuring);
    await measureLoads(measuring, service.url, bare);
    await measureScrolling(measuring, frameMs, service.url, bare);
  }

  const results: PagesResults = {
    ...facts,
    chromium: chromium.version,
    loadRounds,
    scrollRounds,
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

/** What `run` measures, by the names of steps. */
type Run = (tab: Tab) => Promise<Record<string, Pick<PageStep, "figures" | "points">>>;
type Measure = (what: { side: Side; round: number; init?: string }, name: string, run: Run) => Promise<void>;

/** A step that something else on the machine has disturbed is measured once more; the calmer one counts. */
function stepOn(chromium: Chromium, pids: Record<string, number>, sight: Sight): Measure {
  const once = async (side: Side, round: number, run: Run, init?: string): Promise<PageStep[]> => {
    const tab = await chromium.open(sight, init);
    const cpuSince = watchCpu(pids, { chromium: chromium.group });
    const measured = Object.entries(await run(tab));
    const cpu = cpuSince();
    await tab.close();
    return measured.map(([name, what]) => ({ name, sight: sight.name, side, round, ...what, cpu }));
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

/** Resolves with what one turn of the display takes. */
async function measureIdle(step: Measure): Promise<number> {
  let frameMs = 1000 / 60;
  await step({ side: "reference", round: 1 }, names.idle, async (tab) => {
    const times = await idleCadence(tab);
    frameMs = median(times);
    return { [names.idle]: { figures: { p50: frameMs, p95: percentile(times, 0.95) } } };
  });
  return frameMs;
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
            [names.load(page, "cold")]: { figures: cold },
            [names.load(page, "warm")]: { figures: warm },
          };
        });
}

async function measureScrolling(step: Measure, frameMs: number, service: string, bare: Bare): Promise<void> {
  const all = deliveries(service);
  const plain = list(bare, plainLines);
  const [small, large] = [full, fuller].map(({ user, items }) => inbox(bare, user, items));

  for (let round = 1; round <= scrollRounds; round++) {
    await byHand("reference", round, names.list, plain);
    await byHand("belfry", round, names.deliveries, all);
    await byHand("belfry", round, names.inbox(full.items), small as Scrollable);
    await byHand("belfry", round, names.inbox(fuller.items), large as Scrollable);
  }
  await toTheEnd("reference", names.wholeList, list(bare, deliveryCount));
  await toTheEnd("belfry", names.allDeliveries, all);

  /** At the pace of somebody who looks for something. An inbox is gone through from its end, where most of it is drawn. */
  async function byHand(side: Side, round: number, name: string, what: Scrollable): Promise<void> {
    await step({ side, round }, name, async (tab) => {
      await show(tab, what);
      const { figures } = await measure(tab, what, frameMs, () => move(tab, what, what.toEnd !== undefined));
      return { [name]: { figures } };
    });
  }

  /** At the pace of a scroll bar, until all has been seen; what the page then holds; and from there by hand. */
  async function toTheEnd(side: Side, name: string, what: Scrollable): Promise<void> {
    await step({ side, round: 1 }, name, async (tab) => {
      await show(tab, what);
      // Each step is longer than what is in the document: it is all new, each time.
      const { uncovered: _, ...dragged } = what;
      const way = await measure(tab, dragged, frameMs, () => toEnd(tab, what.box, dragSpeed, what.whole));
      const held = await holds(tab);
      const back = await measure(tab, what, frameMs, () => move(tab, what, true));
      return {
        [name]: { figures: { ...way.figures, ...held }, points: way.points },
        [names.back(name)]: { figures: back.figures },
      };
    });
  }

  async function move(tab: Tab, { box }: Scrollable, isUp: boolean): Promise<void> {
    if (tab.sight.name === "phone") await flick(tab, box, seconds, isUp);
    else await wheel(tab, box, handSpeed * seconds * (isUp ? -1 : 1), handSpeed);
  }
}

function headOf({ name, sight, side, round }: Pick<PageStep, "name" | "sight" | "side" | "round">): string {
  return `${round}  ${sight.padEnd(6)}${name.padEnd(30)}${side.padEnd(10)}`;
}
