import { type App, startApp } from "./app.ts";
import { ConfigError, readConfig } from "./config/load.ts";
import { shrinkHeap } from "./heap.ts";
import { createLogger, isForPeople, type Logger } from "./log.ts";
import { wakeClosedSockets } from "./store/closed-sockets.ts";
import { DatabaseError } from "./store/connect.ts";

/** A stop that takes longer is cut off. */
const stopLimitMs = 15_000;
/** After this time a start has ended, with its first timers and connections. */
const settledMs = 2_000;

wakeClosedSockets();
let log: Logger | undefined;
try {
  if (process.argv.length > 2)
    throw new ConfigError([
      `unknown argument ${process.argv.slice(2).join(" ")}: set variables in the environment or in .env instead`,
    ]);
  const { config, unknown } = readConfig();
  log = createLogger(config.LOG_LEVEL, config.LOG_FORMAT);
  if (unknown.length > 0) log.warn({ names: unknown }, ".env has names that Belfry does not use");
  if (config.AUTH === "off" && !config.API_KEYS)
    log.warn("AUTH=off and no API_KEYS: anyone who can reach this address may use Belfry");
  if (!config.API_KEYS && (config.TOKEN_SECRET || config.TOKEN_PUBLIC_KEY))
    log.warn("user tokens protect nothing without API_KEYS: requests need no token");
  const forPeople = isForPeople(config.LOG_FORMAT) && log.isLevelEnabled("info");
  await run(log, (signal) => startApp(config, log as Logger, signal), forPeople);
} catch (error) {
  if (error instanceof ConfigError) process.stderr.write(`${error.message}\n`);
  else if (error instanceof DatabaseError) log?.fatal(error.message);
  else if (log) log.fatal({ err: error, reason: (error as Error).message }, "could not start");
  else process.stderr.write(`${error instanceof Error ? error.stack : error}\n`);
  process.exitCode = 1;
}

async function run(
  log: Logger,
  start: (signal: AbortSignal) => Promise<App>,
  forPeople: boolean,
): Promise<void> {
  let stopping = false;
  const interrupted = new AbortController();
  const starting = start(interrupted.signal);

  const stop = async (why: string, code: number) => {
    if (stopping) process.exit(code || 1);
    stopping = true;
    interrupted.abort();
    log.info({ why }, "stopping");
    setTimeout(() => {
      log.error("stopping took too long; other workers take over what is left when its leases expire");
      process.exit(1);
    }, stopLimitMs - 500).unref();
    const app = await starting.catch(() => undefined);
    await app?.close();
    log.info("stopped");
    process.exit(code);
  };
  process.on("SIGTERM", () => void stop("SIGTERM", 0));
  process.on("SIGINT", () => void stop("SIGINT", 0));
  process.on("uncaughtException", (error) => {
    log.fatal({ err: error, reason: error.message }, "unexpected error: stopping");
    void stop("uncaught exception", 1);
  });

  let app: App;
  try {
    app = await starting;
  } catch (error) {
    // Interrupted while it waited: `stop` ends the process.
    if (stopping) return;
    throw error;
  }
  setTimeout(() => void shrinkHeap(), settledMs).unref();
  void app.broken.then((why) => !stopping && stop(why, 1));
  if (forPeople) process.stdout.write(`Database  ${app.database}\nConsole   ${app.url}/\nStop      Ctrl+C\n`);
  else {
    const what = app.isMigrating ? "listens, and is ready after its migrations," : "is ready";
    log.info({ url: app.url, database: app.database }, `Belfry ${what} on ${app.url}`);
  }
}
