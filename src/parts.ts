import { readText } from "./config/read-text.ts";
import { type Config, ConfigError } from "./config/table.ts";
import { type Catalog, createCatalog } from "./core/catalog.ts";
import { createOperate } from "./core/operate.ts";
import { createRedrive } from "./core/redrive.ts";
import type { Channel } from "./model/notification.ts";
import type { Recipient } from "./model/provider.ts";
import { type CommitOptions, createCommitter } from "./store/commit.ts";
import type { Connection } from "./store/connect.ts";
import { newId } from "./store/ids.ts";
import { createLedgerReader } from "./store/ledger.ts";
import { createOperateStore } from "./store/operate.ts";
import { createProfileStore } from "./store/profiles.ts";
import { createSuppressionStore } from "./store/suppressions.ts";
import { createTally } from "./store/tally.ts";

/** The parts that the service and the command line share. */

/**
 * Used while neither a provider nor an address is configured, so that the first messages are captured and seen. Nothing
 * can be delivered to `.invalid`, and 555-0100 belongs to nobody.
 */
const newcomer = { email: "newcomer@belfry.invalid", phone: "+12025550100" };

/** The registry of types. Throws `ConfigError` with every problem of the operator's file. */
export async function openCatalog(config: Config): Promise<Catalog> {
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

/** Stores a notification with its deliveries. `prepared`: the result of `prepareCollections`; `now`: MongoDB's clock. */
export function openCommitter(
  config: Config,
  { client, db, transactions }: Connection,
  prepared: { bulkWrites: boolean },
  now: () => number,
) {
  const options: CommitOptions = {
    client,
    db,
    transactions,
    inboxLimit: config.INBOX_LIMIT,
    newUser: newUserOf(config),
    tally: createTally(newId(), config.DELIVERY_RETENTION_DAYS),
    bulkWrites: prepared.bulkWrites,
    now,
  };
  return createCommitter(options);
}

/** Lookups and changes for an operator. `announce` gets the deliveries that are pending again. */
export function openOperate(
  config: Config,
  { client, db, transactions, writes }: Connection,
  now: () => number,
  announce: (deliveries: Array<{ id: string; channel: Channel }>) => void,
) {
  const deliveries = createOperateStore(db);
  const profiles = createProfileStore(db, writes);
  const everyone = targetOfAll(config);
  const retentionDays = config.DELIVERY_RETENTION_DAYS;
  return {
    ...createOperate({
      deliveries,
      suppressions: createSuppressionStore(db, writes),
      ledger: createLedgerReader({ client, db, transactions, retentionDays, now }),
      announce,
      now,
    }),
    redrive: createRedrive({
      deliveries,
      recipients: async (users) => (await profiles.many(users)).map((one) => ({ ...everyone, ...one })),
      announce,
      now,
    }),
  };
}

/** The webhook of users who have none of their own. */
export function targetOfAll({ WEBHOOK_URL: url, WEBHOOK_SECRET: secrets }: Config): Recipient {
  return url !== undefined && secrets ? { webhook: { url, secrets, shared: true } } : {};
}

function newUserOf(config: Config): { email?: string; phone?: string } {
  const mails = config.SMTP_HOST !== undefined || config.MAILGUN_API_KEY !== undefined;
  const email = config.EMAIL ?? (mails ? undefined : newcomer.email);
  const phone = config.RECEIVER_PHONE_NUMBER ?? (config.TWILIO_SID ? undefined : newcomer.phone);
  return { ...(email && { email }), ...(phone && { phone }) };
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
