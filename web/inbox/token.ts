import { BelfryClientError } from "../../src/client/error.ts";
import type { Target } from "./session.ts";

const timeoutMs = 30_000;

/**
 * A `token` that is given is the first. Then `getToken` is asked, or the page's server at `tokenUrl`. With none of the
 * three there is no token, and an open service needs none.
 */
export function tokensOf(target: Target): () => Promise<string> {
  let isFirst = true;
  return async () => {
    const { token, getToken, tokenUrl } = target;
    const ask = getToken ?? (tokenUrl && (() => fetchToken(tokenUrl)));
    const given = isFirst || !ask ? token : undefined;
    isFirst = false;
    const found = (given || (ask && (await ask()))) as string;
    if (found === undefined) return found;
    const text = String(found).trim();
    // A server that answers with something else, such as an error page, has refused nobody: it is asked again.
    if (!/^[\w.~+/-]+=*$/.test(text)) throw new TypeError("belfry-inbox: the answer is not a token");
    return text;
  };
}

/** From `{"token": "…"}`, the answer of `POST /v1/users/{id}/token`, or from plain text. */
async function fetchToken(url: string): Promise<string> {
  const response = await fetch(url, {
    method: "POST",
    credentials: "same-origin",
    signal: AbortSignal.timeout(timeoutMs),
  });
  const { ok, status } = response;
  const text = await response.text();
  const message = `belfry-inbox: ${url} answered ${status}`;
  if (status === 401 || status === 403) throw new BelfryClientError(message, { status, code: "" });
  if (!ok) throw new Error(message);
  return text.trimStart().startsWith("{") ? JSON.parse(text).token : text;
}
