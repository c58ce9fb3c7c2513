import type { Config } from "./config/table.ts";
import type { Logger } from "./log.ts";
import { storeSettings } from "./settings.ts";
import { type Connection, connectWhenReady, DatabaseError, databaseName, hostsOf } from "./store/connect.ts";
import { createStore, type Store, type StoreSettings } from "./store/index.ts";

/**
 * Connects to `DB_URI`; without one it starts the managed MongoDB. `onOpen` gets the closer of each part that was opened, so
 * a failure leaves nothing running.
 */
export async function openDatabase(
  config: Config,
  log: Logger,
  signal: AbortSignal,
  onOpen: (close: () => Promise<unknown>) => void,
) {
  const managed = config.DB_URI === undefined ? await startMongod(config, log) : undefined;
  if (managed) onOpen(managed.close);
  const uri = managed?.uri ?? (config.DB_URI as string);
  const connection = await connectWhenReady(uri, {
    waitMs: config.DB_WAIT_SECONDS * 1_000,
    say: (sentence) => log.warn(sentence),
    signal,
  });
  onOpen(() => connection.client.close());
  if (!connection.transactions)
    log.warn(
      "MongoDB is a standalone server without transactions: an inbox item and its deliveries are stored one after the other. Use a replica set to store them together",
    );
  return {
    uri,
    connection,
    description: managed
      ? `MongoDB ${managed.version}, data in ${config.DATA_DIR}`
      : `MongoDB ${connection.serverVersion} at ${hostsOf(uri)}, database ${databaseName(uri)}`,
    /** Resolves with the reason when the managed MongoDB has ended by itself. */
    ended: managed
      ? managed.exited.then(({ code, signal }) => `the managed MongoDB ended (${signal ?? `code ${code}`})`)
      : new Promise<string>(() => {}),
  };
}

async function startMongod(config: Config, log: Logger) {
  const { startManagedMongod } = await import("#mongod");
  return startManagedMongod({
    dataDir: config.DATA_DIR,
    binary: config.MONGOD_BINARY,
    log: (message, details) => log.info(details ?? {}, message),
    debug: (message, details) => log.debug(details ?? {}, message),
  }).catch((error: Error) => {
    throw new DatabaseError(error.message, { cause: error });
  });
}

/** Everything that is stored, with its collections, its indexes, and the list of pending migrations. `clock`: of a service whose time is virtual. */
export async function openStore(
  config: Config,
  connection: Connection,
  clock: StoreSettings["clock"],
  log: Logger,
): Promise<Store> {
  if (clock) log.warn("the clock is virtual: POST /v1/test/clock moves it, and providers capture messages");
  const store = createStore(connection, {
    ...storeSettings(config),
    clock,
    onAbandoned: (ended) => log.warn({ ended }, "ended open transactions of a process that died"),
    onBuilding: (collection) =>
      log.info({ collection }, "MongoDB is building indexes; Belfry starts when they are complete"),
  });
  await store.open();
  await store.migrations.look();
  return store;
}
