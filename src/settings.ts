import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { canSend, channelNames, channels } from "./channels/index.ts";
import type { Settings } from "./channels/module.ts";
import { ConfigError } from "./config/load.ts";
import { readJson, readJsonFolder } from "./config/read-json.ts";
import type { Config } from "./config/table.ts";
import { createLocales, type Locales } from "./core/locales.ts";
import { createTypeRegistry, type TypeRegistry } from "./core/notification-types.ts";
import type { StoreSettings } from "./store/index.ts";

// The configuration as the store and the core take it, for the service and the command line.

export function storeSettings(config: Config): StoreSettings {
  const { WEBHOOK_URL: url, WEBHOOK_SECRET: secrets } = config;
  return {
    channels: channelNames(),
    inboxLimit: config.INBOX_LIMIT,
    newUser: newUserOf(config),
    retentionDays: config.DELIVERY_RETENTION_DAYS,
    ...(url !== undefined && secrets && { everyone: { webhook: { url, secrets, shared: true } } }),
  };
}

/** The addresses of a new user: the configured ones, or such as let a newcomer see captured messages. */
function newUserOf(config: Config): { email?: string; phone?: string } {
  const addresses = channels.flatMap((channel) => {
    if (!channel.newUser) return [];
    const { variable, field, newcomer } = channel.newUser;
    const address = (config as Settings)[variable] ?? (canSend(channel, config) ? undefined : newcomer);
    return address === undefined ? [] : [[field, address]];
  });
  return Object.fromEntries(addresses);
}

/** The registry of types. Throws `ConfigError` with every problem of the operator's files. */
export function openRegistry(config: Config): TypeRegistry {
  const { registry, problems } = readTypes(config);
  if (problems.length > 0) throw new ConfigError(problems);
  return registry;
}

/** The registry of types, and every problem of the types file and the translations. */
export function readTypes(config: Config): { registry: TypeRegistry; locales: Locales; problems: string[] } {
  const general = {
    delayMs: config.RETRY_DELAY_MS,
    factor: config.RETRY_FACTOR,
    maxRetries: config.MAX_RETRIES,
  };
  const variable = "NOTIFICATION_TYPES_FILE";
  const unread: string[] = [];
  let file: unknown;
  try {
    if (config[variable] !== undefined) file = readJson(config[variable]);
  } catch (error) {
    unread.push(`${variable}: the file ${(error as Error).message}`);
  }
  const { locales, problems: wrongLocales } = readLocales(config);
  const { registry, problems } = createTypeRegistry(general, file, locales);
  return {
    registry,
    locales,
    problems: [...unread, ...problems.map((problem) => `${variable}: ${problem}`), ...wrongLocales],
  };
}

/** The translations of `LOCALES_DIR`, else of the folder `locales` beside the types file, if there is one. */
function readLocales({ LOCALES_DIR, NOTIFICATION_TYPES_FILE, DEFAULT_LOCALE }: Config) {
  const beside = NOTIFICATION_TYPES_FILE && join(dirname(NOTIFICATION_TYPES_FILE), "locales");
  const folder = LOCALES_DIR ?? (beside && existsSync(beside) ? beside : undefined);
  if (folder === undefined) return createLocales({}, DEFAULT_LOCALE);
  try {
    const { files, problems: unread } = readJsonFolder(folder);
    const place = (name: string) => join(folder, `${name}.json`);
    const { locales, problems } = createLocales(files, DEFAULT_LOCALE, place);
    return { locales, problems: [...unread, ...problems] };
  } catch (error) {
    const problem = `${LOCALES_DIR === undefined ? folder : "LOCALES_DIR"}: the folder ${(error as Error).message}`;
    return { ...createLocales({}, DEFAULT_LOCALE), problems: [problem] };
  }
}
