/** The credentials that the client sends with each call. */
export interface Credentials {
  /** The bearer token; undefined when none is configured. */
  current(): Promise<string | undefined>;
  /** After `refused` was refused: whether there is another bearer to try now. `isAgain`: this call has asked before. */
  renew(refused: string | undefined, isAgain?: boolean): Promise<boolean>;
}

/** `fixed`: an API key or a token. `getToken`: called when a token is needed, expires soon, or is refused. */
export function createCredentials(
  fixed: string | undefined,
  getToken: (() => string | Promise<string>) | undefined,
): Credentials {
  let token = fixed;
  let renewAt = Number.POSITIVE_INFINITY;
  let asking: Promise<string> | undefined;
  /** Calls that need one at the same time ask once. */
  function ask(get: () => string | Promise<string>): Promise<string> {
    // `get` is the page's and may throw at once: `asking` must be set by then, or the failure would stay.
    asking ??= Promise.resolve()
      .then(get)
      .then((got) => {
        token = got;
        renewAt = Date.now() + lifetimeMs(got) * 0.9;
        return got;
      })
      .finally(() => {
        asking = undefined;
      });
    return asking;
  }
  return {
    async current() {
      if (!getToken || (token !== undefined && Date.now() < renewAt)) return token;
      // The old one is good for a while: when there is no new one yet, the service decides.
      return ask(getToken).catch((error) => {
        if (token === undefined) throw error;
        return token;
      });
    },
    async renew(refused, isAgain) {
      if (!getToken || isAgain) return false;
      if (token === refused) await ask(getToken);
      return true;
    },
  };
}

/** From issue to expiry, whatever this device's clock says. For a token that does not tell: for ever. */
function lifetimeMs(token: string): number {
  try {
    const payload = token.split(".")[1] as string;
    const { iat, exp } = JSON.parse(atob(payload.replaceAll("-", "+").replaceAll("_", "/")));
    return exp > iat ? (exp - iat) * 1_000 : Number.POSITIVE_INFINITY;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
