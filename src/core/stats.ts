import { type Static, Type } from "typebox";
import { Count, Time } from "../model/schema.ts";
import type { Store } from "../store/index.ts";

/** Counters since the process started. */
export interface Totals {
  accepted: number;
  /** Deliveries by final state. */
  outcomes: Record<string, number>;
  /** Response times of writes: upper bounds in seconds with cumulative counts. The last bound is `Infinity`. */
  latency: Array<{ le: number; count: number }>;
}

const Amount = (description: string) => Type.Optional(Type.Number({ minimum: 0, description }));

/** One interval. Unknown values are absent. */
export const SampleDto = Type.Object(
  {
    at: Time(),
    accepted: Count("Notifications stored."),
    sent: Count(),
    delivered: Count("As reported by providers."),
    failed: Count(),
    skipped: Count(),
    uncertain: Count(),
    latency_ms_p50: Amount("Response time of writes: half are faster. Absent without requests."),
    latency_ms_p99: Amount("Response time of writes: 99 % are faster."),
    pending: Type.Optional(Count("Unfinished deliveries of all processes.")),
    oldest_age_seconds: Amount("For how long the oldest waiting delivery has been due."),
    connections: Count("Connected devices."),
  },
  { title: "Sample" },
);
/** `at`: its end, in Unix milliseconds. */
type Sample = Omit<Static<typeof SampleDto>, "at"> & { at: number };

const intervalMs = 5_000;
const keptMs = 15 * 60_000;
/** Counting 300,000 deliveries takes MongoDB 60 to 80 ms: spend at most 1/100 of the time on it. */
const patience = 100;

/**
 * The last 15 minutes, kept in memory and recorded from the start of the process. So an operator who opens the page
 * because something is wrong sees how it began.
 */
export function createStats({
  totals,
  depth,
  connections,
  now,
}: {
  totals: () => Promise<Totals>;
  depth: Store["deliveries"]["depth"];
  connections: () => number;
  now: () => number;
}) {
  const samples: Sample[] = [];
  let before: Totals | undefined;
  let restUntil = 0;
  let isBusy = false;

  async function take(): Promise<void> {
    if (isBusy) return;
    isBusy = true;
    try {
      const [after, waiting] = await Promise.all([totals(), look()]);
      samples.push({ at: now(), ...between(before, after), ...waiting, connections: connections() });
      before = after;
      const oldest = now() - keptMs;
      while (samples[0] && samples[0].at < oldest) samples.shift();
    } finally {
      isBusy = false;
    }
  }

  async function look(): Promise<Pick<Sample, "pending" | "oldest_age_seconds">> {
    const begun = now();
    if (begun < restUntil) return {};
    const found = await depth().catch(() => undefined);
    restUntil = now() + (now() - begun) * patience;
    if (!found) return {};
    const { counts, oldestDue } = found;
    return {
      pending: counts.reduce((sum, { count }) => sum + count, 0),
      oldest_age_seconds: oldestDue === undefined ? 0 : Math.max(0, (now() - oldestDue) / 1_000),
    };
  }

  let timer: NodeJS.Timeout | undefined;
  return {
    intervalSeconds: intervalMs / 1_000,
    start(): void {
      const tick = () => void take().catch(() => {});
      tick();
      timer = setInterval(tick, intervalMs);
      timer.unref();
    },
    /** Oldest first. */
    read: (): Sample[] => samples,
    stop: (): void => clearInterval(timer),
  };
}

export type Stats = ReturnType<typeof createStats>;

/** `before` is undefined for the first interval, which begins with the process. */
function between(before: Totals | undefined, after: Totals) {
  const ended = (state: string) => (after.outcomes[state] ?? 0) - (before?.outcomes[state] ?? 0);
  const counts = after.latency.map(({ le, count }, at) => ({
    le,
    count: count - (before?.latency[at]?.count ?? 0),
  }));
  const [p50, p99] = [quantile(counts, 0.5), quantile(counts, 0.99)];
  return {
    accepted: after.accepted - (before?.accepted ?? 0),
    sent: ended("sent"),
    delivered: ended("delivered"),
    failed: ended("failed"),
    skipped: ended("skipped"),
    uncertain: ended("uncertain"),
    ...(p50 !== undefined && { latency_ms_p50: p50 }),
    ...(p99 !== undefined && { latency_ms_p99: p99 }),
  };
}

/** In milliseconds, interpolated within its bucket; undefined when there were no requests. */
function quantile(buckets: Totals["latency"], share: number): number | undefined {
  const all = buckets.at(-1)?.count ?? 0;
  if (all === 0) return undefined;
  const wanted = all * share;
  let [lower, below] = [0, 0];
  for (const { le, count } of buckets) {
    // The last bucket has no upper bound to interpolate towards.
    if (count >= wanted)
      return (
        (le === Number.POSITIVE_INFINITY
          ? lower
          : lower + ((le - lower) * (wanted - below)) / (count - below)) * 1_000
      );
    [lower, below] = [le, count];
  }
  return undefined;
}
