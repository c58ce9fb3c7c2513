import { readText } from "./config/read-text.ts";
import { type Config, ConfigError } from "./config/table.ts";
import { type Catalog, createCatalog } from "./core/catalog.ts";
import type { StoreSettings } from "./store/index.ts";

// The configuration as the store and the core take it, for the service and the command line.

/**
 * Used while neither a provider nor an address is configured, so that the first messages are captured and seen. Nothing
 * can be delivered to `.invalid`, and 555-0100 belongs to nobody.
 */
const newcomer = { email: "newcomer@belfry.invalid", phone: "+12025550100" };

export function storeSettings(config: Config): StoreSettings {
  const { WEBHOOK_URL: url, WEBHOOK_SECRET: secrets } = config;
  const mails = config.SMTP_HOST !== undefined || config.MAILGUN_API_KEY !== undefined;
  const email = config.EMAIL ?? (mails ? undefined : newcomer.email);
  const phone = config.RECEIVER_PHONE_NUMBER ?? (config.TWILIO_SID ? undefined : newcomer.phone);
  return {
    inboxLimit: config.INBOX_LIMIT,
    newUser: { ...(email && { email }), ...(phone && { phone }) },
    retentionDays: config.DELIVERY_RETENTION_DAYS,
    ...(url !== undefined && secrets && { everyone: { webhook: { url, secrets, shared: true } } }),
  };
}

/** The registry of types. Throws `ConfigError` with every problem of the operator's file. */
export function openCatalog(config: Config): Catalog {
  const general = {
    delayMs: config.RETRY_DELAY_MS,
    factor: config.RETRY_FACTOR,
    maxRetries: config.MAX_RETRIES,
  };
  const { catalog, problems } = createCatalog(general, readTypes(config.NOTIFICATION_TYPES_FILE));
  if (problems.length > 0)
    throw new ConfigError(problems.map((problem) => `NOTIFICATION_TYPES_FILE: ${problem}`));
  return catalog;
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
