import { randomInt } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { FastifyInstance } from "fastify";
import { type Config, ConfigError, senderOf } from "./config.ts";
import { createCatalog } from "./core/catalog.ts";
import { createInbox } from "./core/inbox.ts";
import { createNotifier } from "./core/notify.ts";
import { attemptEmail } from "./delivery/attempt.ts";
import { createWorker } from "./delivery/worker.ts";
import { buildServer } from "./http/server.ts";
import type { Logger } from "./log.ts";
import { createMetrics } from "./metrics.ts";
import { createBatcher } from "./model/batcher.ts";
import type { EmailProvider } from "./model/delivery.ts";
import { createCaptureProvider } from "./providers/capture.ts";
import { createSmtpProvider } from "./providers/smtp.ts";
import { endAbandonedTransactions } from "./store/abandoned.ts";
import { createCapturedStore } from "./store/captured.ts";
import { createServerClock } from "./store/clock.ts";
import { createCommitter } from "./store/commit.ts";
import { connect } from "./store/connect.ts";
import { createDeliveryBooks } from "./store/deliveries.ts";
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
/** At a stop a client that never finishes its request is cut off after this, or it would hold up all that follows. */
const requestGraceMs = 3_000;
/** Sends under way get this long at a stop; with the rest of the close it stays below 15 s. */
const drainMs = 10_000;
const pollMs = 1_000;
const clockSyncMs = 30_000;
const abandonedMs = 1_000;
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
    const { catalog, problems } = createCatalog(await readTypes(config.NOTIFICATION_TYPES_FILE));
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
    if (transactions) {
      const ending = setInterval(async () => {
        const ended = await endAbandonedTransactions(client).catch(() => 0);
        if (ended > 0) log.warn({ ended }, "ended transactions that a dead process had left open");
      }, abandonedMs);
      closers.push(() => clearInterval(ending));
    }

    const metrics = createMetrics(clock.now);
    const books = createDeliveryBooks(db);
    metrics.watchQueue(() => books.depth());
    const captured = createCapturedStore(db);

    const isWorker = config.ROLES.includes("worker");
    let worker: ReturnType<typeof createWorker> | undefined;
    if (isWorker) {
      const email: EmailProvider = config.SMTP_HOST
        ? createSmtpProvider({
            host: config.SMTP_HOST,
            port: config.SMTP_PORT,
            login: config.SMTP_LOGIN,
            password: config.SMTP_PASSWORD,
            from: { address: senderOf(config) ?? "", name: config.SMTP_NAME },
            tls: config.SMTP_TLS,
            connections: config.DELIVERY_CONCURRENCY,
          })
        : createCaptureProvider({
            from: `${config.SMTP_NAME} <${senderOf(config) ?? "belfry@localhost"}>`,
            add: (messages) => captured.add(messages, clock.now()),
          });
      closers.push(() => email.close());
      const profiles = createBatcher({
        run: createProfileStore(db).many,
        maxItems: 200,
        maxWaiting: Number.POSITIVE_INFINITY,
      });
      const started = createWorker({
        books,
        attempt: async (delivery) => ({
          provider: email.name,
          outcome: await attemptEmail(
            delivery,
            () => profiles.submit(delivery.user),
            catalog.renderEmail,
            email,
          ),
        }),
        policy: {
          delayMs: config.RETRY_DELAY_MS,
          factor: config.RETRY_FACTOR,
          maxRetries: config.MAX_RETRIES,
        },
        concurrency: config.DELIVERY_CONCURRENCY,
        leaseMs: config.LEASE_MS,
        pollMs,
        now: clock.now,
        random: () => randomInt(2 ** 32) / 2 ** 32,
        newToken: newId,
        onSettled: ({ delivery, attempt, state }) =>
          metrics.attempt({ ...attempt, channel: delivery.channel, state }),
        log,
      });
      closers.push(() => started.stop(drainMs));
      started.start();
      worker = started;
    }

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
      ...(worker && { worker }),
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
      captured: captured.list,
      health: {
        // `timeoutMS` would not bound the driver's search for a server.
        ping: () => db.command({ ping: 1 }, { signal: AbortSignal.timeout(1_000) }),
        stopping: () => closing !== undefined,
        metrics,
      },
      onRequestDone: metrics.request,
      apiKeys: config.API_KEYS ?? [],
      version,
      log,
    });
    closers.push(async () => {
      const late = setTimeout(() => server.server.closeAllConnections(), requestGraceMs);
      await server.close();
      clearTimeout(late);
    });
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
