import { canSend, channelNames, channels } from "./channels/index.ts";
import type { Settings } from "./channels/module.ts";
import { readText } from "./config/read-text.ts";
import { type Config, ConfigError } from "./config/table.ts";
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

/** The registry of types. Throws `ConfigError` with every problem of the operator's file. */
export function openRegistry(config: Config): TypeRegistry {
  const general = {
    delayMs: config.RETRY_DELAY_MS,
    factor: config.RETRY_FACTOR,
    maxRetries: config.MAX_RETRIES,
  };
  const { registry, problems } = createTypeRegistry(general, readTypes(config.NOTIFICATION_TYPES_FILE));
  if (problems.length > 0)
    throw new ConfigError(problems.map((problem) => `NOTIFICATION_TYPES_FILE: ${problem}`));
  return registry;
}

function readTypes(file: string | undefined): unknown {
  if (file === undefined) return undefined;
  let text: string;
  try {
    text = readText(file);
  } catch (error) {
    throw new ConfigError([`NOTIFICATION_TYPES_FILE: the file ${(error as Error).message}`]);
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ConfigError([`NOTIFICATION_TYPES_FILE: the file is not JSON: ${(error as Error).message}`]);
  }
}
