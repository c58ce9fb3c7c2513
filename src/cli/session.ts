import { readConfig } from "../config/load.ts";
import type { Config } from "../config/table.ts";
import type { Connection } from "../store/connect.ts";
import type { Store } from "../store/index.ts";
import { watched } from "./terminal.ts";

/** Ends the command with this sentence and exit code 1. */
export class CommandError extends Error {}

/** The service's configuration and database, for one command. */
export interface Session {
  config: Config;
  store: Store;
}

/** `DB_URI`, or the managed MongoDB of a service that runs on `DATA_DIR`; undefined when there is neither. */
export async function databaseUri(config: Config): Promise<string | undefined> {
  if (config.DB_URI !== undefined) return config.DB_URI;
  const { runningMongodUri } = await import("#mongod");
  return runningMongodUri(config.DATA_DIR);
}

/**
 * Runs `work` on the database itself, with the service's configuration: operators often need answers while the service is
 * down. Workers find new pending deliveries by themselves within a second.
 */
export function withSession<T>(work: (session: Session) => Promise<T>): Promise<T> {
  return withConnection(async (connection, config) => {
    const [{ createStore }, { storeSettings }] = await Promise.all([
      import("../store/index.ts"),
      import("../settings.ts"),
    ]);
    const store = createStore(connection, storeSettings(config));
    try {
      await store.syncClock();
      return await work({ config, store });
    } finally {
      await store.close();
    }
  });
}

export async function withConnection<T>(
  work: (connection: Connection, config: Config) => Promise<T>,
): Promise<T> {
  const { config } = readConfig();
  const uri = await databaseUri(config);
  if (uri === undefined)
    throw new CommandError(
      `DB_URI is not set, and no Belfry runs with its data in ${config.DATA_DIR}. Set DB_URI, start Belfry, or run this in its folder.`,
    );
  // Loaded here, because it takes half a second that help and typing errors need not wait for.
  const { connect } = await import("../store/connect.ts");
  const connection = await watched("connecting to MongoDB", connect(uri)).catch((error: Error) => {
    throw new CommandError(`MongoDB cannot be reached (${error.name}). \`belfry doctor\` shows why.`);
  });
  try {
    return await work(connection, config);
  } finally {
    await connection.client.close();
  }
}

/** For commands that notify, without the service. Its workers send the deliveries. */
export async function openCore({ config, store }: Session) {
  const [{ createCore }, { openRegistry }] = await Promise.all([
    import("../core/core.ts"),
    import("../settings.ts"),
  ]);
  const registry = openRegistry(config);
  await store.open();
  return createCore(store, registry, { timeZone: config.TIME_ZONE });
}
