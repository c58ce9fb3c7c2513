import { startApp } from "./app.ts";
import { ConfigError, readConfig } from "./config.ts";
import { createLogger, type Logger } from "./log.ts";
import { wakeClosedSockets } from "./store/closed-sockets.ts";

/** A stop that has not come to its end by then is ended. */
const stopLimitMs = 15_000;

wakeClosedSockets();
let log: Logger | undefined;
try {
  if (process.argv.length > 2)
    throw new ConfigError([
      `unknown argument ${process.argv.slice(2).join(" ")}: the service takes variables only`,
    ]);
  const { config, unknown } = readConfig();
  log = createLogger(config.LOG_LEVEL, config.LOG_FORMAT);
  if (unknown.length > 0) log.warn({ names: unknown }, ".env has names that mean nothing here");
  if (config.AUTH === "off" && !config.API_KEYS)
    log.warn("AUTH=off and no API_KEYS: anyone who reaches this address may use it");
  if (!config.API_KEYS && (config.TOKEN_SECRET || config.TOKEN_PUBLIC_KEY))
    log.warn("tokens protect nothing without API_KEYS: nobody is asked for one");
  await run(log, () => startApp(config, log as Logger));
} catch (error) {
  if (error instanceof ConfigError) process.stderr.write(`${error.message}\n`);
  else if (log) log.fatal({ err: error, reason: (error as Error).message }, "could not start");
  else process.stderr.write(`${error instanceof Error ? error.stack : error}\n`);
  process.exitCode = 1;
}

async function run(log: Logger, start: () => ReturnType<typeof startApp>): Promise<void> {
  let stopping = false;
  const starting = start();

  const stop = async (why: string, code: number) => {
    if (stopping) process.exit(code || 1);
    stopping = true;
    log.info({ why }, "stopping");
    setTimeout(() => {
      log.error("the stop took too long; leaving what is left to the leases");
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
    log.fatal({ err: error, reason: error.message }, "a defect: stopping");
    void stop("uncaught exception", 1);
  });

  const app = await starting;
  void app.broken.then((why) => !stopping && stop(why, 1));
  log.info({ url: app.url }, `Belfry is ready on ${app.url}`);
}
