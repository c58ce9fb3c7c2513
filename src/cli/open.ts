import { type Config, readConfig } from "../config/table.ts";
import type { openOperate } from "../parts.ts";
import type { Connection } from "../store/connect.ts";
import { watched } from "./terminal.ts";

/** Ends the command with this sentence and exit code 1. */
export class CommandError extends Error {}

export interface Books {
  config: Config;
  connection: Connection;
  operate: ReturnType<typeof openOperate>;
  /** Unix milliseconds on MongoDB's clock. */
  now: () => number;
}

/** `DB_URI`, or the managed MongoDB of a service that runs on `DATA_DIR`; undefined when there is neither. */
export async function databaseUri(config: Config): Promise<string | undefined> {
  if (config.DB_URI !== undefined) return config.DB_URI;
  const { runningMongodUri } = await import("../mongod/index.ts");
  return runningMongodUri(config.DATA_DIR);
}

/**
 * Runs `work` on the database itself, with the service's configuration: operators often need answers while the service is
 * down. Workers find what becomes pending here by themselves within a second.
 */
export async function withBooks<T>(work: (books: Books) => Promise<T>): Promise<T> {
  const { config } = readConfig();
  const uri = await databaseUri(config);
  if (uri === undefined)
    throw new CommandError(
      `DB_URI is not set, and no Belfry runs with its data in ${config.DATA_DIR}. Set DB_URI, start Belfry, or run this in its folder.`,
    );
  // Loaded only now, which takes half a second that help and typing errors need not wait for.
  const [{ connect }, { createServerClock }, { openOperate }] = await Promise.all([
    import("../store/connect.ts"),
    import("../store/clock.ts"),
    import("../parts.ts"),
  ]);
  const connection = await watched("connecting to MongoDB", connect(uri)).catch((error: Error) => {
    throw new CommandError(`MongoDB cannot be reached (${error.name}). \`belfry doctor\` shows why.`);
  });
  try {
    const clock = createServerClock(connection.db);
    await clock.sync();
    const operate = openOperate(config, connection, clock.now, () => {});
    return await work({ config, connection, operate, now: clock.now });
  } finally {
    await connection.client.close();
  }
}

/** Stores notifications without the service. Its workers send them. */
export async function openNotifier({ config, connection, now }: Books) {
  const [{ createNotifier }, { openCatalog, openCommitter }, { newId }, { prepareCollections }] =
    await Promise.all([
      import("../core/notify.ts"),
      import("../parts.ts"),
      import("../store/ids.ts"),
      import("../store/indexes.ts"),
    ]);
  const catalog = await openCatalog(config);
  const prepared = await prepareCollections(connection.db);
  const { notify } = createNotifier({
    catalog,
    commit: openCommitter(config, connection, prepared, now),
    announce: () => {},
    newId,
    now,
    maxBatch: 1,
    maxWaiting: 1,
    onBatch: () => {},
  });
  return { catalog, notify };
}
