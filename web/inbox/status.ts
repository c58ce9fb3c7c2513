import { BelfryClientError } from "../../src/client/index.ts";
import type { InboxView } from "./session.ts";
import { filled, type Texts } from "./texts.ts";

/** Why the inbox is not what it should be, and what to do: never nothing, and never for ever a spinner. */
export interface Status {
  kind: "loading" | "offline" | "trouble";
  says: string;
  /** It can be tried at once. */
  canRetry: boolean;
}

/** An interruption that is over so soon is not worth a word. */
const worthAWordMs = 3_000;
/** Nothing has come for so long: somebody who waits is told. */
const slowMs = 5_000;

/** Undefined: all is well. */
export function statusOf(view: InboxView, texts: Texts, now: number): Status | undefined {
  const { connection, isLoaded, troubledSince = now, error } = view;
  const waited = now - troubledSince;
  if (connection === "live") return undefined;
  if (connection === "offline") return { kind: "offline", says: texts.offline, canRetry: false };
  if (connection === "refused") return { kind: "trouble", says: sentenceFor(error, texts), canRetry: true };
  if (error && (!isLoaded || waited > worthAWordMs))
    return { kind: "trouble", says: sentenceFor(error, texts), canRetry: true };
  if (!isLoaded)
    return waited > slowMs
      ? { kind: "trouble", says: texts.slow, canRetry: true }
      : { kind: "loading", says: texts.loading, canRetry: false };
  if (waited > worthAWordMs) return { kind: "trouble", says: texts.reconnecting, canRetry: true };
  return undefined;
}

const sentences: Record<string, keyof Texts> = {
  unreachable: "unreachable",
  timeout: "slow",
  unauthorized: "signedOut",
  token_expired: "signedOut",
  forbidden: "forbidden",
  not_found: "notFound",
  too_many_connections: "busy",
  overloaded: "busy",
  not_reading: "unreachable",
  leaving: "unreachable",
};
const byStatus: Record<number, keyof Texts> = {
  401: "signedOut",
  403: "forbidden",
  404: "notFound",
  429: "busy",
};

export function sentenceFor(error: Error | undefined, texts: Texts): string {
  // Whatever else is thrown comes from the page's `getToken`.
  if (!(error instanceof BelfryClientError)) return texts.noToken;
  const { code, status } = error;
  const name =
    sentences[code] ??
    byStatus[status] ??
    (status >= 500 || code === "internal" || code === "database_unavailable" ? "broken" : "failed");
  return filled(texts[name] as string, { code });
}
