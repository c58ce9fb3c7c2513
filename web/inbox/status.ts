import { BelfryClientError } from "../../src/client/index.ts";
import type { Locale } from "./locale.ts";
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
/** A service that asks for a longer pause is named as the reason. */
const pauseSeconds = 5;
/** Here something helps, and better than to wait: to close another page. */
const tooMany = "too_many_connections";

/** Undefined: all is well. Without a view there is nobody whose inbox it is. */
export function statusOf(
  view: InboxView | undefined,
  { texts, clock }: Locale,
  now: number,
): Status | undefined {
  if (!view) return { kind: "trouble", says: texts.noUser, canRetry: false };
  const { connection, isLoaded, troubledSince = now, error, retryAt = 0 } = view;
  const waited = now - troubledSince;
  if (connection === "live") return undefined;
  if (connection === "offline") return { kind: "offline", says: texts.offline, canRetry: false };
  if (connection === "refused") return { kind: "trouble", says: sentenceFor(error, texts), canRetry: true };
  if (error && (!isLoaded || waited > worthAWordMs)) {
    const wasAsked =
      error instanceof BelfryClientError && error.code !== tooMany && (error.retryAfter ?? 0) > pauseSeconds;
    const says =
      wasAsked && retryAt > now ? filled(texts.later, { time: clock(retryAt) }) : sentenceFor(error, texts);
    return { kind: "trouble", says, canRetry: true };
  }
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
  [tooMany]: "busy",
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

/** Of what was done and came to nothing. A reason that passes: it is not tried again by itself. */
export function failureFor(error: Error, texts: Texts): string {
  const passes = error instanceof BelfryClientError && !error.isFinal;
  return `${texts.notDone} ${passes ? texts.again : sentenceFor(error, texts)}`;
}

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
