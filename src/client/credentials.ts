/** What is shown to the service. */
export interface Credentials {
  /** The bearer; undefined: none is needed. */
  current(): Promise<string | undefined>;
  /** After `refused` was refused: whether there is another one to try now. */
  renew(refused: string | undefined): Promise<boolean>;
}

/** `fixed`: an API key or a token. `getToken`: asked when a token is needed, and when the one before is refused. */
export function createCredentials(
  fixed: string | undefined,
  getToken: (() => string | Promise<string>) | undefined,
): Credentials {
  let token = fixed;
  let asking: Promise<string> | undefined;
  /** Many calls that need one at the same time ask once. */
  function ask(get: () => string | Promise<string>): Promise<string> {
    // `get` is the page's and may throw at once: by then `asking` must be set, or what failed would stay.
    asking ??= Promise.resolve()
      .then(get)
      .then((got) => {
        token = got;
        return got;
      })
      .finally(() => {
        asking = undefined;
      });
    return asking;
  }
  return {
    async current() {
      return token ?? (getToken && ask(getToken));
    },
    async renew(refused) {
      if (!getToken) return false;
      if (token === refused) await ask(getToken);
      return true;
    },
  };
}
