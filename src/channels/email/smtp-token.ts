import { tokenAway } from "./smtp-outcome.ts";

export interface TokenOptions {
  tokenUrl: string;
  clientId: string;
  clientSecret?: string | undefined;
  /** With it the refresh token flow, without it client credentials (RFC 6749 6, 4.4). */
  refreshToken?: string | undefined;
  scope?: string | undefined;
}

export interface Token {
  token: string;
  /** Unix ms. */
  expires: number;
}

const timeoutMs = 10_000;
/** A token is renewed this long before it ends, so that it does not end during a login. */
const earlyMs = 60_000;
const defaultLifeSeconds = 300;

/**
 * Access tokens for XOAUTH2. All connections share one token, and those that ask while it is being fetched share the
 * answer. `renew`: the server has refused the token.
 */
export function createTokenSource(options: TokenOptions): (renew: boolean) => Promise<Token> {
  let current: Token | undefined;
  let fetching: Promise<Token> | undefined;
  let { refreshToken } = options;

  async function fetchToken(): Promise<Token> {
    const { tokenUrl, clientId, clientSecret, scope } = options;
    const form = new URLSearchParams({
      grant_type: refreshToken === undefined ? "client_credentials" : "refresh_token",
      client_id: clientId,
      ...(clientSecret !== undefined && { client_secret: clientSecret }),
      ...(refreshToken !== undefined && { refresh_token: refreshToken }),
      ...(scope !== undefined && { scope }),
    });
    const signal = AbortSignal.timeout(timeoutMs);
    const response = await fetch(tokenUrl, { method: "POST", body: form, redirect: "error", signal }).catch(
      (error: Error) => {
        throw away(
          `the token server does not answer: ${(error.cause as Error | undefined)?.message ?? error.message}`,
        );
      },
    );
    const text = await response.text().catch(() => "");
    if (response.status >= 500 || response.status === 429)
      throw away(`the token server answered ${response.status}`);
    const answer = parse(text);
    const { access_token: token, expires_in: seconds, refresh_token: next } = answer;
    if (!response.ok || typeof token !== "string")
      throw new Error(`the token server refused us: ${reasonOf(answer) ?? response.status}`);
    // Some servers give a new refresh token each time and end the old one.
    if (refreshToken !== undefined && typeof next === "string") refreshToken = next;
    const life = Number(seconds) > 0 ? Number(seconds) : defaultLifeSeconds;
    current = { token, expires: Date.now() + life * 1_000 };
    return current;
  }

  return async (renew) => {
    if (!renew && current && current.expires - earlyMs > Date.now()) return current;
    fetching ??= fetchToken().finally(() => {
      fetching = undefined;
    });
    return fetching;
  };
}

const away = (text: string): Error => Object.assign(new Error(text), { code: tokenAway });

function parse(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** RFC 6749 5.2; never more of the answer than that, which might hold a credential. */
function reasonOf({ error, error_description: description }: Record<string, unknown>): string | undefined {
  if (typeof error !== "string") return undefined;
  return typeof description === "string" ? `${error}: ${description.slice(0, 300)}` : error;
}
