import { randomInt } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { FastifyInstance } from "fastify";
import { type Config, ConfigError } from "./config/table.ts";
import { createFindUsers } from "./core/find-users.ts";
import { createHistory } from "./core/history.ts";
import { createInbox, createLiveInbox } from "./core/inbox.ts";
import { createNotifier } from "./core/notify.ts";
import { createPreview, describeTypes } from "./core/preview.ts";
import { createPulse } from "./core/pulse.ts";
import { createSendOne } from "./core/send-many.ts";
import { createSimulatorSwitch } from "./core/simulator-switch.ts";
import { directType } from "./core/types.ts";
import { createEngine, type Engine } from "./delivery/engine.ts";
import { type ApiPartners, buildServer } from "./http/server.ts";
import { createBatcher } from "./lib/batcher.ts";
import { openLines } from "./lines.ts";
import type { Logger } from "./log.ts";
import { createMetrics } from "./metrics.ts";
import type { Hub } from "./model/hub.ts";
import type { Channel } from "./model/notification.ts";
import { openCatalog, openCommitter, openOperate, targetOfAll } from "./parts.ts";
import type { Queue } from "./queue/rabbitmq.ts";
import { callbackPartners, openAccess, openDeliveryMessage, openHub, openV1 } from "./service.ts";
import { endAbandonedTransactions } from "./store/abandoned.ts";
import { createDeliveryBooks } from "./store/books.ts";
import { createCapturedStore } from "./store/captured.ts";
import { createServerClock } from "./store/clock.ts";
import { connectWhenReady, DatabaseError, databaseName, hostsOf } from "./store/connect.ts";
import { deliveriesOfUser, deliveryDepth, pendingDue } from "./store/deliveries.ts";
import { newId } from "./store/ids.ts";
import { createInboxReader } from "./store/inbox.ts";
import { createInboxWriter } from "./store/inbox-writes.ts";
import { prepareCollections } from "./store/indexes.ts";
import { createProfileStore } from "./store/profiles.ts";
import { createUserSearch } from "./store/user-search.ts";
import { version } from "./version.ts";

export interface App {
  /** The URL of the service. A process without the `api` role serves only health and metrics there. */
  url: string;
  /** Which MongoDB it uses, for whoever starts it. */
  database: string;
  /** Resolves when a part the service cannot live without has ended by itself, with why. */
  broken: Promise<string>;
  /** Stops taking requests, answers those under way, finishes or gives back deliveries, closes everything. May be called again. */
  close(): Promise<void>;
}

const commitBatch = 300;
/** At a stop, a client that does not finish its request is cut off after this. */
const requestGraceMs = 3_000;
/** Sends under way get this long at a stop; with the rest of the close it stays below 15 s. */
const drainMs = 10_000;
const pollMs = 1_000;
/** The engine's deadline comes after the provider's own time-out, which gives a better error. */
const deadlineSlackMs = 5_000;
const clockSyncMs = 30_000;
const abandonedMs = 1_000;

/** Builds every part, hands each its partners, and starts them. Each opened part pushes its closer. */
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
    const catalog = await openCatalog(config);

    let broken: Promise<string> = new Promise(() => {});
    let uri = config.DB_URI;
    let ownDatabase: string | undefined;
    if (uri === undefined) {
      const { startManagedMongod } = await import("./mongod/index.ts");
      const mongod = await startManagedMongod({
        dataDir: config.DATA_DIR,
        binary: config.MONGOD_BINARY,
        log: (message, details) => log.info(details ?? {}, message),
        debug: (message, details) => log.debug(details ?? {}, message),
      }).catch((error: Error) => {
        throw new DatabaseError(error.message, { cause: error });
      });
      closers.push(() => mongod.close());
      broken = mongod.exited.then(
        ({ code, signal }) => `the managed MongoDB ended (${signal ?? `code ${code}`})`,
      );
      uri = mongod.uri;
      ownDatabase = `MongoDB ${mongod.version}, data in ${config.DATA_DIR}`;
    }

    const connection = await connectWhenReady(uri, {
      waitMs: config.DB_WAIT_SECONDS * 1_000,
      say: (sentence) => log.warn(sentence),
      signal,
    });
    const database =
      ownDatabase ?? `MongoDB ${connection.serverVersion} at ${hostsOf(uri)}, database ${databaseName(uri)}`;
    const { client, db, transactions, writes } = connection;
    closers.push(() => client.close());
    if (!transactions)
      log.warn(
        "MongoDB is a standalone server without transactions: an inbox item and its deliveries are stored one after the other. Use a replica set to store them together",
      );
    const clock = createServerClock(db);
    const [prepared] = await Promise.all([prepareCollections(db), clock.sync()]);
    const syncing = setInterval(() => clock.sync().catch(() => {}), clockSyncMs);
    closers.push(() => clearInterval(syncing));
    if (transactions) {
      const ending = setInterval(async () => {
        const ended = await endAbandonedTransactions(client).catch(() => 0);
        if (ended > 0) log.warn({ ended }, "ended open transactions of a process that died");
      }, abandonedMs);
      closers.push(() => clearInterval(ending));
    }

    const metrics = createMetrics(clock.now);
    const captured = createCapturedStore(db);
    const profileStore = createProfileStore(db, writes);

    let engine: Engine | undefined;
    if (config.ROLES.includes("worker")) {
      const lines = await openLines(config, { capture: captured.add, now: clock.now, log });
      for (const { provider } of Object.values(lines).flat()) closers.push(() => provider.close());
      const profiles = createBatcher({
        run: profileStore.many,
        maxItems: 200,
      });
      const everyone = targetOfAll(config);
      const started = createEngine({
        lines,
        books: (channel) => createDeliveryBooks(db, channel, config.DELIVERY_RETENTION_DAYS),
        policy: catalog.policy,
        render: catalog.render,
        recipient: async (user) => ({ ...everyone, ...(await profiles.submit(user)) }),
        noteFailing: profileStore.noteFailing,
        suppress: (user, channel, address, reason) =>
          profileStore.suppress(user, channel, { address, reason, at: new Date(clock.now()) }),
        concurrency: config.DELIVERY_CONCURRENCY,
        leaseMs: config.LEASE_MS,
        deadlineMs: config.PROVIDER_TIMEOUT_MS + deadlineSlackMs,
        pollMs,
        now: clock.now,
        sleep,
        random: () => randomInt(2 ** 32) / 2 ** 32,
        newToken: newId,
        onSettled: metrics.settled,
        log,
      });
      closers.push(() => started.stop(drainMs));
      started.start();
      engine = started;
      metrics.watchProviders(started.health);
      metrics.watchOverdue(started.overdue);
    }
    metrics.watchQueue(() => deliveryDepth(db));

    let queue: Queue | undefined;
    if (config.AMQP_URL !== undefined) {
      const { createRabbitmqQueue } = await import("./queue/rabbitmq.ts");
      const opened = createRabbitmqQueue({
        url: config.AMQP_URL,
        exchange: config.RABBITMQ_EXCHANGE,
        queue: config.RABBITMQ_QUEUE,
        routingKey: config.RABBITMQ_ROUTING_KEY,
        ...(config.ROLES.includes("api") && { backlog: () => pendingDue(db, clock.now()) }),
        ...(engine && { worker: { take: engine.offer, bury: engine.bury } }),
        now: clock.now,
        log,
      });
      closers.push(() => opened.close());
      queue = opened;
    }

    const announce = (deliveries: Array<{ id: string; channel: Channel }>) => {
      queue?.announce(deliveries);
      for (const channel of new Set(deliveries.map((one) => one.channel))) engine?.wake(channel);
    };
    const access = openAccess(config, clock.now, log);
    let hub: Hub | undefined;
    if (config.ROLES.includes("realtime")) {
      const opened = openHub(config, uri, connection, metrics, log);
      closers.push(opened.close);
      hub = opened.hub;
    }
    const openApi = (): ApiPartners => {
      const notifier = createNotifier({
        catalog,
        commit: openCommitter(config, connection, prepared, clock.now),
        ...(engine && { engine }),
        announce,
        ...(hub && { touch: hub.touch }),
        newId,
        now: clock.now,
        maxBatch: commitBatch,
        maxWaiting: config.COMMIT_QUEUE_LIMIT,
        onBatch: metrics.batch,
      });
      closers.push(() => notifier.drained());
      const { notify } = notifier;
      const simulator = createSimulatorSwitch(
        {
          notify,
          random: Math.random,
          now: clock.now,
          sleep,
          onSent: ({ user, type }, id) => log.debug({ user, type, id }, "the simulator sent a notification"),
          onFailed: (err, { user, type }) =>
            log.warn({ err, user, type }, "the simulator could not send a notification"),
        },
        config.SIMULATOR_INTERVAL_SECONDS,
      );
      closers.push(() => simulator.stop());
      const pulse = createPulse({
        totals: metrics.totals,
        depth: () => deliveryDepth(db),
        connections: () => hub?.size.connections ?? 0,
        now: clock.now,
      });
      closers.push(pulse.stop);
      pulse.start();
      const kept = {
        ...createInboxReader(db, config.INBOX_LIMIT),
        ...createInboxWriter(db, config.INBOX_LIMIT, clock.now, writes),
      };
      const touch = hub?.touch ?? (() => {});
      const live = createLiveInbox(kept, touch);
      const inbox = createInbox(kept, live, config.COMMIT_QUEUE_LIMIT);
      const history = createHistory({
        inbox: inbox.list,
        deliveries: (user, limit) => deliveriesOfUser(db, user, limit),
      });
      const userSearch = createUserSearch(db);
      const v1 = openV1(config, connection, notifier, touch, clock.now);
      const send = createSendOne(notify, v1.send);
      return {
        inbox: {
          send,
          list: inbox.list,
          markRead: inbox.markRead,
          types: catalog.keys.filter((key) => key !== directType),
        },
        queue: { send, history },
        live: { send, read: live.read, markRead: (user, id) => live.change(user, id, "read") },
        captured,
        operate: openOperate(config, connection, clock.now, announce),
        callbacks: callbackPartners(config, db, profileStore, metrics, clock.now),
        tokens: access.tokens,
        v1: { ...v1, inbox: live, types: catalog.keys },
        console: {
          types: describeTypes(catalog),
          preview: createPreview(catalog, clock.now),
          deliveryMessage: openDeliveryMessage(config, db, profileStore, catalog),
          findNotification: userSearch.withNotification,
          findUsers: createFindUsers(userSearch),
          pulse,
          ...(engine && { providers: engine.health, overdue: engine.overdue }),
          simulator,
        },
      };
    };

    const server = await buildServer({
      ...(config.ROLES.includes("api") && { api: openApi() }),
      ...(hub && {
        live: {
          hub,
          heartbeatMs: config.LIVE_HEARTBEAT_SECONDS * 1_000,
          now: clock.now,
          addresses: access.addresses,
          connectionsPerUser: config.LIVE_CONNECTIONS_PER_USER,
          connectionsPerAddress: config.LIVE_CONNECTIONS_PER_ADDRESS,
        },
      }),
      health: {
        // `timeoutMS` would not bound the driver's search for a server.
        ping: () => db.command({ ping: 1 }, { signal: AbortSignal.timeout(1_000) }),
        stopping: () => closing !== undefined,
        ...(engine && { providers: engine.health, overdue: engine.overdue }),
        ...(queue && { broker: queue.state }),
        metrics,
      },
      onRequestDone: metrics.request,
      authorizer: access.authorizer,
      allowedOrigins: config.ALLOWED_ORIGINS ?? [],
      isAllowedOrigin: access.isAllowedOrigin,
      allowedHosts: access.allowedHosts,
      addresses: access.addresses,
      basePath: access.basePath,
      connections: {
        most: config.HTTP_CONNECTIONS,
        mostPerAddress: config.HTTP_CONNECTIONS_PER_ADDRESS,
        peerAddress: access.addresses.peerAddress,
      },
      version,
      log,
    });
    closers.push(async () => {
      const late = setTimeout(() => server.server.closeAllConnections(), requestGraceMs);
      await server.close();
      clearTimeout(late);
    });
    return { url: await listen(server, config), database, broken, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function listen(server: FastifyInstance, config: Config): Promise<string> {
  // Fastify would log the addresses; whoever starts the service shows its URL.
  const { level } = server.log;
  server.log.level = "warn";
  try {
    return await server.listen({ host: config.HOST, port: config.PORT });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EADDRINUSE")
      throw new ConfigError([
        `PORT: another program uses port ${config.PORT} on ${config.HOST}; stop it or choose another port`,
      ]);
    if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND")
      throw new ConfigError([`HOST: ${config.HOST} is not an address of this machine`]);
    if (code === "EACCES")
      throw new ConfigError([`PORT: this user may not open port ${config.PORT}; choose a port from 1024`]);
    throw error;
  } finally {
    server.log.level = level;
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
