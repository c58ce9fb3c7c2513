import { randomInt } from "node:crypto";
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { FastifyInstance } from "fastify";
import { type Config, ConfigError } from "./config.ts";
import { createCatalog } from "./core/catalog.ts";
import { createHistory } from "./core/history.ts";
import { createInbox } from "./core/inbox.ts";
import { createNotifier } from "./core/notify.ts";
import { createEngine, type Engine } from "./delivery/engine.ts";
import { buildServer } from "./http/server.ts";
import { openLines } from "./lines.ts";
import type { Logger } from "./log.ts";
import { createMetrics } from "./metrics.ts";
import { createBatcher } from "./model/batcher.ts";
import { createCapturedStore } from "./store/captured.ts";
import { createServerClock } from "./store/clock.ts";
import { createCommitter } from "./store/commit.ts";
import { connect } from "./store/connect.ts";
import { createDeliveryBooks, deliveriesOfUser, deliveryDepth } from "./store/deliveries.ts";
import { newId } from "./store/ids.ts";
import { createInboxStore } from "./store/inbox.ts";
import { prepareCollections } from "./store/indexes.ts";
import { createProfileStore } from "./store/profiles.ts";
import { version } from "./version.ts";

export interface App {
  /** Where it listens; undefined when this process has no `api` role. */
  url: string | undefined;
  /** Resolves when a part the service cannot live without has ended by itself, with why. */
  broken: Promise<string>;
  /** Stops taking requests, answers those under way, finishes or gives back deliveries, closes everything. May be called again. */
  close(): Promise<void>;
}

const commitBatch = 300;
/** Sends under way get this long at a stop; with the rest of the close it stays below 15 s. */
const drainMs = 10_000;
const pollMs = 1_000;
const clockSyncMs = 30_000;
/** With neither EMAIL nor SMTP_HOST a newcomer still sees a mail captured; `.invalid` can never be delivered to. */
const newcomerAddress = "newcomer@belfry.invalid";

/** Builds every part, hands each its partners, and starts them. Whatever is opened pushes its closer. */
export async function startApp(config: Config, log: Logger): Promise<App> {
  const closers: Array<() => Promise<unknown> | unknown> = [];
  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= closeAll(closers, log);
    return closing;
  };

  try {
    const general = {
      delayMs: config.RETRY_DELAY_MS,
      factor: config.RETRY_FACTOR,
      maxRetries: config.MAX_RETRIES,
    };
    const { catalog, problems } = createCatalog(general, await readTypes(config.NOTIFICATION_TYPES_FILE));
    if (problems.length > 0)
      throw new ConfigError(problems.map((problem) => `NOTIFICATION_TYPES_FILE: ${problem}`));

    let broken: Promise<string> = new Promise(() => {});
    let uri = config.DB_URI;
    if (uri === undefined) {
      const { startManagedMongod } = await import("./mongod/index.ts");
      const mongod = await startManagedMongod({
        dataDir: config.DATA_DIR,
        binary: config.MONGOD_BINARY,
        log: (message, details) => log.info(details ?? {}, message),
      });
      closers.push(() => mongod.close());
      broken = mongod.exited.then(
        ({ code, signal }) => `the managed MongoDB ended (${signal ?? `code ${code}`})`,
      );
      uri = mongod.uri;
    }

    const { client, db, transactions } = await connect(uri);
    closers.push(() => client.close());
    if (!transactions)
      log.warn(
        "MongoDB is a standalone server: an inbox and its deliveries are stored one after the other, not together",
      );
    const clock = createServerClock(db);
    await Promise.all([clock.sync(), prepareCollections(db)]);
    const syncing = setInterval(() => clock.sync().catch(() => {}), clockSyncMs);
    closers.push(() => clearInterval(syncing));

    const metrics = createMetrics(clock.now);
    const captured = createCapturedStore(db);
    const profileStore = createProfileStore(db);

    let engine: Engine | undefined;
    if (config.ROLES.includes("worker")) {
      const lines = await openLines(config, { capture: captured.add, now: clock.now, log });
      for (const { provider } of Object.values(lines).flat()) closers.push(() => provider.close());
      const profiles = createBatcher({
        run: profileStore.many,
        maxItems: 200,
        maxWaiting: Number.POSITIVE_INFINITY,
      });
      const started = createEngine({
        lines,
        books: (channel) => createDeliveryBooks(db, channel),
        policy: catalog.policy,
        render: catalog.render,
        recipient: profiles.submit,
        suppress: (user, channel, address, reason) =>
          profileStore.suppress(user, channel, { address, reason, at: new Date(clock.now()) }),
        concurrency: config.DELIVERY_CONCURRENCY,
        leaseMs: config.LEASE_MS,
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
    }
    metrics.watchQueue(() => deliveryDepth(db));

    if (!config.ROLES.includes("api")) return { url: undefined, broken, close };

    const commit = createCommitter({
      client,
      db,
      transactions,
      inboxLimit: config.INBOX_LIMIT,
      newUser: newUserOf(config),
      now: clock.now,
    });
    const notifier = createNotifier({
      catalog,
      commit,
      ...(engine && { engine }),
      announce: (deliveries) => {
        for (const channel of new Set(deliveries.map((one) => one.channel))) engine?.wake(channel);
      },
      newId,
      now: clock.now,
      maxBatch: commitBatch,
      maxWaiting: config.COMMIT_QUEUE_LIMIT,
      onBatch: metrics.batch,
    });
    closers.push(() => notifier.drained());
    const inbox = createInbox(createInboxStore(db, config.INBOX_LIMIT), config.COMMIT_QUEUE_LIMIT);

    const server = await buildServer({
      inbox: { notify: notifier.notify, list: inbox.list, markRead: inbox.markRead, types: catalog.keys },
      queue: {
        notify: notifier.notify,
        history: createHistory({
          inbox: inbox.list,
          deliveries: (user, limit) => deliveriesOfUser(db, user, limit),
        }),
      },
      captured: captured.list,
      health: {
        ping: () => db.command({ ping: 1 }, { timeoutMS: 1_000 }),
        stopping: () => closing !== undefined,
        metrics,
      },
      onRequestDone: metrics.request,
      apiKeys: config.API_KEYS ?? [],
      version,
      log,
    });
    closers.push(() => server.close());
    return { url: await listen(server, config), broken, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function newUserOf(config: Config): { email?: string; phone?: string } {
  const email = config.EMAIL ?? (config.SMTP_HOST ? undefined : newcomerAddress);
  const phone = config.RECEIVER_PHONE_NUMBER;
  return { ...(email && { email }), ...(phone && { phone }) };
}

async function listen(server: FastifyInstance, config: Config): Promise<string> {
  try {
    return await server.listen({ host: config.HOST, port: config.PORT });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EADDRINUSE")
      throw new ConfigError([`PORT: ${config.PORT} is taken by another program on ${config.HOST}`]);
    if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND")
      throw new ConfigError([`HOST: ${config.HOST} is no address of this machine`]);
    if (code === "EACCES")
      throw new ConfigError([`PORT: ${config.PORT} needs more rights than this user has`]);
    throw error;
  }
}

async function readTypes(file: string | undefined): Promise<unknown> {
  if (file === undefined) return undefined;
  try {
    return JSON.parse(await readFile(file, "utf8"));
  } catch (error) {
    throw new ConfigError([`NOTIFICATION_TYPES_FILE: ${(error as Error).message}`]);
  }
}

/** The last opened is closed first; one that fails does not keep the others open. */
async function closeAll(closers: Array<() => Promise<unknown> | unknown>, log: Logger): Promise<void> {
  for (const closer of closers.reverse()) {
    try {
      await closer();
    } catch (error) {
      log.warn({ err: error }, "a part could not be closed");
    }
  }
}
