import type { Db } from "mongodb";
import { createUrlCheck, networks } from "./channels/webhook/guard.ts";
import { newWebhookSecret, webhookKey } from "./channels/webhook/signature.ts";
import { webhookRules } from "./config/rules.ts";
import type { Config } from "./config/table.ts";
import type { Catalog } from "./core/catalog.ts";
import { createDeliveryMessage } from "./core/delivery-message.ts";
import { createIdempotency } from "./core/idempotency.ts";
import type { Notifier } from "./core/notify.ts";
import { createProfiles } from "./core/profile.ts";
import { createReceiver } from "./core/receipts.ts";
import { createSendMany } from "./core/send-many.ts";
import { createTokens } from "./core/tokens.ts";
import { compose } from "./delivery/compose.ts";
import { createAddresses } from "./http/addresses.ts";
import { createAuthorizer } from "./http/auth.ts";
import type { CallbackPartners } from "./http/callbacks.ts";
import { createOriginRule } from "./http/origins.ts";
import type { Logger } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import type { Hub } from "./model/hub.ts";
import { targetOfAll } from "./parts.ts";
import { createHub } from "./realtime/hub.ts";
import type { Connection } from "./store/connect.ts";
import { createEraser } from "./store/erase.ts";
import { orUnavailable } from "./store/failures.ts";
import { createIdempotencyStore } from "./store/idempotency.ts";
import { newIdAt } from "./store/ids.ts";
import { createChangesReader } from "./store/inbox-changes.ts";
import { createOperateStore } from "./store/operate.ts";
import { createProfileStore } from "./store/profiles.ts";
import { createReceiptStore } from "./store/receipts.ts";
import { createSuppressionStore } from "./store/suppressions.ts";
import { watchUsers } from "./store/watch.ts";

/** The parts of the running service that the command line does not need. */

/** At a stop, devices reconnect at a random moment within this time. */
const comeBackMs = 5_000;
const standaloneLookMs = 2_000;

/** Tokens, API keys, origins, hosts and proxies. */
export function openAccess(config: Config, now: () => number, log: Logger) {
  const tokens = createTokens({
    secrets: config.TOKEN_SECRET ?? [],
    publicKey: config.TOKEN_PUBLIC_KEY,
    audience: config.TOKEN_AUDIENCE,
    maxSeconds: config.TOKEN_MAX_SECONDS,
    ttlSeconds: config.TOKEN_TTL_SECONDS,
    now,
  });
  const own = config.PUBLIC_URL === undefined ? undefined : new URL(config.PUBLIC_URL);
  const onUnknownProxy = (address: string) =>
    log.warn(
      { address },
      `a request has X-Forwarded-For, but no proxy is trusted, so limits count the proxy as one client. If ${address} is your proxy, set TRUST_PROXY=${address}`,
    );
  return {
    tokens,
    authorizer: createAuthorizer({ apiKeys: config.API_KEYS ?? [], tokens }),
    isAllowedOrigin: createOriginRule(
      // Behind a proxy that sends another `Host` our own pages are known by PUBLIC_URL.
      [...(config.ALLOWED_ORIGINS ?? []), ...(own ? [own.origin] : [])],
      (origin) =>
        log.warn(
          { origin },
          "refused a page of this origin: if it may call Belfry, add the origin to ALLOWED_ORIGINS",
        ),
    ),
    basePath: config.BASE_PATH ?? own?.pathname.replace(/\/$/, "") ?? "",
    allowedHosts: [config.HOST, ...(config.ALLOWED_HOSTS ?? []), ...(own ? [own.hostname] : [])],
    addresses: createAddresses(
      networks(config.TRUST_PROXY ?? []),
      config.TRUST_PROXY ? undefined : onUnknownProxy,
    ),
  };
}

/** Sends changes of any instance to the devices of this one. The transports close the hub. */
export function openHub(
  config: Config,
  uri: string,
  { db, transactions }: Connection,
  metrics: Metrics,
  log: Logger,
): { hub: Hub; close: () => Promise<void> | void } {
  const hub = createHub({
    read: createChangesReader(db, config.INBOX_LIMIT),
    jitterMs: comeBackMs,
    random: Math.random,
    onRead: metrics.liveRead,
    log,
  });
  const size = () => hub.size;
  if (!transactions) {
    // A standalone server has no change streams.
    const looking = setInterval(hub.touchAll, standaloneLookMs);
    metrics.watchLive(size, () => false);
    return { hub, close: () => clearInterval(looking) };
  }
  const watch = watchUsers({
    uri,
    onChange: (user) => hub.touch([user]),
    onLost: hub.touchAll,
    random: Math.random,
    log,
  });
  metrics.watchLive(size, () => watch.open);
  return { hub, close: watch.close };
}

/** Users' profiles, and notifications to many at once. */
export function openV1(
  config: Config,
  { db, transactions, writes }: Connection,
  notifier: Notifier,
  touch: (users: string[]) => void,
  now: () => number,
) {
  const profiles = createProfileStore(db, writes);
  const suppressions = createSuppressionStore(db, writes);
  const requests = createIdempotencyStore(db, transactions);
  const erase = createEraser({ db, writes, retentionDays: config.DELIVERY_RETENTION_DAYS, now });
  return {
    profiles: createProfiles({
      read: profiles.read,
      // A webhook that is stored, perhaps again, is tried again.
      async write(user, change) {
        if (change.webhook) await suppressions.remove(user, "webhook");
        return profiles.write(user, change);
      },
      isWebhookSecret: (text) => webhookKey(text) !== undefined,
      newWebhookSecret,
      webhookUrlProblem: createUrlCheck(webhookRules(config)),
    }),
    // Also after a failure, because the inbox is erased first.
    erase: (user: string) => erase(user).finally(() => touch([user])),
    send: createSendMany({
      notifier,
      open: createIdempotency({ store: requests, newId: () => newIdAt(now()), now }),
      stored: requests.stored,
      newId: () => newIdAt(now()),
    }),
  };
}

/** The message of a delivery, for an operator. */
export function openDeliveryMessage(
  config: Config,
  db: Db,
  profiles: ReturnType<typeof createProfileStore>,
  { render }: Pick<Catalog, "render">,
) {
  const everyone = targetOfAll(config);
  return createDeliveryMessage({
    source: createOperateStore(db).source,
    recipient: async (user) => ({
      ...everyone,
      ...(await orUnavailable(() => profiles.many([user])))[0],
    }),
    compose: (delivery, recipient) => compose(delivery, recipient, render),
  });
}

/** The callbacks of Twilio and Mailgun about accepted messages. */
export function callbackPartners(
  config: Config,
  db: Db,
  profiles: ReturnType<typeof createProfileStore>,
  metrics: Metrics,
  now: () => number,
): CallbackPartners {
  const { PUBLIC_URL: publicUrl, TWILIO_AUTH_TOKEN: authToken, MAILGUN_SIGNING_KEY: signingKey } = config;
  const receipts = createReceiptStore(db, config.DELIVERY_RETENTION_DAYS);
  const receive = createReceiver({
    ...receipts,
    recipient: async (user) => (await orUnavailable(() => profiles.many([user])))[0] ?? {},
    suppress: (...entry) => orUnavailable(() => profiles.suppress(...entry)),
    now,
  });
  return {
    ...(publicUrl !== undefined && authToken !== undefined && { twilio: { publicUrl, authToken } }),
    ...(signingKey !== undefined && { mailgun: { signingKey } }),
    receive: (receipt) => receive(receipt).then(() => metrics.received(receipt)),
    useToken: receipts.useToken,
    returnToken: receipts.returnToken,
    now,
  };
}
