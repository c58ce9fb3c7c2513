import { networks } from "./channels/webhook/guard.ts";
import type { Config } from "./config/table.ts";
import type { Links } from "./core/links.ts";
import { createTokens } from "./core/tokens.ts";
import { createAddresses } from "./http/addresses.ts";
import { createAuthorizer } from "./http/auth.ts";
import { createOriginRule } from "./http/origins.ts";
import type { Logger } from "./log.ts";
import type { Store } from "./store/index.ts";

/** Tokens, API keys, origins, hosts and proxies, as the configuration says. */
export function openAccess(
  config: Config,
  links: Links,
  { serverNow, preferences }: Pick<Store, "serverNow" | "preferences">,
  log: Logger,
) {
  const tokens = createTokens({
    secrets: config.TOKEN_SECRET ?? [],
    publicKey: config.TOKEN_PUBLIC_KEY,
    audience: config.TOKEN_AUDIENCE,
    maxSeconds: config.TOKEN_MAX_SECONDS,
    ttlSeconds: config.TOKEN_TTL_SECONDS,
    now: serverNow,
  });
  const own = config.PUBLIC_URL === undefined ? undefined : new URL(config.PUBLIC_URL);
  const onUnknownProxy = (address: string) =>
    log.warn(
      { address },
      `a request has X-Forwarded-For, but no proxy is trusted, so limits count the proxy as one client. If ${address} is your proxy, set TRUST_PROXY=${address}`,
    );
  const onForeignOrigin = (origin: string) =>
    log.warn(
      { origin },
      "refused a page of this origin: if it may call Belfry, add the origin to ALLOWED_ORIGINS",
    );
  const allowedOrigins = config.ALLOWED_ORIGINS ?? [];
  const addresses = createAddresses(
    networks(config.TRUST_PROXY ?? []),
    config.TRUST_PROXY ? undefined : onUnknownProxy,
  );
  /** The link of a user who was erased opens nothing. */
  async function ofPreferenceLink(bearer: string): Promise<string | undefined> {
    const link = links.read(bearer);
    if (link?.purpose !== "preferences") return undefined;
    return (await preferences.readKnown(link.user)) && link.user;
  }
  return {
    tokens,
    authorizer: createAuthorizer({ apiKeys: config.API_KEYS ?? [], tokens, ofPreferenceLink }),
    allowedOrigins,
    // Behind a proxy that sends another `Host`, PUBLIC_URL identifies our own pages.
    isAllowedOrigin: createOriginRule([...allowedOrigins, ...(own ? [own.origin] : [])], onForeignOrigin),
    basePath: config.BASE_PATH ?? own?.pathname.replace(/\/$/, "") ?? "",
    allowedHosts: [config.HOST, ...(config.ALLOWED_HOSTS ?? []), ...(own ? [own.hostname] : [])],
    addresses,
    connections: {
      most: config.HTTP_CONNECTIONS,
      mostPerAddress: config.HTTP_CONNECTIONS_PER_ADDRESS,
      peerAddress: addresses.peerAddress,
    },
  };
}
