import { openAccess } from "./access.ts";
import { openApi } from "./api.ts";
import { channelNames } from "./channels/index.ts";
import { openProviders } from "./channels/open.ts";
import type { Config } from "./config/table.ts";
import { createCore } from "./core/core.ts";
import { createLinks, withLinks } from "./core/links.ts";
import { createVirtualTime } from "./core/virtual-time.ts";
import { openDatabase, openStore } from "./database.ts";
import { createEngine } from "./delivery/engine.ts";
import { type ApiParts, buildServer } from "./http/server.ts";
import { createJobRunner, jobKinds } from "./jobs/index.ts";
import { listen } from "./listen.ts";
import { openHub } from "./live.ts";
import type { Logger } from "./log.ts";
import { createMetrics } from "./metrics.ts";
import { openRegistry } from "./settings.ts";
import { version } from "./version.ts";

export interface App {
  /** The URL of the service. A process without the `api` role serves only health and metrics there. */
  url: string;
  /** Which MongoDB it uses, for the person who starts it. */
  database: string;
  /** Whether `/readyz` is 503 at first, because what is stored has to be changed. */
  isMigrating: boolean;
  /** Resolves with the reason when a part that the service cannot do without has ended by itself. */
  broken: Promise<string>;
  /** Stops taking requests, answers those under way, finishes or gives back deliveries, closes everything. May be called again. */
  close(): Promise<void>;
}

/** At a stop, a client that does not finish its request is cut off after this. */
const requestGraceMs = 3_000;
/** Sends under way get this long at a stop; with the rest of the close it stays below 15 s. */
const drainMs = 10_000;
/** The engine's deadline comes after the provider's own time-out, which gives a better error. */
const deadlineSlackMs = 5_000;

/** Builds every part, hands each the parts that it uses, and starts them. Each opened part pushes its closer. */
export async function startApp(
  config: Config,
  log: Logger,
  signal: AbortSignal = new AbortController().signal,
): Promise<App> {
  const closers: Array<() => Promise<unknown> | unknown> = [];
  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= closeAll(closers, log);
    return closing;
  };

  try {
    const registry = openRegistry(config);
    const database = await openDatabase(config, log, signal, (closer) => closers.push(closer));
    const virtual = config.CLOCK === "virtual" ? createVirtualTime() : undefined;
    const store = await openStore(config, database.connection, virtual?.clock.over, log);
    closers.push(store.close);
    const { now, serverNow } = store;
    const links = createLinks({ secrets: config.TOKEN_SECRET ?? [], publicUrl: config.PUBLIC_URL });
    const metrics = createMetrics(now);
    metrics.watchQueue(store.deliveries.depth);
    metrics.watchJobs(() => store.jobClaims.due(jobKinds, now()));
    const hasRole = (role: Config["ROLES"][number]) => config.ROLES.includes(role);

    const engine = hasRole("worker") ? await openEngine() : undefined;
    const queue = config.AMQP_URL === undefined ? undefined : await openQueue(config.AMQP_URL);
    const hub = hasRole("realtime")
      ? openHub(store, { uri: database.uri, metrics, log }, (closer) => closers.push(closer))
      : undefined;
    const core = openCore();
    const runner = engine && openRunner();
    const access = openAccess(config, links, store, log);
    const { tokens } = access;
    const moveClock: ApiParts["moveClock"] =
      virtual && engine && runner && ((written) => virtual.move(written, runner, engine));
    const apiParts = { store, core, engine, hub, links, tokens, metrics, moveClock, log };
    const server = await buildServer({
      ...access,
      ...(hasRole("api") && { api: openApi(config, apiParts, (closer) => closers.push(closer)) }),
      ...(hub && {
        live: {
          hub,
          heartbeatMs: config.LIVE_HEARTBEAT_SECONDS * 1_000,
          now: serverNow,
          addresses: access.addresses,
          connectionsPerUser: config.LIVE_CONNECTIONS_PER_USER,
          connectionsPerAddress: config.LIVE_CONNECTIONS_PER_ADDRESS,
        },
      }),
      health: { store, stopping: () => closing !== undefined, engine, queue, metrics },
      onRequestDone: metrics.request,
      version,
      log,
    });
    closers.push(async () => {
      const late = setTimeout(() => server.server.closeAllConnections(), requestGraceMs);
      await server.close();
      clearTimeout(late);
    });
    const url = await listen(server, config);
    closers.push(store.migrations.stop);
    store.migrations.start({ leaseMs: config.LEASE_MS, log });
    return {
      url,
      database: database.description,
      isMigrating: store.migrations.pending().length > 0,
      broken: database.ended,
      close,
    };

    async function openEngine() {
      const opened = await openProviders(config, store.captured.add, serverNow);
      for (const { providers } of opened) closers.push(...providers.map((one) => () => one.provider.close()));
      const engine = createEngine(store, withLinks(registry, links.of), opened, {
        concurrency: config.DELIVERY_CONCURRENCY,
        leaseMs: config.LEASE_MS,
        timeZone: config.TIME_ZONE,
        deadlineMs: config.PROVIDER_TIMEOUT_MS + deadlineSlackMs,
        isVirtual: virtual !== undefined,
        onSettled(settlement) {
          metrics.settled(settlement);
          virtual?.onSettled(settlement);
        },
        log,
      });
      closers.push(() => engine.stop(drainMs));
      engine.start();
      metrics.watchProviders(engine.health);
      metrics.watchOverdue(engine.overdue);
      return engine;
    }

    async function openQueue(url: string) {
      const { createRabbitmqQueue } = await import("./queue/rabbitmq.ts");
      const opened = createRabbitmqQueue({
        url,
        exchange: config.RABBITMQ_EXCHANGE,
        queue: config.RABBITMQ_QUEUE,
        routingKey: config.RABBITMQ_ROUTING_KEY,
        ...(hasRole("api") && { backlog: store.deliveries.pendingDue }),
        ...(engine && { worker: { channels: channelNames(), take: engine.offer } }),
        now,
        log,
      });
      closers.push(opened.close);
      return opened;
    }

    function openCore() {
      const core = createCore(store, withLinks(registry, links.sample), {
        engine,
        queue,
        hub,
        onJob: (due) => runner?.wake(due),
        maxWaiting: config.COMMIT_QUEUE_LIMIT,
        timeZone: config.TIME_ZONE,
        onBatch: metrics.batch,
        onReceipt: metrics.received,
      });
      closers.push(core.drained);
      return core;
    }

    function openRunner() {
      const opened = createJobRunner(store, core, {
        leaseMs: config.LEASE_MS,
        onRun(job, state) {
          metrics.ran(job, state);
          virtual?.onRun();
        },
        onAdvance: () => virtual?.onAdvance(),
        log,
      });
      closers.push(() => opened.stop(drainMs));
      opened.start();
      return opened;
    }
  } catch (error) {
    await close();
    throw error;
  }
}

/** Closes in reverse order. A failure does not stop the others from closing. */
async function closeAll(closers: Array<() => Promise<unknown> | unknown>, log: Logger): Promise<void> {
  for (const closer of closers.reverse()) {
    try {
      await closer();
    } catch (error) {
      log.warn({ err: error }, "a part of the service could not be closed");
    }
  }
}
