import { setTimeout } from "node:timers/promises";
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { Settlement } from "./model/delivery.ts";
import type { Receipt } from "./model/receipt.ts";

export interface Depth {
  counts: Array<{ channel: string; state: string; count: number }>;
  /** Unix milliseconds. */
  oldestDue: number | undefined;
}

export interface JobsDue {
  counts: Array<{ kind: string; count: number }>;
  /** Unix milliseconds. */
  oldestDue: number | undefined;
}

/** Scrapers time out after some seconds. While MongoDB does not answer, they still get the other metrics. */
const lookMs = 2_000;

const reads = new Set(["GET", "HEAD", "OPTIONS"]);

/** Prometheus metrics of one process. Labels are names of ours, never ids or addresses. */
export function createMetrics(now: () => number) {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry, prefix: "belfry_" });

  const created = new Counter({
    name: "belfry_notifications_total",
    help: "Requested notifications by outcome: stored, or refused by the database.",
    labelNames: ["outcome"],
    registers,
  });
  const stored = created.labels("stored");
  const refused = created.labels("refused");
  const batchSize = new Histogram({
    name: "belfry_commit_batch_size",
    help: "Notifications per commit.",
    buckets: [1, 2, 5, 10, 20, 50, 100, 200, 300],
    registers,
  });
  const attempts = new Counter({
    name: "belfry_delivery_attempts_total",
    help: "Attempts by channel, provider and outcome.",
    labelNames: ["channel", "provider", "outcome"],
    registers,
  });
  const deliveries = new Counter({
    name: "belfry_deliveries_total",
    help: "Deliveries that reached a final state in this process, by channel and outcome.",
    labelNames: ["channel", "outcome"],
    registers,
  });
  const receipts = new Counter({
    name: "belfry_receipts_total",
    help: "Reports from providers about accepted messages, by channel and outcome: delivered, failed or other.",
    labelNames: ["channel", "outcome"],
    registers,
  });
  const attemptSeconds = new Histogram({
    name: "belfry_delivery_attempt_duration_seconds",
    help: "Duration of attempts by channel and provider.",
    labelNames: ["channel", "provider"],
    buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 30],
    registers,
  });
  const jobRuns = new Counter({
    name: "belfry_job_runs_total",
    help: "Runs of jobs in this process by kind and outcome: done, failed, or again, after which the job is retried, paused, canceled or taken over.",
    labelNames: ["kind", "outcome"],
    registers,
  });
  const liveReads = new Histogram({
    name: "belfry_live_read_users",
    help: "Users per read of changes for live connections.",
    buckets: [1, 2, 5, 10, 20, 50, 100, 200],
    registers,
  });
  const requests = new Histogram({
    name: "belfry_http_request_duration_seconds",
    help: "Duration of HTTP requests by method, route and status.",
    labelNames: ["method", "route", "status"],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
    registers,
  });
  /** prom-client looks labels up by hashing them, which costs more than the observation; each trio is looked up once. */
  const requestSeries = new Map<string, ReturnType<typeof requests.labels>>();

  /** A scrape collects all gauges at once, so they share one query. Undefined when it fails or takes too long. */
  function shared<Found>(read: () => Promise<Found>): () => Promise<Found | undefined> {
    let looking: Promise<Found | undefined> | undefined;
    return () => {
      looking ??= Promise.race([
        read().catch(() => undefined),
        setTimeout(lookMs, undefined, { ref: false }),
      ]).finally(() => {
        looking = undefined;
      });
      return looking;
    };
  }

  function watchAge({
    name,
    help,
    look,
  }: {
    name: string;
    help: string;
    look: () => Promise<{ oldestDue: number | undefined } | undefined>;
  }): void {
    const age = new Gauge({
      name,
      help,
      registers,
      async collect() {
        const found = await look();
        if (!found) return;
        const { oldestDue } = found;
        age.set(oldestDue === undefined ? 0 : Math.max(0, (now() - oldestDue) / 1000));
      },
    });
  }

  return {
    /** Reads the delivery queue at each scrape. If `depth` rejects, the gauges keep their values. */
    watchQueue(depth: () => Promise<Depth>): void {
      const look = shared(depth);
      const size = new Gauge({
        name: "belfry_delivery_queue_depth",
        help: "Unfinished deliveries by channel and state.",
        labelNames: ["channel", "state"],
        registers,
        async collect() {
          for (const { channel, state, count } of (await look())?.counts ?? [])
            size.set({ channel, state }, count);
        },
      });
      watchAge({
        name: "belfry_delivery_queue_oldest_age_seconds",
        help: "Seconds since the oldest waiting delivery was due; 0 when none waits.",
        look,
      });
    },
    /** The same for the jobs that are due. */
    watchJobs(due: () => Promise<JobsDue>): void {
      const look = shared(due);
      const size = new Gauge({
        name: "belfry_jobs_due",
        help: "Jobs that are due and that no process runs yet, by kind; normally close to 0.",
        labelNames: ["kind"],
        registers,
        async collect() {
          for (const { kind, count } of (await look())?.counts ?? []) size.set({ kind }, count);
        },
      });
      watchAge({
        name: "belfry_jobs_oldest_due_age_seconds",
        help: "Seconds for which the oldest of them has been overdue; 0 when none is.",
        look,
      });
    },
    /** One run of a job has ended. */
    ran({ kind }: { kind: string }, state: "done" | "failed" | "scheduled"): void {
      jobRuns.inc({ kind, outcome: state === "scheduled" ? "again" : state });
    },
    /** Reads each provider's health at each scrape. */
    watchProviders(health: () => Record<string, Record<string, { state: string }>>): void {
      const available = new Gauge({
        name: "belfry_provider_available",
        help: "1 while the provider is used, 0 while it is paused because it fails or refuses the configuration.",
        labelNames: ["channel", "provider"],
        registers,
        collect() {
          for (const [channel, providers] of Object.entries(health()))
            for (const [provider, { state }] of Object.entries(providers))
              available.set({ channel, provider }, state === "ok" ? 1 : 0);
        },
      });
      const misconfigured = new Gauge({
        name: "belfry_provider_misconfigured",
        help: "1 while the provider refuses the credentials, sender or account. See /readyz?verbose for the remedy.",
        labelNames: ["channel", "provider"],
        registers,
        collect() {
          for (const [channel, providers] of Object.entries(health()))
            for (const [provider, { state }] of Object.entries(providers))
              misconfigured.set({ channel, provider }, state === "paused" ? 1 : 0);
        },
      });
    },
    /** Reads the overdue deliveries by channel at each scrape. */
    watchOverdue(overdue: () => Record<string, number>): void {
      const gauge = new Gauge({
        name: "belfry_deliveries_overdue",
        help: "Deliveries that this process has been sending for too long; normally 0.",
        labelNames: ["channel"],
        registers,
        collect() {
          for (const [channel, count] of Object.entries(overdue())) gauge.set({ channel }, count);
        },
      });
    },
    /** Reads the live connections at each scrape. `following`: whether other instances are followed. */
    watchLive(size: () => { users: number; connections: number }, following: () => boolean): void {
      const gauge = (name: string, help: string, value: () => number) =>
        new Gauge({
          name,
          help,
          registers,
          collect() {
            this.set(value());
          },
        });
      gauge("belfry_live_connections", "Open live connections.", () => size().connections);
      gauge("belfry_live_users", "Users with at least one live connection.", () => size().users);
      gauge(
        "belfry_live_following",
        "1 while changes of other instances arrive at once, 0 while they arrive within seconds.",
        () => Number(following()),
      );
    },
    /** One read of changes, for so many users. */
    liveRead(users: number): void {
      liveReads.observe(users);
    },
    batch(size: number, count: number): void {
      batchSize.observe(size);
      stored.inc(count);
      if (count < size) refused.inc(size - count);
    },
    settled({ delivery: { channel }, attempts: made, state }: Settlement): void {
      for (const { provider, outcome, ms } of made) {
        attempts.inc({ channel, provider, outcome });
        attemptSeconds.observe({ channel, provider }, ms / 1000);
      }
      if (state !== "pending" && state !== "held") deliveries.inc({ channel, outcome: state });
    },
    received({ channel, outcome }: Receipt): void {
      receipts.inc({ channel, outcome: outcome?.state ?? "other" });
    },
    request(method: string, route: string, status: number, seconds: number): void {
      const key = `${method} ${route} ${status}`;
      let series = requestSeries.get(key);
      if (!series) {
        series = requests.labels(method, route, String(status));
        requestSeries.set(key, series);
      }
      series.observe(seconds);
    },
    /** The counts so far, for the console. */
    async totals() {
      const [made, ended, reported, took] = await Promise.all([
        created.get(),
        deliveries.get(),
        receipts.get(),
        requests.get(),
      ]);
      const outcomes: Record<string, number> = {};
      // A later report of a provider has no settlement.
      const later = reported.values.filter(({ labels }) => labels.outcome === "delivered");
      for (const { labels, value } of [...ended.values, ...later])
        outcomes[String(labels.outcome)] = (outcomes[String(labels.outcome)] ?? 0) + value;
      const latency = new Map<number, number>();
      for (const { labels, value, metricName } of took.values) {
        if (!metricName?.endsWith("_bucket") || reads.has(String(labels.method))) continue;
        const { le: bound } = labels as { le?: string | number };
        const le = bound === "+Inf" ? Number.POSITIVE_INFINITY : Number(bound);
        latency.set(le, (latency.get(le) ?? 0) + value);
      }
      return {
        accepted: made.values.find(({ labels }) => labels.outcome === "stored")?.value ?? 0,
        outcomes,
        latency: [...latency].map(([le, count]) => ({ le, count })).sort((a, b) => a.le - b.le),
      };
    },
    contentType: registry.contentType,
    /** The text that a scrape reads. */
    text: () => registry.metrics(),
  };
}

export type Metrics = ReturnType<typeof createMetrics>;
